"""What edgeq itself compiles of projects for application processors: WebAssembly, Android's .so."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

from edgeq.boards.levels import level
from edgeq.compiler.build.toolchain import (
    ARMV7_WITHOUT_NEON,
    BARE_HEADERS,
    wasm_toolchain,
    zig_toolchain,
)
from edgeq.compiler.options import CompileOptions
from edgeq.errors import EdgeqError, UsageError
from edgeq.firmware.tools import run_tool
from edgeq.support.output import write_whole

_TIMEOUT_S = 600
_FLAGS = ("-std=c99", "-O3", "-ffunction-sections", "-fdata-sections", "-fno-common")
_WEB_STACK_BYTES = 1 << 16
_WASM = b"\0asm\x01\0\0\0"
_CUSTOM_SECTION, _DATA_SECTION = 0, 11
_TIE = b"edgeq.data"
TIE_BYTES = 3 + len(_TIE) + 8
"""Of the section at the end of a form of `web` that says which weights are its own."""
# Ends of names; whether there are vectors, and relaxed ones.
WEB_FORMS = (("", False, False), (".simd", True, False), (".relaxed", True, True))
ABIS = {
    "arm64-v8a": ("aarch64-linux-android",),
    # zig's Android of 32 bits has floats in software, and therefore no NEON. Only where functions
    # take or give floats do the two systems differ, and the library's take none.
    "armeabi-v7a": ("arm-linux-musleabihf", *ARMV7_WITHOUT_NEON),
    "x86_64": ("x86_64-linux-android",),
}
"""Android's names of processors, and what zig is told of each."""
_CPUS = {"web": "WebAssembly", "android": f"all of {', '.join(ABIS)}"}


def check_app(template: str, runtime: str, forms: Sequence[CompileOptions]) -> None:
    """Refuse what library projects do not hold.

    Args:
        template: The kind of project.
        runtime: What runs the models.
        forms: How C is generated for each of them.

    Raises:
        UsageError: It is asked for.
    """
    if runtime == "tflm":
        raise UsageError(f"A '{template}' project holds generated C.", hint="leave out --runtime")
    for form in forms if template in _CPUS else ():
        chosen = level(form.isa) if form.isa else None
        if chosen is not None and chosen.cpu:
            raise UsageError(
                f"--isa {form.isa} is a level of {chosen.cpu}; '{template}' projects are built "
                f"for {_CPUS[template]}.",
                hint="leave out --isa",
            )


def _web(name: str, sources: Sequence[str], *, math: bool) -> dict[str, list[str]]:
    """The module in three forms, by file."""
    made = {}
    for suffix, simd, relaxed in WEB_FORMS:
        zig = wasm_toolchain(simd=simd, math=math, relaxed=relaxed)
        include = [f"-I{path}" for path in ("native", *zig.include_dirs)]
        start = () if math else ("-Wl,--no-entry",)
        link = (*start, f"-Wl,-z,stack-size={_WEB_STACK_BYTES}", "-s")
        file = f"{name}{suffix}.wasm"
        made[file] = [*zig.command, *zig.flags, *_FLAGS, *link, *include, "-o", file, *sources]
    return made


def _android(name: str, sources: Sequence[str], *, math: bool) -> dict[str, list[str]]:
    """The native libraries, by file. What the code calls of a C library is linked into each.

    What C has in <math.h> is not: only an NDK has Android's.
    """
    if math:
        return {}
    made = {}
    for abi, told in ABIS.items():
        zig = zig_toolchain(*told)
        file = f"src/main/jniLibs/{abi}/lib{name}_jni.so"
        made[file] = [
            *zig.command[:-1],
            *("build-lib", "-dynamic", "-target", *told),
            *("-O", "ReleaseFast", "-fcompiler-rt", "-fstrip", "-fPIC"),
            "-fno-allow-shlib-undefined",
            *("-z", "max-page-size=16384", f"-fsoname=lib{name}_jni.so"),
            *("--version-script", "src/main/cpp/exports.map", f"-femit-bin={file}"),
            # Of malloc, which <immintrin.h> would declare, there is no header either.
            *("-Isrc/main/cpp", f"-I{BARE_HEADERS}", "-D__MM_MALLOC_H"),
            *("-cflags", *_FLAGS, "-fno-sanitize=undefined", "--", *sources),
        ]
    return made


