"""4-bit weights in the order of the DSP kernels: see eq_packed_dsp.h and the kernels' own notes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.packed import Codes

PAIRS_BYTES = 1024  # the table of pairs, EQ_PACKED_PAIRS words


def pair_words(found: Codes, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Weights of pairs of channels a, b as words: (pairs, steps), four taps each.

    int4: byte t holds weight t of a above that of b plus 8. Others: the codes of a for taps 0 and
    2, then 1 and 3, then those of b.

    Args:
        found: Codes (channels, taps).
        order: Taps in reading order, -1 for filling, a multiple of four.
    """
    codes = np.pad(found.codes.astype(np.int64), ((0, len(found.codes) % 2), (0, 1)))[:, order]
    a, b = (codes[first::2].reshape(-1, len(order) // 4, 4) for first in (0, 1))
    if found.int4:
        parts = (a ^ 8) << 4 | b
    else:
        parts = np.concatenate([c[..., :2] | c[..., 2:] << 4 for c in (a, b)], axis=-1)
    words: NDArray[np.int64] = (parts << np.arange(0, 32, 8)).sum(axis=-1)
    return words


def group_codes(found: Codes) -> NDArray[np.int64]:
    """Weights of groups of four outputs as (groups, words), two words per four inputs.

    int4: a 16-bit half holds the weights of all four outputs, for inputs 0 and 2, then 1 and 3.
    Others: as `pair_words`, for outputs a and b, then c and d.
    """
    outputs, inputs = found.codes.shape
    codes = np.pad(found.codes.astype(np.int64), ((0, -outputs % 4), (0, -inputs % 4)))
    groups = len(codes) // 4
    if found.int4:
        a, b, c, d = codes.reshape(groups, 4, -1, 4).transpose(1, 0, 2, 3)
        halves = (a ^ 8) << 12 | b << 8 | c << 4 | d
        words = halves[..., :2] | halves[..., 2:] << 16
    else:
        full = Codes(found.values, codes.astype(np.uint8))
        words = pair_words(full, np.arange(codes.shape[1])).reshape(groups, 2, -1)
        words = words.transpose(0, 2, 1)
    table: NDArray[np.int64] = words.reshape(groups, -1)
    return table
