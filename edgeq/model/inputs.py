"""Reproducible inputs: the xorshift streams that every published figure here was made with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgeq.support.array import Array

if TYPE_CHECKING:
    from edgeq.model.graph import Subgraph

# The input that counts rows, and the table; and ops that hand values on as they are.
_COUNTING = {"GATHER": (1, 0), "EMBEDDING_LOOKUP": (0, 1)}
_HANDING = frozenset(
    {"CAST", "CONCATENATION", "EXPAND_DIMS", "PACK", "RESHAPE", "REVERSE_V2", "SLICE", "SPLIT",
     "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE", "UNPACK"}
)  # fmt: skip


def xorshift_bytes(count: int, index: int = 0) -> bytes:
    """`count` bytes of a xorshift32 stream.

    Args:
        count: Number of bytes.
        index: Number of the input; the generator's seed is 0x12345678 + index.

    Source: Marsaglia, "Xorshift RNGs" (2003), triple (13, 17, 5); the low byte of each state.
    """
    state = (0x12345678 + index) & 0xFFFFFFFF
    out = bytearray(count)
    for position in range(count):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        out[position] = state & 0xFF
    return bytes(out)


def xorshift_input(shape: tuple[int, ...], dtype: str, index: int = 0) -> Array:
    """One input tensor filled from the xorshift stream `index`.

    Args:
        shape: Shape of the tensor.
        dtype: numpy name. Integers take their bytes from the stream, little endian; floats are
            one signed byte each divided by 128, so they lie in [-1, 1); bool is the lowest bit.
        index: Number of the input.
    """
    kind = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    if kind.kind == "f":
        signed = np.frombuffer(xorshift_bytes(count, index), np.int8)
        return (signed.astype(kind) / 128).reshape(shape)
    if kind.kind == "b":
        raw = np.frombuffer(xorshift_bytes(count, index), np.uint8)
        return (raw & 1).astype(kind).reshape(shape)
    raw = np.frombuffer(xorshift_bytes(count * kind.itemsize, index), kind.newbyteorder("<"))
    return raw.astype(kind).reshape(shape)


def xorshift_inputs(
    shapes: list[tuple[int, ...]],
    dtypes: list[str],
    index: int = 0,
    places: Sequence[int | None] = (),
) -> list[Array]:
    """One array per model input; input k of call `index` uses stream `index + 1000 * k`.

    Args:
        shapes, dtypes: Of the inputs.
        index: Number of the call.
        places: Of each input, how many places its values may count (see `counted_places`); None, or
            nothing at all, for those that count none. Their values are taken modulo that.
    """
    found = [
        xorshift_input(shape, dtype, index + 1000 * position)
        for position, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True))
    ]
    return [
        value if not most else (value % min(most, np.iinfo(value.dtype).max)).astype(value.dtype)
        for value, most in zip(found, places or [None] * len(found), strict=True)
    ]


def counted_places(model: Subgraph) -> dict[int, int]:
    """How many rows there are for the values of an input that tables are read with, by tensor.

    No runtime reads behind the end of a table; some read in front of it.
    """
    sources = {index: {index} for index in model.inputs}
    found: dict[int, int] = {}
    for op in model.ops:
        at = _COUNTING.get(op.name)
        if at is not None:
            count, table = (op.inputs[position] for position in at)
            rows = model.tensors[table].shape[op.options.get("axis", 0) :][:1]
            for source in sources.get(count, ()) if rows else ():
                found[source] = min(rows[0], found.get(source, rows[0]))
        elif op.name in _HANDING:
            handed = set().union(*(sources.get(index, set()) for index in op.inputs))
            sources |= dict.fromkeys(op.outputs, handed)
    return {
        index: rows for index, rows in found.items() if "int" in model.tensors[index].dtype and rows
    }
