"""Reproducible inputs: the xorshift streams that every published figure here was made with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq.model.places import Bounds
from edgeq.support.array import Array


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
    bounds: Sequence[Bounds | None] = (),
) -> list[Array]:
    """One array per model input; input k of call `index` uses stream `index + 1000 * k`.

    Args:
        shapes, dtypes: Of the inputs.
        index: Number of the call.
        bounds: Of each input that counts something (see `input_bounds`); None, or nothing at all,
            for others.
    """
    found = [
        xorshift_input(shape, dtype, index + 1000 * position)
        for position, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True))
    ]
    return [
        value if not each else _within(value, each, index + 1000 * position)
        for position, (value, each) in enumerate(
            zip(found, bounds or [None] * len(found), strict=True)
        )
    ]


def _within(value: Array, bounds: Bounds, index: int) -> Array:
    """Values of the stream `index` between bounds: whole numbers, of floats too."""
    dtype = value.dtype
    if dtype.kind == "f":
        value = xorshift_input(value.shape, "int32", index)
    low, high = bounds.arrays(value.shape)
    return np.asarray(low + value.astype(np.int64) % (high - low + 1)).astype(dtype)
