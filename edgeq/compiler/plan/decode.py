"""TFLM_DECODE, which unpacks compressed constants: they are unpacked when compiling.

Source: TFLM decode_state_lut.cc, decode_state_huffman.cc and decode_state_prune.cc.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.model.graph import Tensor, numpy_dtype

_HEADER_BYTES = 16
_TABLE, _HUFFMAN, _PRUNED = 0, 1, 2


def decoded(packed: Tensor, about: Tensor, output: Tensor) -> NDArray[Any] | None:
    """The constant; None if its coding is unknown here.

    Args:
        packed: The bits of all elements, the highest first.
        about: A header, and behind it the values that the bits choose from, or the tables that
            say what they mean.
        output: What is made; its quantization says which axis has values of its own.
    """
    if packed.data is None or about.data is None:
        return None
    header = np.frombuffer(about.data.tobytes(), np.uint8)
    if len(header) < _HEADER_BYTES or header[1] != 1 or header[4] != 1:
        return None
    dtype = numpy_dtype(output.dtype)
    if header[0] == _HUFFMAN:
        return _huffman(packed.data.tobytes(), header, dtype, output)
    size = (len(header) - _HEADER_BYTES) // dtype.itemsize * dtype.itemsize
    values = np.frombuffer(header[_HEADER_BYTES : _HEADER_BYTES + size].tobytes(), dtype)
    bits = np.unpackbits(np.frombuffer(packed.data.tobytes(), np.uint8))
    if header[0] == _TABLE:
        return _looked_up(bits, int(header[5]) & 7, values, int(header[6]), output)
    return _spread(bits, values, output) if header[0] == _PRUNED else None


def _looked_up(
    bits: NDArray[np.uint8], width: int, values: NDArray[Any], stride: int, output: Tensor
) -> NDArray[Any]:
    """Every element is an index into the values of its channel."""
    groups = bits[: output.elements * width].reshape(output.elements, width)
    index = groups.astype(np.int64) @ (1 << np.arange(width, dtype=np.int64)[::-1])
    table = values[index.reshape(output.shape) + _channel(output) * stride]
    return np.asarray(table)


def _huffman(
    packed: bytes, header: NDArray[np.uint8], dtype: np.dtype[Any], output: Tensor
) -> NDArray[Any] | None:
    """Every element is a code of a few bits, read with the help of one or more tables."""
    wide, width = bool(header[5] & 1), (int(header[5]) >> 4) + 1
    if dtype not in (("int8", "int16") if wide else ("int8",)):
        return None
    shift = 27 if wide else 11
    behind = header[_HEADER_BYTES:].tobytes()
    size = 4 if wide else 2
    table = np.frombuffer(behind[: len(behind) // size * size], f"<u{size}").tolist()
    stream = "".join(f"{byte:08b}" for byte in packed) + "0" * 31
    values, position = [], 0
    for _ in range(output.elements):
        used = width
        place = int(stream[position : position + used], 2)
        position += used
        while not table[place] >> (shift + 4):
            used = (table[place] >> shift & 15) + 1
            place += (table[place] & (1 << shift) - 1) + int(stream[position : position + used], 2)
            position += used
        position -= max(used - (table[place] >> shift & 15), 0)
        values.append(table[place])
    return np.asarray(values, np.uint32).astype(dtype).reshape(output.shape)


def _spread(bits: NDArray[np.uint8], values: NDArray[Any], output: Tensor) -> NDArray[Any]:
    """Every element is the next value, or its channel's zero point."""
    kept = bits[: output.elements].reshape(output.shape).astype(bool)
    zeros = np.zeros(1, np.int64)
    if output.quantization is not None:
        zeros = output.quantization.zero_point
    result = zeros[_channel(output) * np.ones(output.shape, np.int64)].astype(values.dtype)
    result[kept] = values[: int(kept.sum())]
    return np.asarray(result)


def _channel(output: Tensor) -> NDArray[np.int64]:
    """The number of every element's channel; spreads to the output's shape."""
    quantization = output.quantization
    if quantization is None or not quantization.per_channel:
        return np.zeros((1,) * len(output.shape), np.int64)
    shape = [1] * len(output.shape)
    shape[quantization.quantized_dimension] = len(quantization.scale)
    return np.arange(len(quantization.scale), dtype=np.int64).reshape(shape)