# By kind of project: where its C lies, and what is compiled of it.
_BINARIES = {"web": ("native", _web), "android": ("src/main/cpp", _android)}


def binary_commands(template: str, name: str, folder: Path) -> dict[str, list[str]]:
    """The commands that compile a project's binaries, to be run in its folder, by file.

    Raises:
        MissingDependency: There is no compiler for them.
    """
    if template not in _BINARIES:
        return {}
    room, commands = _BINARIES[template]
    sources = sorted(path.relative_to(folder).as_posix() for path in (folder / room).glob("*.c"))
    texts = (path.read_text(encoding="utf-8") for path in (folder / room).glob("*.h"))
    math = any("#include <math.h>" in text for text in texts)
    return commands(name, sources, math=math)


def app_commands(template: str, name: str, folder: Path) -> list[list[str]]:
    """The commands that `edgeq build` runs in the folder of a project, where edgeq can build it.

    Raises:
        UsageError: Only tools that are not here can.
        MissingDependency: There is no compiler for it.
    """
    if template == "swift":
        what, hint = "Swift's own tools build a 'swift' package.", "swift build, or Xcode"
        raise UsageError(what, str(folder), hint)
    commands = binary_commands(template, name, folder)
    if not commands:
        what, hint = "Android's NDK compiles models with float ops.", "gradle assembleRelease"
        raise UsageError(what, str(folder), hint)
    return list(commands.values())


def compile_binaries(template: str, name: str, folder: Path, without: str = "") -> None:
    """Compile a project's binaries in its folder, and finish them.

    Args:
        template: The kind of project.
        name: Its name.
        folder: Where its files lie.
        without: A file that is not wanted.

    Raises:
        MissingDependency: There is no compiler for them.
        EdgeqError: It fails; its last words are in the error.
    """
    for file, command in binary_commands(template, name, folder).items():
        if file == without:
            continue
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        done = run_tool(command, _TIMEOUT_S, folder=folder)
        if done.code:
            raise EdgeqError(f"The C compiler failed on {file}:\n{done.tail(15)}")
    finish_binaries(template, name, folder)


def finish_binaries(template: str, name: str, folder: Path) -> None:
    """What is left to do when the commands of a project are done: `web` holds its weights once.

    The weights are the last section of a module, and those of all forms are the same bytes: they
    are put into a file of their own. A form and that file, one after the other, are a module. Where
    the forms' data differ, they stay as they are and that file is empty. The end of a form, which
    engines do not look at, says which file of weights is its own.

    Raises:
        EdgeqError: A file is no module that a linker makes.
    """
    if template != "web":
        return
    files = [folder / f"{name}{suffix}.wasm" for suffix, _, _ in WEB_FORMS]
    modules = [(path, path.read_bytes()) for path in files if path.is_file()]
    parts = [(path, *_cut(module, path.name)) for path, module in modules]
    if len({data for _, _, data in parts}) != 1:
        parts = [(path, code + data, b"") for path, code, data in parts]
    for path, code, data in parts:
        write_whole(path, code + _tie(code, data))
        write_whole(folder / data_file(name), data)


def data_file(name: str) -> str:
    """The file of a `web` project that holds the weights of all its forms."""
    return f"{name}.data"


def _tie(code: bytes, data: bytes) -> bytes:
    """A section for the end of the code: length of the weights, and a CRC-32 of both together."""
    check = zlib.crc32(data, zlib.crc32(code))
    content = bytes([len(_TIE)]) + _TIE + struct.pack("<II", len(data), check)
    return bytes([_CUSTOM_SECTION, len(content)]) + content


def _cut(module: bytes, name: str) -> tuple[bytes, bytes]:
    """A WebAssembly module in two parts: what comes before its data section, and that section."""
    at = len(_WASM)
    if module[:at] != _WASM:
        raise EdgeqError("The C compiler made no WebAssembly module.", name)
    while at < len(module):
        size, begin = _leb128(module, at + 1)
        if module[at] == _DATA_SECTION and begin + size == len(module):
            return module[:at], module[at:]
        at = begin + size
    return module, b""


def _leb128(raw: bytes, at: int) -> tuple[int, int]:
    """The unsigned number of variable length at a place, and the place behind it."""
    value = shift = 0
    while raw[at] & 0x80:
        value |= (raw[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return value | raw[at] << shift, at + 1
