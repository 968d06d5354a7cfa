"""Compilers: finding one for a CPU, and the options that each family of compilers needs."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from edgeq.boards.cpu import CPUS
from edgeq.boards.levels import machine_here
from edgeq.boards.target import Target
from edgeq.errors import EdgeqError, MissingDependency, UsageError
from edgeq.support.children import module_command
from edgeq.support.folders import base_folder

_BAREMETAL = Path(__file__).resolve().parent / "baremetal"
BARE_HEADERS = _BAREMETAL / "include"
"""Folder of the headers that a compiler without a C library lacks."""

ARMV7_WITHOUT_NEON = ("-mcpu=generic+v7a+vfp3d16-neon",)
"""What zig is told for any Armv7: its own functions, too, have NEON otherwise."""

_CHOICE = "EDGEQ_TOOLCHAIN"

# Names of zig's CPUs, and what zig calls the features that edgeq/boards/cpu.py names.
_ZIG_CPUS = {"rv32imc": "generic_rv32+m+c", "rv32imac": "generic_rv32+m+a+c"}
_ZIG_FEATURES = {
    "cortex-m4": {"fpu": "+vfp4d16sp"},
    "cortex-m7": {"fpu": "+fp_armv8d16sp", "fpu-dp": "+fp_armv8d16"},
    "cortex-m33": {"dsp": "+dsp", "fpu": "+fp_armv8d16sp"},
    "cortex-m55": {"mve": "+mve", "mve-fp": "+mve.fp", "fpu": "+fp_armv8d16sp"},
    "cortex-m85": {"mve": "+mve", "mve-fp": "+mve.fp", "fpu": "+fp_armv8d16sp"},
}


@dataclass(frozen=True)
class Toolchain:
    """A C compiler that also links.

    Attributes:
        name: What people call it: "arm-none-eabi-gcc", "zig", "gcc".
        command: How it is started.
        flags: Options for compiling and linking: CPU, ABI, C library.
        include_dirs: Folders with the C headers that a compiler without a C library lacks.
        version: First line of what it says about itself.
        machine: What `native` in its flags stands for; empty where it stands for nothing.
    """

    name: str
    command: tuple[str, ...]
    flags: tuple[str, ...] = ()
    include_dirs: tuple[Path, ...] = ()
    version: str = ""
    machine: str = ""


def cross_toolchain(target: Target) -> Toolchain:
    """A compiler for the bare-metal CPU of `target`.

    The system's own cross compiler is preferred where it has a C library, then the `ziglang`
    package. The environment variable EDGEQ_TOOLCHAIN=gcc or =zig decides otherwise.

    Raises:
        MissingDependency: Neither is installed.
        EdgeqError: No bare-metal toolchain makes code for this CPU.
    """
    family = target.toolchain
    if family not in ("arm-none-eabi", "riscv"):
        raise EdgeqError(f"{CPUS[target.cpu].title} has no bare-metal toolchain in edgeq.")
    wanted = _choice()
    bare = ""
    if wanted != "zig":
        for name in _gcc_names(family):
            found = shutil.which(name)
            if found and has_library(found, family=family):
                flags = (*target.gcc_flags, *_library_flags(family, found))
                return Toolchain(name, (found,), flags, (), _version((found,)))
            bare = bare or (name if found else "")
    if wanted != "gcc" and importlib.util.find_spec("ziglang"):
        return _zig_cross(target)
    compiler, library_package = _PACKAGES[family]
    if bare:
        raise _without_library(bare, f"building for {CPUS[target.cpu].title}", library_package)
    raise MissingDependency(
        f"A compiler for {CPUS[target.cpu].title}",
        "building for it",
        f"apt install {compiler} {library_package}, or pip install ziglang",
    )


def host_toolchain(flags: tuple[str, ...] | None = None) -> Toolchain:
    """A C compiler for this machine: $CC, gcc, clang or cc, else the `ziglang` package.

    Args:
        flags: Of a level of its instruction set, instead of all that this machine has.

    Raises:
        MissingDependency: There is none.
    """
    wanted = _choice()
    machine = "" if flags else machine_here()
    bare = ""
    if wanted != "zig":
        for words in (_words("CC"), ("gcc",), ("clang",), ("cc",)):
            found = shutil.which(words[0]) if words else None
            command = (found or "", *words[1:])
            if found and has_library(*command):
                own = flags or ("-march=native",)
                version = _version(command)
                return Toolchain(" ".join(words), command, own, (), version, machine)
            bare = bare or (" ".join(words) if found else "")
    if wanted != "gcc" and importlib.util.find_spec("ziglang"):
        own = tuple(map(_zig_option, flags)) if flags else ("-mcpu=native",)
        version = _version(zig_command())
        return Toolchain("zig", zig_command(), (*own, *_ZIG_FLAGS), (), version, machine)
    if bare:
        raise _without_library(bare, "code for this machine", "libc6-dev")
    raise MissingDependency(
        "A C compiler", "code for this machine", "apt install gcc libc6-dev, or pip install ziglang"
    )


def wasm_toolchain(*, simd: bool, math: bool, relaxed: bool = False) -> Toolchain:
    """A compiler for WebAssembly: the `ziglang` package.

    Args:
        simd: Whether the engine has the 128-bit vectors of WebAssembly 2.0.
        math: Whether the code calls what C has in <math.h>: then a C library is built in, which
            takes a minute the first time.
        relaxed: Whether it has the relaxed vectors of WebAssembly 3.0, too.

    Raises:
        MissingDependency: It is not installed.
    """
    cpu = "generic+bulk_memory" + "+simd128" * simd + "+relaxed_simd" * relaxed
    if math:
        return zig_toolchain("wasm32-wasi", "-mexec-model=reactor", f"-mcpu={cpu}")
    bare = zig_toolchain("wasm32-freestanding", f"-mcpu={cpu}")
    return replace(bare, include_dirs=(BARE_HEADERS,))


def zig_toolchain(triple: str, *flags: str) -> Toolchain:
    """The C compiler of the `ziglang` package for any of the systems that it knows.

    Args:
        triple: zig's name of the system, such as "aarch64-linux-musl".
        flags: Further options for compiling and linking.

    Raises:
        MissingDependency: The package is not installed, or EDGEQ_TOOLCHAIN=gcc forbids it.
    """
    if _choice() == "gcc" or not importlib.util.find_spec("ziglang"):
        raise MissingDependency(
            "The ziglang package",
            f"building for {triple}",
            "pip install 'edgeq[firmware]', without EDGEQ_TOOLCHAIN=gcc",
        )
    command = zig_command()
    return Toolchain(
        "zig", command, ("-target", triple, *flags, *_ZIG_FLAGS), (), _version(command)
    )


def _words(variable: str) -> tuple[str, ...]:
    """A command of the environment, as make takes it: "ccache gcc", "clang -m64"."""
    try:
        return tuple(shlex.split(os.environ.get(variable, "")))
    except ValueError as error:
        raise UsageError(f"{variable}={os.environ[variable]} is no command: {error}.") from None


def _choice() -> str:
    wanted = os.environ.get(_CHOICE) or "auto"
    if wanted not in ("auto", "gcc", "zig"):
        raise UsageError(f"{_CHOICE}={wanted} is not possible.", hint="auto, gcc or zig")
    return wanted


def _gcc_names(family: str) -> tuple[str, ...]:
    if family == "arm-none-eabi":
        return ("arm-none-eabi-gcc",)
    return ("riscv64-unknown-elf-gcc", "riscv32-unknown-elf-gcc", "riscv-none-elf-gcc")


# Debian's compiler for each family, and the C library that it recommends but does not require.
_PACKAGES = {
    "arm-none-eabi": ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi"),
    "riscv": ("gcc-riscv64-unknown-elf", "picolibc-riscv64-unknown-elf"),
}


@cache
def has_library(compiler: str, *options: str, family: str = "host") -> bool:
    """Whether a compiler finds the headers of a C library, which distributions package apart.

    Args:
        compiler: The program.
        options: What it is always given, such as the compiler that `ccache` is to start.
        family: Of the targets that it is for, as in their files.
    """
    command = (compiler, *options, *_library_flags(family, compiler), "-E", "-x", "c", "-")
    try:
        done = subprocess.run(
            command,
            input="#include <string.h>\n",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def _without_library(compiler: str, purpose: str, package: str) -> MissingDependency:
    return MissingDependency(
        f"The C library of {compiler}", purpose, f"apt install {package}, or pip install ziglang"
    )


@cache
def _library_flags(family: str, compiler: str) -> tuple[str, ...]:
    """The C library: Debian's RISC-V gcc comes without one, picolibc is beside it."""
    if family != "riscv":
        return ()
    specs = _output((compiler, "-print-file-name=picolibc.specs")).strip()
    return ("--specs=picolibc.specs",) if Path(specs).is_absolute() else ()


