"""Rows of int8 weights by fours, as eq_rows_dsp.h reads them, and how their sums are scaled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.fully_connected import group_tables, group_words
from edgeq.compiler.ops.dsp.layers import as_words
from edgeq.compiler.ops.shared.channels import Channels

_ROWS = 4


def rows_s8(channels: Channels) -> NDArray[np.uint32]:
    """The words of all groups: biases, then weights, of which each word holds two neighbours."""
    taps = np.arange(channels.weights.shape[1])
    taps = np.concatenate([taps, np.full(-len(taps) % 4, -1)])
    # `joined_words` puts taps 0 and 2 of four into one word, then 1 and 3.
    order = taps.reshape(-1, 4)[:, [0, 2, 1, 3]].reshape(-1)
    head, words, _ = group_words(channels, per_channel=False, order=order)
    return as_words(np.concatenate([head, words.reshape(len(words), -1)], axis=1))


def rows_s16(channels: Channels) -> NDArray[np.uint32]:
    """The words of all groups: biases, then a word of each row for every four values."""
    rows, taps = channels.weights.shape
    padded = np.pad(channels.weights, ((0, -rows % _ROWS), (0, -taps % 4))) & 0xFF
    quads = padded.reshape(-1, _ROWS, padded.shape[1] // 4, 4)[..., [0, 2, 1, 3]]
    words = quads[..., 0] | quads[..., 1] << 8 | quads[..., 2] << 16 | quads[..., 3] << 24
    bias, _ = group_tables(channels, per_channel=False)
    stream = words.transpose(0, 2, 1).reshape(len(words), -1)
    return as_words(np.concatenate([bias, stream], axis=1))


def wide_scale(multiplier: int, shift: int, bound: int) -> tuple[int, int] | None:
    """A multiplier for SMMULR and the left shift before it; None where they do not fit 32 bits.

    (sum * m + 2^(s-1)) >> s is the high half of sum * m * 2^(32-s), rounded.

    Args:
        multiplier: Below 2^15, or 2^15 itself.
        shift: To the right, as `reduced_multiplier` gives it.
        bound: On the sum.
    """
    up = 32 - shift
    lifted = max(0, up + multiplier.bit_length() - 31)
    if up < lifted or bound << lifted >= 1 << 31:
        return None
    return multiplier << (up - lifted), lifted
