"""What `import edgeq` promises."""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import edgeq
from edgeq.cli.main import COMMANDS, cli

ROOT = Path(__file__).parent.parent

SCRIPT = """
import edgeq

conversion = edgeq.convert("kws.keras", data="calibration.npz", output="kws.tflite")
reveal_type(conversion)
reveal_type(edgeq.profile("kws.tflite", on="sim:cortex-m4").measurement.cycles)
reveal_type(edgeq.verify("kws.tflite", on="c", against="tflm").equal)
reveal_type(edgeq.inspect("kws.tflite").macs)
reveal_type(edgeq.compile("kws.tflite", "out"))
reveal_type(edgeq.all_targets())
{others}
"""
REVEALED = (
    "edgeq.workflow.convert.Conversion",
    "int | None",
    "bool",
    "int",
    "edgeq.compiler.compilation.Sources",
    "edgeq.boards.target.Target",
)


def test_every_public_name_stays_what_it_is():
    for name in edgeq.__all__:
        assert getattr(edgeq, name) is not None
    for name, module in edgeq._PUBLIC.items():
        # Importing a submodule of the same name must not put the module in the function's place.
        importlib.import_module(module)
        assert callable(getattr(edgeq, name)), name
    assert set(edgeq.__all__) == set(dir(edgeq))


def test_a_type_checker_is_told_the_same_names():
    tree = ast.parse(Path(edgeq.__file__).read_text())
    told = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edgeq.")
        for alias in node.names
    }
    assert told == edgeq._PUBLIC


def test_every_command_is_a_documented_function():
    text = (ROOT / "docs" / "python.md").read_text()
    rows = dict(re.findall(r"^\| `edgeq ([\w-]+)` \| (.+) \|$", text, re.MULTILINE))
    assert set(rows) == set(COMMANDS)
    for row in rows.values():
        for name in re.findall(r"`edgeq\.(\w+)`", row):
            function = getattr(edgeq, name)
            assert inspect.getdoc(function), name
            returned = inspect.signature(function).return_annotation
            assert returned is not inspect.Signature.empty, name


def commands(group=cli, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def test_every_command_has_json():
    without = [
        name
        for name, command in commands()
        if not any("--json" in parameter.opts for parameter in command.params)
    ]
    assert without == []


def test_import_is_quick_and_light():
    heavy = ("tensorflow", "keras", "numpy", "paramiko", "unicorn", "rich", "click")
    code = f"import edgeq, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_users_script_is_typed(tmp_path):
    names = [name for name in edgeq._PUBLIC if not inspect.isclass(getattr(edgeq, name))]
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(others="\n".join(f"reveal_type(edgeq.{n})" for n in names)))
    settings = ("--strict", "--config-file", ROOT / "pyproject.toml")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *settings, script],
        capture_output=True, text=True, cwd=tmp_path, check=False,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if "Revealed type is" in line]
    assert "error:" not in done.stdout, done.stdout
    for line, expected in zip(lines, REVEALED, strict=False):
        assert expected in line
    assert len(lines) == len(REVEALED) + len(names)
    assert not any(re.search(r'is "Any"$|"def \(\*', line) for line in lines), done.stdout


def test_reading_results(models):
    found = edgeq.inspect(models / "kws_int8.tflite")
    assert repr(found).startswith("Inspection(path=")
    assert len(repr(found)) < 500
    assert f"{found.macs:,}" in found._repr_html_()
    assert found.to_json()["macs"] == found.macs == 2_656_768
    with pytest.raises(AttributeError):
        found.macs = 1
