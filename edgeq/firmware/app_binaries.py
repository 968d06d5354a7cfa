"""What edgeq itself compiles of projects for application processors: WebAssembly, Android's .so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeq.boards.cpu import PORTABLE
from edgeq.boards.target import Target
from edgeq.compiler.build.toolchain import Toolchain, wasm_toolchain
from edgeq.errors import EdgeqError
from edgeq.firmware.tools import run_tool

_TIMEOUT_S = 600
_FLAGS = ("-std=c99", "-O3", "-ffunction-sections", "-fdata-sections", "-fno-common", "-s")
_WEB_STACK_BYTES = 1 << 16


@dataclass(frozen=True)
class Binary:
    """One file that is compiled for one system.

    Attributes:
        path: Where it goes in the project.
        toolchain: The compiler.
        flags: For compiling and linking in one command, besides _FLAGS.
    """

    path: str
    toolchain: Toolchain
    flags: tuple[str, ...]


def host_forms(target: Target) -> Target:
    """A target whose kernels are those of application processors; C for every core stays that."""
    return replace(target, toolchain="host") if target.name == PORTABLE else target


def _web(name: str, *, math: bool) -> list[Binary]:
    start = () if math else ("-Wl,--no-entry",)
    flags = (*start, f"-Wl,-z,stack-size={_WEB_STACK_BYTES}")
    return [
        Binary(f"{name}{suffix}.wasm", wasm_toolchain(simd=simd, math=math), flags)
        for suffix, simd in (("", False), (".simd", True))
    ]


BUILT_HERE = {"web": ("native", _web)}
"""Kinds of projects with compiled files in them: folder of the C, and which files."""


def binary_commands(template: str, name: str, folder: Path) -> list[list[str]]:
    """The commands that compile a project's binaries, to be run in its folder; none for some kinds.

    Raises:
        MissingDependency: There is no compiler for them.
    """
    if template not in BUILT_HERE:
        return []
    room, files = BUILT_HERE[template]
    sources = sorted(path.relative_to(folder).as_posix() for path in (folder / room).glob("*.c"))
    texts = (path.read_text(encoding="utf-8") for path in (folder / room).glob("*.h"))
    math = any("#include <math.h>" in text for text in texts)
    return [_command(binary, room, sources) for binary in files(name, math=math)]


def _command(binary: Binary, room: str, sources: Sequence[str]) -> list[str]:
    include = [f"-I{path}" for path in (room, *binary.toolchain.include_dirs)]
    options = [*binary.toolchain.flags, *_FLAGS, *binary.flags, *include]
    return [*binary.toolchain.command, *options, "-o", binary.path, *sources]


def compile_binaries(template: str, name: str, folder: Path) -> None:
    """Compile a project's binaries in its folder.

    Raises:
        MissingDependency: There is no compiler for them.
        EdgeqError: It fails; its last words are in the error.
    """
    for command in binary_commands(template, name, folder):
        output = folder / command[command.index("-o") + 1]
        output.parent.mkdir(parents=True, exist_ok=True)
        done = run_tool(command, _TIMEOUT_S, folder=folder)
        if done.code:
            raise EdgeqError(f"The C compiler failed on {output.name}:\n{done.said}")
