"""The kernel headers that a program is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from edgeq.boards.levels import NAMES as LEVELS
from edgeq.compiler.codegen.names import Names
from edgeq.compiler.codegen.parallel import HEADER as PARALLEL
from edgeq.compiler.codegen.parallel import in_parts
from edgeq.compiler.codegen.source import kernel_file
from edgeq.compiler.ops.shared.base import Isa
from edgeq.support.resources import resource_dir


def kernel_files(names: Names, isa: Isa) -> dict[str, str]:
    """The kernel headers in use, and the headers that those include."""
    folder = resource_dir("kernels")
    files: dict[str, str] = {}
    pending = [kernel_file(f.call.header, f.call.kernels) for f in names.functions]
    pending.append("eq_base.h")
    if isa.levels:
        pending += ["eq_cpu_host.h", *(f"eq_simd_{each}.h" for each in ("host", *isa.levels))]
    if in_parts(names):
        pending.append(PARALLEL)
    while pending:
        file = pending.pop()
        if file in files:
            continue
        files[file] = (folder / _kernel_path(file, isa)).read_text()
        pending += re.findall(r'^#include "(eq_\w+\.h)"', files[file], re.MULTILINE)
    return dict(sorted(files.items()))


def _kernel_path(file: str, isa: Isa) -> str:
    """Where a header of the output folder lies among the kernels."""
    stem = file.removeprefix("eq_").removesuffix(".h")
    if stem == "base":
        return "include/eq_base.h"
    if stem in ("core", "simd"):
        return f"{isa.kernels[0]}/{stem}.h"
    if stem == "block_row":
        own = f"{isa.kernels[0]}/block_row.h"
        return own if (resource_dir("kernels") / own).exists() else "rv32/block_row.h"
    for kernels in ("dsp", "mve", "fpu", "host", "simd128", *LEVELS):
        if stem.endswith(f"_{kernels}"):
            return _kernels_of(kernels)[stem.removesuffix(f"_{kernels}")]
    return _kernels_of("portable", "scalar")[stem]


@cache
def _kernels_of(*rooms: str) -> Mapping[str, str]:
    """Where the kernels of these folders lie, by the name without `eq_` and `.h`."""
    folder = resource_dir("kernels")
    return {
        file.stem: file.relative_to(folder).as_posix()
        for room in rooms
        for file in (folder / room).rglob("*.h")
    }
