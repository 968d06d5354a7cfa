"""C sources in, a linked file out; errors carry the compiler's own first lines."""

from __future__ import annotations

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


def build(
    toolchain: Toolchain,
    files: Mapping[str, str],
    compile_flags: Sequence[str],
    link_flags: Sequence[str],
    product: str,
) -> Path:
    """The path of the linked file, built now or taken from the cache.

    Args:
        toolchain: The compiler.
        files: Text by name; every `.c` file is compiled, the rest can be included. Linker
            scripts can be among them.
        compile_flags: Options for compiling, besides the toolchain's own.
        link_flags: Options for linking, besides the toolchain's own.
        product: File name of the result.

    Raises:
        EdgeqError: The compiler or the linker fails.
    """
    ingredients = [toolchain.version, *toolchain.command, *toolchain.flags]
    ingredients += ["compile", *compile_flags, "link", *link_flags, product]
    for name, text in sorted(files.items()):
        ingredients += [name, text]

    def make(place: Path) -> None:
        folder = place / "work"
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        units = sorted(name for name in files if name.endswith(".c"))
        include = [f"-I{path}" for path in (Path(), *toolchain.include_dirs)]
        start = [*toolchain.command, *toolchain.flags]

        def compile_unit(unit: str) -> str:
            target = unit.replace("/", "_")[:-2] + ".o"
            _run([*start, *compile_flags, *include, "-c", unit, "-o", target], folder, unit)
            return target

        with ThreadPoolExecutor(_PARALLEL) as pool:
            objects = list(pool.map(compile_unit, units))
        _run([*start, *objects, *link_flags, "-o", product], folder, product)
        (folder / product).rename(place / product)
        shutil.rmtree(folder)

    return cached(ingredients, make) / product


def _run(command: Sequence[str], folder: Path, what: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise EdgeqError(f"{command[0]} cannot be started: {error.strerror}.") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        text = "\n".join(f"    {line}" for line in lines[:_SHOWN_LINES])
        raise EdgeqError(f"{Path(command[0]).name} failed on {what}:\n{text}")
