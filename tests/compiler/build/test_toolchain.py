import os
import shutil
import stat
import sys

import pytest

from edgeq.boards.target import load_target
from edgeq.compiler.build.toolchain import cross_toolchain, host_toolchain
from edgeq.errors import EdgeqError, MissingDependency, UsageError
from tests.tools import need


def test_the_systems_compiler_comes_first_and_zig_is_the_fallback(monkeypatch):
    need(shutil.which("arm-none-eabi-gcc"), "arm-none-eabi-gcc")
    target = load_target("cortex-m4")
    assert cross_toolchain(target).name == "arm-none-eabi-gcc"
    monkeypatch.setenv("PATH", "/nowhere")
    assert cross_toolchain(target).name == "zig"
    assert host_toolchain().name == "zig"


def test_a_missing_compiler_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", "gcc")
    with pytest.raises(MissingDependency, match="apt install gcc-arm-none-eabi"):
        cross_toolchain(load_target("cortex-m4"))
    with pytest.raises(MissingDependency, match="apt install gcc-riscv64-unknown-elf"):
        cross_toolchain(load_target("rv32imc"))
    with pytest.raises(MissingDependency, match="apt install gcc libc6-dev,"):
        host_toolchain()


def test_cc_may_have_words(monkeypatch, tmp_path):
    """`CC="ccache gcc"` was passed over in silence."""
    need(shutil.which("gcc"), "gcc")
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nexec "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("CC", f"'{wrapper}' gcc")
    found = host_toolchain()
    assert found.command == (str(wrapper), "gcc")
    assert "GCC" in found.version or "gcc" in found.version
    monkeypatch.setenv("CC", "'gcc")
    with pytest.raises(UsageError, match="CC='gcc is no command"):
        host_toolchain()


def test_unknown_choice(monkeypatch):
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", "msvc")
    with pytest.raises(UsageError):
        host_toolchain()


def test_no_bare_metal_toolchain_for_a_host():
    with pytest.raises(EdgeqError, match="bare-metal"):
        cross_toolchain(load_target("x86-64"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script as a program")
def test_a_compiler_that_says_nothing_about_itself(tmp_path, monkeypatch):
    real = shutil.which("gcc")
    need(real, "gcc")
    first_in_path(monkeypatch, tmp_path, "gcc", f'[ "$1" != --version ] && exec {real} "$@"')
    assert host_toolchain().version == "unknown"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script as a program")
@pytest.mark.parametrize(
    ("compiler", "target", "package"),
    [
        ("arm-none-eabi-gcc", "cortex-m4", "libnewlib-arm-none-eabi"),
        ("riscv64-unknown-elf-gcc", "rv32imc", "picolibc-riscv64-unknown-elf"),
        ("gcc", "", "libc6-dev"),
    ],
)
def test_a_compiler_without_its_c_library(tmp_path, monkeypatch, compiler, target, package):
    real = shutil.which(compiler)
    need(real, compiler)
    bare = 'case "$*" in *-E*) set -- -nostdinc "$@";; esac'
    for name in {compiler, *(() if target else ("clang", "cc"))}:
        first_in_path(monkeypatch, tmp_path, name, f'{bare}; exec {real} "$@"')

    def found():
        return cross_toolchain(load_target(target)) if target else host_toolchain()

    assert found().name == "zig"
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", "gcc")
    with pytest.raises(MissingDependency, match=f"(?s)C library of {compiler} .*{package}"):
        found()


def first_in_path(monkeypatch, folder, name, script):
    """A shell script that is found before any program of its name."""
    fake = folder / name
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CC", raising=False)
