"""Layers of int16 activations on cores with the DSP extension: 32-bit sums, scaled by SMMULR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.rows import wide_scale
from edgeq.compiler.ops.shared.base import Constant, Node
from edgeq.compiler.ops.shared.quantized import ACCUMULATOR_LIMIT

_LARGEST = 1 << 15  # magnitude of an int16 value
_STEP = 4  # values that a kernel takes at once
INT16_TYPES = ("int16", "int8", "int16")


@dataclass(frozen=True, eq=False)
class WideScales:
    """Scales that a 32-bit sum can be given.

    Attributes:
        multiplier: int64 (channels,), for SMMULR.
        lift: int64 (channels,), the left shift before it.
        fits: bool (channels,), whether the channel has them.
    """

    multiplier: NDArray[np.int64]
    lift: NDArray[np.int64]
    fits: NDArray[np.bool_]

    @property
    def plain(self) -> bool:
        """Whether all channels have them, without a left shift."""
        return bool(self.fits.all()) and not self.lift.any()


def dense_rows(node: Node, table: Constant) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Weights of a FULLY_CONNECTED, and its rows with the input's zero point in their biases.

    Args:
        table: Bias, multiplier and right shift of every output.
    """
    weights = node.constant(1).astype(np.int64)
    rows = table.values.copy()
    rows[:, 0] -= node.input(0).zero_point * weights.sum(axis=1)
    return weights, rows


def settled(
    weights: NDArray[np.int64], rows: NDArray[np.int64], limits: dict[str, int], offset: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Weights and rows in which channels that always give the same output do so plainly.

    Trained models hold dead channels: nothing that their input can be changes their output, but
    bias and scale are far from all others. They get no weights, and a sum that is the output.

    Args:
        weights: (channels, taps).
        rows: Bias, reduced multiplier and right shift of every channel.
        limits: activation_min and activation_max of the output.
        offset: Its zero point.
    """
    low, high = limits["activation_min"], limits["activation_max"]
    reach = np.abs(weights).sum(axis=1) * _LARGEST
    bias, multiplier, shift = rows.T
    half = np.left_shift(1, shift - 1)
    least = (bias - reach) * multiplier + half >> shift
    most = (bias + reach) * multiplier + half >> shift
    first, last = (np.clip(end + offset, low, high) for end in (least, most))
    values = first - offset
    # The reference cuts what it has scaled off at 32 bits.
    whole = (np.maximum(np.abs(least), np.abs(most)) < 1 << 31) & (np.abs(values) < _LARGEST)
    dead = (first == last) & whole
    plain = np.stack([values << 16, np.full_like(bias, 1 << 14), np.full_like(bias, 30)], axis=1)
    return np.where(dead[:, None], 0, weights), np.where(dead[:, None], plain, rows)


def wide_scales(weights: NDArray[np.int64], rows: NDArray[np.int64]) -> WideScales:
    """The scales of all channels, those of 0 where some sum or scale does not fit 32 bits.

    Args:
        weights: (channels, taps).
        rows: Bias, reduced multiplier and right shift of every channel.
    """
    bound = np.abs(weights).sum(axis=1) * _LARGEST + np.abs(rows[:, 0])
    found, fits = [], []
    for most, (_, multiplier, shift) in zip(bound.tolist(), rows.tolist(), strict=True):
        pair = wide_scale(multiplier, shift, most) if multiplier else (0, 0)
        fits.append(pair is not None and most < ACCUMULATOR_LIMIT)
        found.append(pair if pair is not None and fits[-1] else (0, 0))
    values = np.array(found, np.int64).reshape(-1, 2)
    return WideScales(values[:, 0], values[:, 1], np.array(fits, np.bool_))


def segment_values(weights: NDArray[np.int64]) -> int:
    """So many values at a time, a multiple of four, keep every sum to 32 bits.

    Args:
        weights: (channels, taps) in reading order.
    """
    taps = int(weights.shape[1])
    parts = 1
    while True:
        length = -(-taps // (parts * _STEP)) * _STEP
        starts = np.arange(0, taps, length)
        reach = np.add.reduceat(np.abs(weights), starts, axis=1) * _LARGEST
        if np.all(reach < ACCUMULATOR_LIMIT):
            return length
        parts += 1


def four_to_a_word(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of weights as words of four neighbours in the order 0, 2, 1, 3: (..., taps / 4)."""
    quads = (weights & 0xFF).reshape(*weights.shape[:-1], -1, _STEP)
    words: NDArray[np.int64] = (
        quads[..., 0] | quads[..., 2] << 8 | quads[..., 1] << 16 | quads[..., 3] << 24
    )
    return words


def why_portable_s16(node: Node, conditions: Sequence[tuple[bool, str]]) -> str:
    """The conditions that an int16 layer misses; empty on other cores.

    Args:
        conditions: Whether each is missed, and its words.
    """
    if not node.isa.has("dsp"):
        return ""
    computed = (node.input(1).data is None, "its weights are computed")
    return "; ".join(words for missed, words in (computed, *conditions) if missed)
