"""What `import edgeq` promises."""

import ast
import dataclasses
import importlib
import inspect
import json
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
    "edgeq.workflow.conversion.Conversion",
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


@pytest.mark.slow
def test_a_users_script_uses_every_name_and_is_strictly_typed():
    script = ROOT / "tests" / "users_script.py"
    used = {
        node.attr
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "edgeq"
    }
    assert used == set(edgeq._PUBLIC)
    settings = ("--strict", "--config-file", ROOT / "pyproject.toml")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *settings, script],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )  # fmt: skip
    assert "Success" in done.stdout, done.stdout


@pytest.fixture(scope="module")
def results(shared):
    """What a notebook has after its first cells, with the JSON that its command prints."""
    kws = shared / "models" / "mlperf_tiny" / "kws_int8.tflite"
    quick = edgeq.ProfileOptions(runs=5, warmup=1)
    profile = edgeq.profile(kws, on="c", profile_options=quick)
    return {
        "inspect": edgeq.inspect(kws),
        "profile": profile,
        "verify": edgeq.verify(kws, on="c", against="local?kernels=reference", n=2),
        "fit": edgeq.fit(kws, "nucleo-f446re"),
        "fit_tflm": edgeq.fit_tflm(kws, "nucleo-f446re"),
        "compare": edgeq.compare_profiles(profile.to_json(), profile.to_json()),
    }


@pytest.mark.parametrize("name", ["inspect", "profile", "verify", "fit", "fit_tflm", "compare"])
def test_a_notebook_reads_results(results, name):
    found = results[name]
    said = repr(found)
    assert said.startswith(f"{type(found).__name__}(")
    assert len(said) < 500
    assert "\n" not in said
    cell = found._repr_html_()
    assert cell.startswith("<table>")
    assert cell.count("<tr>") == len(found.headline()) > 0
    assert json.loads(json.dumps(found.to_json())) == found.to_json()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(found, dataclasses.fields(found)[0].name, 1)


def test_a_notebook_computes_with_results(results):
    rows = results["profile"].measurement.ops
    assert sum(op.share for op in rows) == pytest.approx(1)
    assert sum(op.macs for op in rows) == results["inspect"].macs == 2_656_768
    assert f"{results['inspect'].macs:,}" in results["inspect"]._repr_html_()
    image = results["fit"].account.image
    assert sum(part.flash_bytes for part in image.parts) == image.flash_bytes
    kinds = results["profile"].to_json()["kinds"]
    assert kinds["memory_bytes.arena"] == kinds["latency_us"] == "measured"
    assert results["verify"].equal
