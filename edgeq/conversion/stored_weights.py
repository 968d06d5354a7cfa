"""The integers of a quantized weight tensor, out of a flatbuffer and back into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import TENSOR_CODES, add_constant

WEIGHT_LIMITS = {TENSOR_CODES["int8"]: 127, TENSOR_CODES["int4"]: 7}
"""Largest weight by tensor type; the lowest integer of each stays unused."""


def read_weights(model: Any, tensor: Any, shape: Sequence[int]) -> NDArray[np.int8]:
    """The integers of an int8 or int4 tensor of an unpacked model."""
    raw = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.uint8)
    if tensor.type == TENSOR_CODES["int4"]:
        halves = np.stack([raw & 0x0F, raw >> 4], axis=1).ravel()[: int(np.prod(shape))]
        return ((halves ^ 8).astype(np.int8) - 8).reshape(shape)
    return raw.view(np.int8).reshape(shape)


def write_weights(model: Any, tensor: Any, integers: NDArray[np.int8]) -> None:
    """Give a tensor of an unpacked model other integers of its type, in a buffer of its own."""
    narrow = tensor.type == TENSOR_CODES["int4"]
    tensor.buffer = add_constant(model, _packed(integers) if narrow else integers)


def scales_like(tensor: Any, rank: int) -> NDArray[np.float64]:
    """A tensor's scales, shaped to be multiplied with its integers."""
    scales = np.asarray(tensor.quantization.scale, np.float64)
    spread = [1] * rank
    spread[tensor.quantization.quantizedDimension] = len(scales)
    return scales.reshape(spread)


def _packed(integers: NDArray[np.int8]) -> NDArray[np.uint8]:
    """int4 values two to a byte, the first in the lower half."""
    flat = integers.ravel().view(np.uint8) & 0x0F
    even = np.append(flat, np.zeros(len(flat) % 2, np.uint8))
    return np.asarray(even[0::2] | (even[1::2] << 4), np.uint8)
