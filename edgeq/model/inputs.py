"""Reproducible inputs: the xorshift streams that every published figure here was made with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgeq.support.array import Array

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from edgeq.model.graph import Op, Subgraph

# How many places the values of an input may count: for each value, or of all the same.
Places = int | tuple[int, ...]

# The input that counts rows, and the table; and ops that hand values on as they are, or elsewhere.
_COUNTING = {"GATHER": (1, 0), "EMBEDDING_LOOKUP": (0, 1)}
_KEEPING = frozenset({"CAST", "EXPAND_DIMS", "RESHAPE", "SQUEEZE"})
_JOINING = frozenset({"CONCATENATION", "PACK"})
_HANDING = frozenset(
    {"REVERSE_V2", "SLICE", "SPLIT", "STRIDED_SLICE", "TRANSPOSE", "UNPACK", *_KEEPING, *_JOINING}
)
_OF_PLACES = re.compile(r"gather|embedding|out of bounds|Invalid begin", re.IGNORECASE)
_EACH, _ANY = -1, -2  # of what is handed on: each value in its place, or none known


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
    places: Sequence[Places | None] = (),
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
        value if not most else _below(value, most)
        for value, most in zip(found, places or [None] * len(found), strict=True)
    ]


def _below(value: Array, most: Places) -> Array:
    last = last_places(most, value.shape, value.dtype)
    return np.asarray(value.astype(np.int64) % (last + 1)).astype(value.dtype)


def last_places(places: Places, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """The largest values that an input may have: int64, of its shape."""
    limits = np.asarray(places, np.int64) - 1
    spread = limits.reshape(shape) if limits.size > 1 else np.broadcast_to(limits, shape)
    largest = min(int(np.iinfo(dtype).max), int(np.iinfo(np.int64).max) - 1)
    return np.asarray(np.minimum(spread, largest))


def is_of_places(words: str) -> bool:
    """Whether a runtime that failed says that values lay outside what they count."""
    return _OF_PLACES.search(words) is not None


def counted_places(model: Subgraph) -> dict[int, Places]:
    """How many places there are for the values of an input that count rows or begin slices.

    By tensor. No runtime reads behind the end of a table; some read in front of it, and some behind
    the end of what is sliced.
    """
    sources: dict[int, dict[int, int]] = {index: {index: _EACH} for index in model.inputs}
    found: dict[int, Array] = {}
    for op in model.ops:
        count, limits = _limits(model, op)
        for source, slot in sources.get(count, {}).items() if limits.size else ():
            mine = limits if slot == _EACH or limits.size == 1 else _of_slot(limits, slot)
            found[source] = np.minimum(mine, found.get(source, mine))
        if op.name in _HANDING:
            sources |= dict.fromkeys(op.outputs, _handed(model, op, sources))
    return {
        index: int(most.min()) if most.size == 1 else tuple(most.tolist())
        for index, most in found.items()
        if "int" in model.tensors[index].dtype and most.min() > 0
    }


def _of_slot(limits: Array, slot: int) -> Array:
    return np.asarray(limits.min() if slot == _ANY else limits[slot])


def _limits(model: Subgraph, op: Op) -> tuple[int, Array]:
    """The tensor whose values an op takes for places, and how many there are for each of them."""
    none = np.zeros(0, np.int64)
    shape = model.tensors[op.inputs[0]].shape if op.inputs else ()
    if op.name == "SLICE":
        taken = model.tensors[op.outputs[0]].shape
        count = model.tensors[op.inputs[1]].elements
        if len(shape) == len(taken) == count:
            return op.inputs[1], np.subtract(shape, taken).astype(np.int64) + 1
    if op.name == "GATHER_ND":
        at = op.inputs[1]
        axes = model.tensors[at].shape[-1:] or (0,)
        ends = np.asarray(shape[: axes[0]], np.int64)
        if len(ends) == axes[0] > 0:
            return at, np.broadcast_to(ends, model.tensors[at].shape).reshape(-1)
    if op.name in _COUNTING:
        at, table = (op.inputs[position] for position in _COUNTING[op.name])
        rows = model.tensors[table].shape[op.options.get("axis", 0) :][:1]
        return at, np.asarray(rows, np.int64).reshape(-1)
    return -1, none


def _handed(model: Subgraph, op: Op, sources: Mapping[int, Mapping[int, int]]) -> dict[int, int]:
    """Of which inputs the values of an op's outputs are, and which of them."""
    handed: dict[int, int] = {}
    single = all(model.tensors[index].elements == 1 for index in op.inputs)
    for position, index in enumerate(op.inputs):
        for source, slot in sources.get(index, {}).items():
            kept = slot if op.name in _KEEPING else _ANY
            if op.name in _JOINING and single:
                kept = position
            handed[source] = _ANY if source in handed else kept
    return handed
