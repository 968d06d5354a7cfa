"""C sources in, a linked file out; errors carry the compiler's own first lines."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgeq.compiler.build.cache import cached
from edgeq.compiler.build.toolchain import Toolchain
from edgeq.errors import EdgeqError

_SHOWN_LINES = 12
_PARALLEL = 2
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*(.*)$", re.MULTILINE)
# What GNU ld and lld say of memory that is full; our own linker script; PlatformIO and Arduino.
_OVERFLOW = re.compile(r"region [`']([\w.]+)'(?::)? overflowed by (\d+) bytes")
_STACK = re.compile(r"less than (\d+) bytes are left for the stack")
_TOO_LARGE = ("overflowed by", "will not fit in region", "is greater than maximum allowed",
              "exceeds available space in board")  # fmt: skip


class DoesNotFit(EdgeqError):
    """The linker found less memory than the program takes."""


def too_large(said: str) -> str:
    """What is too small for a program, in words, by what a linker said; empty if that is not why.

    Args:
        said: All that it printed.
    """
    words = [f"{name} is {int(count):,} bytes too small" for name, count in _OVERFLOW.findall(said)]
    words += [
        f"less than {int(count):,} bytes of RAM are left for the stack"
        for count in _STACK.findall(said)
    ]
    if not words and any(known in said for known in _TOO_LARGE):
        words = ["it is larger than a memory of the board"]
    return ", ".join(dict.fromkeys(words))


def build(
    toolchain: Toolchain,
    files: Mapping[str, str],
    compile_flags: Sequence[str],
    link_flags: Sequence[str],
    product: str,
    *,
    units: Sequence[str] | None = None,
    include: Sequence[str] = (),
) -> Path:
    """The path of the linked file, built now or taken from the cache.

    Args:
        toolchain: The compiler.
        files: Text by name; every `.c` file is compiled, the rest can be included. Linker
            scripts can be among them.
        compile_flags: Options for compiling, besides the toolchain's own.
        link_flags: Options for linking, besides the toolchain's own. A .map that they ask for is
            kept beside the product.
        product: File name of the result.
        units: What is compiled, in the order it is linked in; all `.c` files by default.
        include: Folders of `files` with headers, besides the top one.

    Raises:
        DoesNotFit: The memory that a linker script gives is too small.
        EdgeqError: The compiler or the linker fails otherwise.
    """
    units = sorted(name for name in files if name.endswith(".c")) if units is None else units
    headers = {name: text for name, text in files.items() if name.endswith(".h")}
    folders = [f"-I{path}" for path in (".", *include, *toolchain.include_dirs)]
    command = [*toolchain.command, *toolchain.flags]
    start = [toolchain.version, toolchain.machine, *command, "compile", *compile_flags, *folders]
    compiling = [*command, *compile_flags, *folders]
    ingredients = [*start, "link", *link_flags, product, *units]
    for name, text in sorted(files.items()):
        ingredients += [name, text]

    def compiled(unit: str) -> Path:
        seen = _reachable([*_given(compile_flags), files[unit]], headers)
        return _object(start, compiling, {**seen, unit: files[unit]}, unit)

    def make(place: Path) -> None:
        folder = place / "work"
        with ThreadPoolExecutor(_PARALLEL) as pool:
            objects = dict(zip(units, pool.map(compiled, units), strict=True))
        _write(folder, {name: text for name, text in files.items() if name not in objects})
        names = []
        for unit, built in objects.items():
            names.append(f"{unit.rpartition('.')[0]}.o")
            (folder / names[-1]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(built, folder / names[-1])
        _run([*command, *names, *link_flags, "-o", product], folder, product)
        (folder / product).rename(place / product)
        for listing in folder.glob("*.map"):
            listing.rename(place / listing.name)
        shutil.rmtree(folder)

    return cached(ingredients, make) / product


def _given(flags: Sequence[str]) -> list[str]:
    """The headers that the command line includes, as lines of C."""
    pairs = itertools.pairwise(flags)
    return [f'#include "{name}"' for flag, name in pairs if flag == "-include"]


def _reachable(texts: Sequence[str], headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a source may include, in any branch of its conditions.

    What it cannot see has no part in its object: an image with known answers, and one of another
    model for the same board, share the objects of all that is the board's.
    """
    found: dict[str, str] = {}
    waiting = [*texts]
    while waiting:
        for included in _INCLUDE.findall(waiting.pop()):
            if included.startswith("<"):
                continue
            if not included.startswith('"'):
                return dict(headers)  # a macro says which
            name = included.split('"')[1].rpartition("/")[2]
            for path, content in headers.items():
                if path.rpartition("/")[2] == name and path not in found:
                    found[path] = content
                    waiting.append(content)
    return found


def _object(
    ingredients: Sequence[str], command: Sequence[str], files: Mapping[str, str], unit: str
) -> Path:
    """The object of one file, compiled now or taken from the cache."""
    parts = [*ingredients, unit, *(text for pair in sorted(files.items()) for text in pair)]

    def make(place: Path) -> None:
        folder = place / "work"
        _write(folder, files)
        _run([*command, "-c", unit, "-o", "unit.o"], folder, unit)
        (folder / "unit.o").rename(place / "unit.o")
        shutil.rmtree(folder)

    return cached(parts, make, "objects") / "unit.o"


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _run(command: Sequence[str], folder: Path, what: str) -> None:
    command = list(command)
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise EdgeqError(f"{command[0]} cannot be started: {error.strerror}.") from None
    if done.returncode:
        said = done.stderr or done.stdout
        lines = said.strip().splitlines()
        text = "\n".join(f"    {line}" for line in lines[:_SHOWN_LINES])
        kind = DoesNotFit if too_large(said) else EdgeqError
        tool = " ".join(command[3:5]) if command[1:2] == ["-c"] else Path(command[0]).name
        hint = ""
        if tool.startswith("ziglang") and not what.endswith(".c"):
            cache = os.environ.get("ZIG_LOCAL_CACHE_DIR", "its cache")
            hint = f"if it linked before, what zig keeps may be damaged: remove {cache}"
        raise kind(f"The C compiler ({tool}) failed on {what}:\n{text}", hint=hint)
