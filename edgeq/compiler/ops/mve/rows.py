"""Rows of int8 weights by fours, as eq_rows_mve.h reads them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.mve.layers import LANES, as_bytes, padded

GROUP = 4  # EQ_ROWS_MVE_GROUP


def taps(weights: NDArray[np.int64], group: int, lanes: int = LANES) -> NDArray[np.int8]:
    """A vector of weights of each row of a group, for all inputs: (groups, bytes).

    Args:
        weights: (rows, inputs); what is missing in a group and in a vector is filled up with zeros.
        group: Rows of a group.
        lanes: Weights of a vector.
    """
    filled = padded(padded(weights, lanes).T, group).T
    ordered = filled.reshape(-1, group, filled.shape[1] // lanes, lanes).transpose(0, 2, 1, 3)
    return np.asarray(ordered.reshape(len(ordered), -1), np.int8)


def row_stream(
    weights: NDArray[np.int64], bias: NDArray[np.int64], *, wide: bool
) -> NDArray[np.int8]:
    """All groups of four rows: their biases, then their weights.

    Args:
        wide: Whether activations are int16, of which a vector holds half as many.
    """
    heads = as_bytes(padded(bias[None], GROUP).reshape(-1, GROUP))
    lanes = LANES // 2 if wide else LANES
    return np.concatenate([heads, taps(weights, GROUP, lanes)], axis=1).reshape(-1)
