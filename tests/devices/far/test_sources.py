"""The agents' sources: old Pythons can read them, strict compilers have nothing to say."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

import edgeq.devices.far
from edgeq.boards.target import load_target
from edgeq.compiler.options import CompileOptions
from edgeq.devices.generated import generate
from edgeq.devices.remote import artifacts
from edgeq.devices.remote.runner import model_table
from tests.tools import need

FOLDER = Path(edgeq.devices.far.__file__).parent
STRICT = (
    *("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion"),
    *("-Wshadow", "-Wundef", "-Wvla", "-Wstrict-prototypes", "-Wmissing-prototypes"),
    *("-Wcast-align", "-Wcast-qual", "-Werror", "-O2", "-c", "-o", "/dev/null"),
)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_python_3_7_can_read_it(path):
    ast.parse(path.read_text(), feature_version=(3, 7))


def test_the_packed_agent_is_the_same_every_time(tmp_path, monkeypatch):
    first = artifacts.agent()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    again = artifacts.agent()
    assert (again.sha256, again.path.read_bytes()) == (first.sha256, first.path.read_bytes())


@pytest.mark.parametrize("compiler", ["gcc", "clang", "aarch64-linux-gnu-gcc"])
def test_the_agent_in_c_is_free_of_warnings(compiler, models, tmp_path):
    need(shutil.which(compiler), compiler)
    sources = generate(models / "kws_int8.tflite", load_target("x86-64"), CompileOptions())
    for name, text in {**sources.files, "eq_model_table.h": model_table(sources)}.items():
        (tmp_path / name).write_text(text)
    for path in sorted((FOLDER / "runner").glob("*.c")):
        done = subprocess.run(
            [compiler, *STRICT, f"-I{FOLDER}/runner", f"-I{tmp_path}", path],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_the_bootstrap_is_posix(shell):
    need(shutil.which(shell), shell)
    words = [shell, "ash"] if shell == "busybox" else [shell]
    subprocess.run([*words, "-n", FOLDER / "bootstrap.sh"], check=True)
