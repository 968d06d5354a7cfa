"""What the DSP kernels of convolutions and fully-connected layers have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.channels import Channels
from edgeq.model.graph import Tensor

MORE_BITS = 7  # of a sum times 256 in its product's high half, beyond the first rounding


def dsp_scale(channels: Channels, output: Tensor, clamp: dict[str, int]) -> dict[str, int] | None:
    """The fields of eq_scale_dsp, or None where its arithmetic would not be exact.

    The kernel adds (2 * zero_point + 1) * 2^(s-1) to the product's high half before it shifts by
    s; both must fit 32 bits. It has no left shift and needs s >= 1.
    """
    if scale_problem(channels, output):
        return None
    zero_point = output.zero_point
    return {
        "twice_offset_plus_1": 2 * zero_point + 1,
        "rectified": int(clamp["activation_min"] >= zero_point),
        **clamp,
    }


def scale_problem(channels: Channels, output: Tensor) -> str:
    """Why there is no eq_scale_dsp for these channels; empty if there is one."""
    shift = channels.shift
    left = (shift < 1) | (shift > 31) | (channels.multiplier < 1 << 30)
    if left.any():
        return f"{left.sum()} of {channels.count} channels are not shifted right by 1 to 31 bits"
    rounding = abs(2 * output.zero_point + 1) * (1 << (shift - 1))
    most = int((channels.bound + 1 + rounding).max(initial=0))
    return f"sum and rounding can reach {most:,}, more than 32 bits" if most >= 1 << 31 else ""


def pass_scale(scale: dict[str, int], channels: Channels) -> dict[str, int]:
    """`scale` for kernels that have 256 times the sums of even channels (see eq_matmul_dsp.h).

    With one rounding for both, those have MORE_BITS more bits; where they do not fit, outputs are
    taken to be of either sign.
    """
    rounding = abs(scale["twice_offset_plus_1"]) << (channels.shift - 1)
    most = int((channels.bound + rounding + 2)[0::2].max(initial=0)) << MORE_BITS
    return {**scale, "rectified": int(scale["rectified"] and most < 1 << 31)}


def pair_fits(channels: Channels) -> bool:
    """Whether two channels can share a word: see eq_matmul_dsp.h."""
    return not pair_problem(channels)


def pair_problem(channels: Channels) -> str:
    """Why two channels cannot share a word; empty if they can."""
    if not halves_fit(channels):
        return "a weight of -128 beside a negative one leaves no room for two channels in a word"
    wide = int((channels.bound[0::2] >= 1 << 23).sum())
    most = int(channels.bound[0::2].max(initial=0))
    return f"{wide} channels' sums can pass 24 bits (up to {most:,})" if wide else ""


def halves_fit(channels: Channels) -> bool:
    """Whether the joined weights of every pair of channels fit 16 bits."""
    first, second = pairs(channels.weights)
    joined = 256 * first + second
    return bool(np.all(joined >= -(1 << 15)) and np.all(joined < 1 << 15))


def pairs(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Even and odd channels; an odd count is filled up with zeros."""
    if len(values) % 2:
        values = np.concatenate([values, np.zeros_like(values[:1])])
    return values[0::2], values[1::2]


def joined_words(channels: Channels, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Weights of pairs of channels as words: (pairs, steps, 2).

    Four taps make two words: taps 0 and 2, then 1 and 3; each half is 256 * wa + wb.

    Args:
        order: Taps in reading order, -1 for filling, a multiple of four.
    """
    padded = np.concatenate([channels.weights, np.zeros((channels.count, 1), np.int64)], axis=1)
    first, second = pairs(padded[:, order])
    joined = (256 * first + second) & 0xFFFF
    quads = joined.reshape(len(joined), -1, 4)
    return np.stack(
        [quads[..., 0] | quads[..., 2] << 16, quads[..., 1] | quads[..., 3] << 16], axis=-1
    )


def as_words(values: NDArray[Any]) -> NDArray[np.uint32]:
    """Integers of either sign as a flat stream of 32-bit words."""
    words: NDArray[np.uint32] = (values.reshape(-1) & 0xFFFFFFFF).astype(np.uint32)
    return words