# zig turns on frame pointers and, without optimization, the undefined-behaviour sanitizer.
_ZIG_FLAGS = ("-fomit-frame-pointer", "-fno-sanitize=undefined")


def _zig_option(flag: str) -> str:
    """An option of gcc as zig takes it: names with underscores, and none of Arm's versions."""
    name, _, value = flag.partition("=")
    if name != "-march":
        return flag
    cpu, plus, features = value.partition("+")
    cpu = "generic" if cpu.startswith("armv8") else cpu.replace("-", "_")
    return f"-mcpu={cpu}{plus}{features}"


def zig_command() -> tuple[str, ...]:
    """The command that compiles C with the `ziglang` package.

    Zig takes what it has compiled before from a folder beside a `build.zig`, of any folder above
    the current one too, which may be a stranger's; it is told to keep to the user's own.
    """
    usual = str(base_folder("XDG_CACHE_HOME", ".cache") / "zig")
    own = os.environ.get("ZIG_GLOBAL_CACHE_DIR") or usual
    os.environ["ZIG_LOCAL_CACHE_DIR"] = os.environ.get("ZIG_LOCAL_CACHE_DIR") or own
    return module_command("ziglang", "cc")


def _zig_cross(target: Target) -> Toolchain:
    if target.toolchain == "riscv":
        triple = "riscv32-freestanding"
    else:
        hard = any(feature in target.isa for feature in ("fpu", "mve"))
        triple = f"thumb-freestanding-eabi{'hf' if hard else ''}"
    flags = ("-target", triple, f"-mcpu={_zig_cpu(target.cpu, target.isa)}", *_ZIG_FLAGS)
    include = (BARE_HEADERS,)
    return Toolchain("zig", zig_command(), flags, include, _version(zig_command()))


def _zig_cpu(cpu: str, isa: Iterable[str]) -> str:
    features = _ZIG_FEATURES.get(cpu, {})
    name = _ZIG_CPUS.get(cpu, cpu.replace("-", "_"))
    return name + "".join(features.get(feature, "") for feature in isa)


def version_of(compiler: str) -> str:
    """The first line of what a compiler says about itself."""
    return _version((compiler,))


@cache
def _version(command: tuple[str, ...]) -> str:
    return _output((*command, "--version")).splitlines()[0].strip()


def _output(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return done.stdout or "unknown"
