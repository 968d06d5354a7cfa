"""Programs in Python that commands start do not run what lies in the current folder."""

import ast
import importlib
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from edgeq.support.children import isolated_spawn, module_command, safe_path
from edgeq.support.user_code import import_user_module

ROOT = Path(__file__).parents[2]
_STRANGERS = [
    "json",
    "runpy",
    "h5py",
    "numpy",
    "ziglang",
    "pickle",
    "multiprocessing",
    "contextlib",
]


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A current folder of modules that leave a mark when they are imported."""
    mark = tmp_path / "mark"
    folder = tmp_path / "unpacked"
    folder.mkdir()
    for name in _STRANGERS:
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write('{name} ')\n")
    monkeypatch.chdir(folder)
    return mark


def test_a_module_is_run_as_a_program(trap):
    done = subprocess.run(
        module_command("json.tool", "--compact"), input=b'{"a": 1}', capture_output=True, check=True
    )
    assert done.stdout.strip() == b'{"a":1}'
    assert not trap.exists()


def test_pythons_own_way_springs_the_trap(trap):
    subprocess.run(
        [sys.executable, "-m", "json.tool"], input=b"1", capture_output=True, check=False
    )
    assert trap.exists()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH came with Python 3.11")
def test_processes_of_others(trap):
    with safe_path():
        subprocess.run([sys.executable, "-c", "import json, pickle"], check=True)
    assert not trap.exists()


@pytest.mark.skipif(os.name != "posix", reason="a shell's script stands before Python")
def test_spawned_processes_where_python_does_not_know_the_variable(trap, monkeypatch):
    """Those of dask are spawned: `python -c`, with `import multiprocessing` as its first words."""
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    with isolated_spawn():
        workers = multiprocessing.get_context("spawn").Pool(1)
        with workers:
            folder, path = workers.apply(os.getcwd), workers.apply(_import_path)
    assert Path(folder) == Path.cwd()
    assert path == sys.path  # as without it
    assert not trap.exists()


def _import_path():
    return sys.path


@pytest.mark.slow
def test_settings_of_matplotlib_in_the_current_folder_are_not_read(trap, models):
    """Keras imports it, where it is installed, and it looks for its settings here first."""
    os.mkfifo("matplotlibrc")  # whoever reads it waits for ever
    shutil.copy(models / "ad01.h5", "net.h5")
    command = module_command("edgeq", "inspect", "net.h5")
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert not trap.exists()


def test_reading_a_file_runs_nothing_of_the_current_folder(trap, cli):
    with h5py.File("net.h5", "w") as file:
        file.attrs["model_config"] = "{}"
    found = cli("inspect", "net.h5")
    assert found.code == 1
    assert not trap.exists()


def test_measuring_runs_nothing_of_the_current_folder(trap, cli, models):
    found = cli("profile", models / "ad01_int8.tflite", "--on", "local", "-n", 2, "--json")
    assert found.code == 0, found.err
    assert found.json["memory_bytes"]["peak_rss"] > 0
    assert not trap.exists()


def test_compiling_runs_nothing_of_the_current_folder(trap, cli, models, tmp_path):
    model, page = models / "ad01_int8.tflite", tmp_path / "page"
    found = cli("compile", model, "-o", page, "--project", "web")
    assert found.code == 0, found.err
    assert not trap.exists()


def test_a_module_of_the_user_brings_no_others_along(trap):
    """The folder that it lies in is the last place where installed packages are looked for."""
    Path("mine.py").write_text("def value():\n    import sibling\n    return sibling.number\n")
    Path("sibling.py").write_text("number = 7\n")
    Path("wave.py").write_text(Path("json.py").read_text())
    program = (
        "from edgeq.support.user_code import import_user_module as get; mine = get('mine', ''); "
        "import wave, ziglang; assert mine.value() == 7; get('sibling', ''); get('email', '')"
    )
    runner = Path("..", "runner.py").resolve()
    runner.write_text(program)
    command = module_command("runner")
    done = subprocess.run(
        command, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(runner.parent)])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not trap.exists()


@pytest.mark.parametrize("name", ["mine_for_test", "email", "two.dots"])
def test_a_file_of_the_user_is_a_module_like_others(monkeypatch, tmp_path, name):
    """It may hold dataclasses, and import what lies beside it; no package goes by its name."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    file = tmp_path / f"{name}.py"
    (tmp_path / "beside_for_test.py").write_text("number = 7\n")
    for default in (1, 2):  # run anew each time
        file.write_text(
            "from __future__ import annotations\nfrom dataclasses import dataclass\n"
            "from beside_for_test import number\n"
            f"@dataclass\nclass Both:\n    one: int = {default}\n    other: int = number\n"
        )
        both = import_user_module(str(file), "").Both()
        assert (both.one, both.other) == (default, 7)
    assert hasattr(importlib.import_module("email"), "message_from_string")
    assert "mine_for_test" not in sys.modules  # which may be another folder's


@pytest.mark.skipif(os.name != "posix", reason="the stranger is a shell's script")
@pytest.mark.parametrize("part", ["", "."])
def test_no_program_of_the_current_folder_is_started(trap, cli, models, monkeypatch, part):
    for name in ("gcc", "clang", "cc", "zig", "arm-none-eabi-gcc"):
        Path(name).write_text(f"#!/bin/sh\ntouch {trap}\n")
        Path(name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([part, os.environ["PATH"]]))
    assert cli("doctor").code in (0, 1)
    found = cli("profile", models / "ad01_int8.tflite", "--on", "c", "-n", 2, "--no-ops")
    assert found.code == 0, found.err
    assert not trap.exists()


def test_zig_takes_nothing_from_beside_a_strangers_build_file(trap, cli, models, monkeypatch):
    """Where there is one, its `.zig-cache` would be taken for what was compiled before."""
    monkeypatch.delenv("ZIG_LOCAL_CACHE_DIR", raising=False)
    Path("build.zig").write_text("")
    found = cli("compile", models / "ad01_int8.tflite", "-o", "page", "--project", "web")
    assert found.code == 0, found.err
    assert not Path(".zig-cache").exists()


def test_nobody_starts_python_in_another_way():
    """`-m` and `-c` behind this interpreter's name stand in support/children.py alone."""
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sorted((ROOT / "edgeq").rglob("*.py"))
        if file.name != "children.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.List | ast.Tuple)
        and any(isinstance(each, ast.Attribute) and each.attr == "executable" for each in node.elts)
    ]
    assert found == []
