"""The house as CONTRIBUTING.md describes it, and the sizes that keep it livable."""

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = (".py", ".h", ".c")
# A schema is a table, however long.
TABLES = {"edgeq/model/tflite/schema.py"}
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()


def tracked(*patterns):
    found = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("needs a git checkout")
    return [file for file in found.stdout.splitlines() if (ROOT / file).exists()]


def test_every_path_of_the_guide_exists():
    rooms = "edgeq|tests|targets|firmware_templates|benchmarks|docs"
    named = re.findall(rf"`((?:{rooms})/[\w./-]+)`", GUIDE)
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_no_merge_was_left_half_way():
    marks = [b"<" * 7 + b" ", b">" * 7 + b" "]
    left = []
    for file in tracked():
        content = b"\n" + (ROOT / file).read_bytes() if (ROOT / file).is_file() else b""
        left += [file for mark in marks if b"\n" + mark in content]
    assert left == []


def test_no_folder_is_crowded():
    files = [Path(file) for file in tracked("edgeq")]
    crowd = Counter(file.parent for file in files if file.suffix in SOURCES)
    assert {str(folder): n for folder, n in crowd.items() if n > 25} == {}
    assert sum(file.parent == Path("edgeq") for file in files if file.suffix == ".py") <= 8


def test_files_and_functions_can_be_read_at_a_sitting():
    long_files, long_functions = {}, {}
    for file in tracked("edgeq/*.py"):
        text = (ROOT / file).read_text()
        lines = text.count("\n")
        if lines > 400 and file not in TABLES:
            long_files[file] = lines
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                # What a function promises is for its readers; what it does is counted.
                start = node.body[1].lineno if len(node.body) > 1 else node.lineno
                lines = node.end_lineno - start + 1
                if lines > 60:
                    long_functions[f"{file}:{node.name}"] = lines
    assert long_files == {}
    assert long_functions == {}


def test_every_room_says_what_it_is_for():
    folders = {Path(file).parent for file in tracked("edgeq/*.py")}
    for folder in folders:
        init = ROOT / folder / "__init__.py"
        assert init.exists(), folder
        assert ast.get_docstring(ast.parse(init.read_text())), folder


def test_tests_that_are_left_out_exist():
    """`make test-fast` leaves something of every file, and no line stands for nothing."""
    lines = (ROOT / "tests" / "slow_tests.txt").read_text().splitlines()
    assert lines == sorted(set(lines))
    gone = []
    for line in lines:
        file, _, name = line.partition("[")[0].partition("::")
        if not (ROOT / file).exists() or f"def {name}(" not in (ROOT / file).read_text():
            gone.append(line)
    assert gone == []


def test_benchmarks_find_what_they_share():
    """They run by hand only: a name that is gone is noticed here."""
    own, asked = {}, []
    for file in tracked("benchmarks/*.py"):
        tree = ast.parse((ROOT / file).read_text())
        defined = own[file] = set()
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                defined.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                defined |= {alias.asname or alias.name for alias in node.names}
            else:
                targets = node.targets if isinstance(node, ast.Assign) else [node]
                names = [name for each in targets for name in ast.walk(each)]
                defined |= {name.id for name in names if isinstance(name, ast.Name)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("benchmarks."):
                asked += [(file, node.module, alias.name) for alias in node.names]
    assert len(asked) > 10
    missing = [
        (file, module, name)
        for file, module, name in asked
        if name not in own[f"{module.replace('.', '/')}.py"]
    ]
    assert missing == []
