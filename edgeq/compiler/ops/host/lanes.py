"""Weights and channels in the order that the primitives of kernels/host/lanes.h take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import Constant, Overlap
from edgeq.compiler.ops.shared.channels import Channels

LANES = 16
"""Channels of a block."""
TAPS = 4
"""Taps that are multiplied at a time."""
SLACK_BYTES = 64
"""What kernels may read behind a padded copy."""
_ROOM = 1 << 31
_NARROW_SHIFT, _NARROW_SUM = 12, 1 << 21

COPIED = Overlap(0, -int(np.iinfo(np.int32).max))
"""For kernels that copy all of their input before they write."""


def fits(channels: Channels) -> bool:
    """Whether weights and bounds let every level compute these channels exactly.

    A pair of products has to fit 16 bits, and half of what is shifted out is added in 32 bits.
    """
    left = np.maximum(-channels.shift, 0)
    right = np.maximum(channels.shift, 0)
    half = np.where(right > 0, np.int64(1) << np.maximum(right - 1, 0), 0)
    room = (channels.bound << left) + half + 256 < _ROOM
    return bool(
        np.all(room & (right <= 31) & (left < 31)) and channels.weights.min(initial=0) > -128
    )


def limits(channels: Channels, output_offset: int, clamp: dict[str, int]) -> dict[str, int]:
    """The fields of eq_limits."""
    left = int(channels.shift.min(initial=1) < 1)
    # An output that is not clamped is below 2^9, and its product below 2^(40 + shift).
    narrow = bool(np.all((channels.shift <= _NARROW_SHIFT) | (channels.bound < _NARROW_SUM)))
    return {"output_offset": output_offset, **clamp, "left": left, "narrow": int(narrow)}


def table(channels: Channels) -> Constant:
    """Bias, 128 times the sum of the weights, multiplier and shift, by blocks of 16 channels."""
    offset = 128 * channels.weights.sum(axis=1)
    rows = np.stack([channels.bias, offset, channels.multiplier, channels.shift])
    blocks = -(-channels.count // LANES)
    padded = np.zeros((4, blocks * LANES), np.int64)
    padded[:, : channels.count] = rows
    values = padded.reshape(4, blocks, LANES).transpose(1, 0, 2)
    note = "by 16 channels: bias, 128 x sum of weights, multiplier (Q31), right shift"
    return Constant("channels", "int32_t", values, note)


def by_fours(weights: NDArray[np.int64]) -> NDArray[np.int8]:
    """Weights (channels, runs, taps of a run) by blocks of 16 channels, runs, fours of taps.

    Returns:
        int8 (blocks, runs, fours, 16, 4), zeros where there are no channels or taps.
    """
    channels, runs, taps = weights.shape
    blocks, fours = -(-channels // LANES), -(-taps // TAPS)
    padded = np.zeros((blocks * LANES, runs, fours * TAPS), np.int8)
    padded[:channels, :, :taps] = weights
    shaped = padded.reshape(blocks, LANES, runs, fours, TAPS)
    return np.ascontiguousarray(shaped.transpose(0, 2, 3, 1, 4))


def by_eights(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Weights of `by_fours` with each two fours of a run together, channel by channel.

    For programs of which no other level reads them: what a product of matrices takes.

    Returns:
        The same shape and size; the last four of an odd number of them stays as it is.
    """
    blocks, runs, fours = weights.shape[:3]
    even = fours // 2 * 2
    pairs = weights[:, :, :even].reshape(blocks, runs, even // 2, 2, LANES, TAPS)
    turned = pairs.transpose(0, 1, 2, 4, 3, 5).reshape(blocks, runs, even, LANES, TAPS)
    return np.ascontiguousarray(np.concatenate([turned, weights[:, :, even:]], axis=2))
