"""What the MVE kernels of convolutions and fully-connected layers have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.channels import Channels
from edgeq.model.graph import Tensor

LANES = 16  # int8 values in a vector register
# What layers with one function between them are told besides their sizes.
TOLD = ("input_zero_point", "scale.output_offset", "scale.rectified")


def mve_scale(channels: Channels, output: Tensor, clamp: dict[str, int]) -> dict[str, int] | None:
    """The fields of eq_scale_mve, or None where its arithmetic would not be exact.

    The kernels have no left shift, and round negative ties with one subtraction, which needs a
    right shift of at least one.
    """
    if np.any(channels.shift < 1) or np.any(channels.shift > 31):
        return None
    return {
        "output_offset": output.zero_point,
        "rectified": int(clamp["activation_min"] >= output.zero_point),
        **clamp,
    }


def padded(values: NDArray[np.int64], multiple: int) -> NDArray[np.int64]:
    """The rows of a matrix, each filled up with zeros to a multiple of some length."""
    return np.pad(values, ((0, 0), (0, -values.shape[1] % multiple)))


def as_bytes(words: NDArray[np.int64]) -> NDArray[np.int8]:
    """32-bit words of either sign as little-endian bytes, along the last axis."""
    signed: NDArray[np.int8] = np.ascontiguousarray(words.astype("<i4")).view(np.int8)
    return signed
