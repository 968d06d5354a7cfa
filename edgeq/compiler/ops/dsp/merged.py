"""Both roundings of a layer's outputs in one: see eq_depthwise_pairs_dsp.h.

Weights and bias are multiplied with 2^bits, so that the high half of sum * multiplier has bits - 1
bits that the reference's first rounding drops. Where results below the zero point are clamped to
it, both roundings round down, and one addition and one shift do both. The bits are chosen such that
the shift is the same for all channels, and stands in the saturating instruction.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.channels import Channels

_SHIFT = 10  # in the kernels' SSAT
_LEAST_BITS, _MOST_BITS = 2, 8  # int8 weights still fit 16 bits
MERGED_NONE, MERGED_ALL, MERGED_SOME = 0, 1, 2


def merged_bits(channels: Channels, scale: dict[str, int]) -> tuple[NDArray[np.int64], int]:
    """How far each channel is shifted up, 0 where its roundings cannot be one; and how many can.

    Args:
        scale: The fields of eq_scale_dsp.
    """
    bits = _SHIFT + 1 - channels.shift
    fits = (bits >= _LEAST_BITS) & (bits <= _MOST_BITS)
    bits = np.where(fits & bool(scale["rectified"]), bits, 0)
    bits = np.where(channels.bound < (1 << 31) >> bits, bits, 0)
    count = np.count_nonzero(bits)
    how = MERGED_ALL if count == len(bits) else MERGED_SOME if count else MERGED_NONE
    return bits, how


def merged_addend(zero_point: int, bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """What is added to the high half: zero point, one half, and half of the first rounding."""
    addend: NDArray[np.int64] = ((2 * zero_point + 1) << (_SHIFT - 1)) + (1 << bits >> 2)
    return addend
