"""NAME_loaded.c: room for large tables, whose numbers whoever loads the program writes there.

A C compiler takes minutes and gigabytes to read tens of millions of numbers. Where the program runs
in the process that made it, they need not be text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.codegen.names import Names
from edgeq.compiler.codegen.source import alignment

_LARGE_BYTES = 1 << 16
_DTYPES = {
    "int8_t": "int8", "uint8_t": "uint8", "int16_t": "int16", "uint16_t": "uint16",
    "int32_t": "int32", "uint32_t": "uint32", "int64_t": "int64", "uint64_t": "uint64",
    "float": "float32",
}  # fmt: skip


def large_tables(names: Names) -> dict[str, NDArray[Any]]:
    """The tables of 64 KiB or more by their C names, as they lie in memory."""
    return {
        table.name: np.ascontiguousarray(
            table.constant.values.reshape(-1), _DTYPES[table.constant.ctype]
        )
        for table in names.tables
        if table.constant.bytes >= _LARGE_BYTES and table.constant.ctype in _DTYPES
    }


def loaded_text(
    tables: Mapping[str, NDArray[Any]], kernels: Sequence[str], head: Iterable[str]
) -> str:
    """The text of NAME_loaded.c.

    The header says that the tables are constants, which they are to everyone but the loader; so
    this file does without it.
    """
    ctypes = {dtype: ctype for ctype, dtype in _DTYPES.items()}
    rows = []
    for name, values in tables.items():
        ctype = ctypes[values.dtype.name]
        align = alignment(kernels, ctype)
        rows.append(f"{ctype} {name}[{values.size}] EQ_ALIGN({align});")
    return "\n".join([*head, '#include "eq_base.h"', "", *rows, ""])
