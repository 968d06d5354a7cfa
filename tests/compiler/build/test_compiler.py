import ctypes
import subprocess
import sys
from dataclasses import replace

import pytest

from edgeq.compiler.build import cache
from edgeq.compiler.build.compiler import _run, build
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.errors import EdgeqError

_FLAGS = ["-std=c99", "-O2", "-fPIC"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path / "cache"))


def _build(text, product="x.so"):
    return build(host_toolchain(), {"x.c": text}, _FLAGS, ["-shared"], product)


def test_a_library_is_built_once():
    text = "int answer(void);\nint answer(void) { return 42; }\n"
    path = _build(text)
    assert ctypes.CDLL(str(path)).answer() == 42
    stamp = path.stat().st_mtime_ns
    assert _build(text) == path
    assert path.stat().st_mtime_ns == stamp
    assert _build(text.replace("42", "43")) != path
    assert sorted(file.name for file in path.parent.iterdir()) == ["contents.sha256", "x.so"]


def test_machines_that_share_a_cache_share_nothing_that_is_native(monkeypatch):
    """Code for the CPU of another machine ends a process (SIGILL)."""
    text = "int answer(void);\nint answer(void) { return 42; }\n"
    here = host_toolchain()
    assert (here.machine and "-march=native" in here.flags) or here.name == "zig"
    path = _build(text)
    other = replace(here, machine="flags: sse2")
    there = build(other, {"x.c": text}, _FLAGS, ["-shared"], "x.so")
    assert there != path and _build(text) == path
    objects = cache.cache_dir() / "objects"
    assert len(list(objects.iterdir())) == 2
    assert host_toolchain(("-O1",)).machine == ""  # a level's flags are the same everywhere


def test_an_error_quotes_the_compiler_and_leaves_nothing(tmp_path):
    with pytest.raises(EdgeqError, match=r"failed on x\.c") as caught:
        _build("int broken(\n" * 50)
    assert "error" in caught.value.what
    assert len(caught.value.what.splitlines()) < 20
    assert list((tmp_path / "cache" / "build").iterdir()) == []


def test_a_compiler_that_runs_in_python_is_called_by_its_name(tmp_path):
    """ "python failed on model.wasm" said neither which compiler, nor what to do."""
    command = (sys.executable, "-c", "import sys; sys.exit('bad magic')", "ziglang", "cc")
    with pytest.raises(EdgeqError, match=r"\(ziglang cc\) failed on model\.wasm") as caught:
        _run(command, tmp_path, "model.wasm")
    assert "bad magic" in caught.value.what and "may be damaged: remove" in caught.value.hint
    with pytest.raises(EdgeqError, match=r"\(ziglang cc\) failed on x\.c") as caught:
        _run(command, tmp_path, "x.c")
    assert caught.value.hint == ""


def test_processes_that_build_the_same_thing_at_once(tmp_path):
    program = (
        "from edgeq.compiler.build.compiler import build\n"
        "from edgeq.compiler.build.toolchain import host_toolchain\n"
        "print(build(host_toolchain(), {'x.c': 'int a(void); int a(void) { return 1; }'},"
        f" {_FLAGS!r}, ['-shared'], 'x.so'))\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    paths = {process.communicate()[0] for process in started}
    assert len(paths) == 1
    assert len(list((tmp_path / "cache" / "build").iterdir())) == 1


def test_the_oldest_builds_go_when_the_cap_is_reached(monkeypatch):
    paths = [_build(f"int a(void); int a(void) {{ return {i}; }}") for i in range(3)]
    size = paths[0].stat().st_size
    monkeypatch.setattr(cache, "_CAP_BYTES", int(2.5 * size))
    monkeypatch.setattr(cache, "_PRUNE_EVERY_S", 0.0)
    newest = _build("int a(void); int a(void) { return 9; }")
    assert newest.exists()
    assert sum(path.exists() for path in [*paths, newest]) == 2


def test_objects_are_shared_by_programs_that_differ_in_what_they_cannot_see(tmp_path):
    board, model = '#include "board.h"\nint a(void) { return A; }', '#include "m.h"\nint M = B;'
    files = {"board.c": board, "board.h": "int a(void);\n#define A 1\n", "m.c": model}

    def make(answer, **more):
        made = {**files, "m.h": f"#define B {answer}\nextern int M;\n", **more}
        path = build(host_toolchain(), made, _FLAGS, ["-shared"], "x.so")
        library = ctypes.CDLL(str(path))
        return library.a(), ctypes.c_int.in_dll(library, "M").value

    def objects():
        return len(list((tmp_path / "cache" / "objects").iterdir()))

    assert (make(2), objects()) == ((1, 2), 2)
    assert (make(3), objects()) == ((1, 3), 3)
    assert (make(3, **{"board.h": "int a(void);\n#define A 7\n"}), objects()) == ((7, 3), 4)


def test_headers_of_macros_and_of_the_command_line_are_seen():
    files = {"x.c": "#include NAME\nint a(void) { return A + G; }", "given.h": "#define G 10\n"}
    flags = [*_FLAGS, '-DNAME="h.h"', "-include", "given.h"]
    for answer in (1, 2):
        made = {**files, "h.h": f"int a(void);\n#define A {answer}\n"}
        path = build(host_toolchain(), made, flags, ["-shared"], f"{answer}.so")
        assert ctypes.CDLL(str(path)).a() == answer + 10
