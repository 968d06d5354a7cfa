"""UNIDIRECTIONAL_SEQUENCE_LSTM for cores with the DSP extension: four gates are a group of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.curves import CURVE_TABLE
from edgeq.compiler.ops.dsp.fully_connected import group_words
from edgeq.compiler.ops.dsp.layers import as_words, pair_fits
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Arg,
    Call,
    Constant,
    ParamValue,
    constant_args,
)
from edgeq.compiler.ops.shared.channels import Channels

GATES = 4
CELLS = 16  # EQ_LSTM_CELLS
_PRODUCT = 1 << 30  # of two numbers of 16 bits
# The parameters that scale something, and the bound on what they scale; None for the sums.
_SCALINGS = {
    "input": None,
    "recurrent": None,
    "forget": _PRODUCT,
    "cell": _PRODUCT,
    "hidden": _PRODUCT,
}


def by_cell(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows in the order gate, cell as rows in the order cell, gate."""
    ordered: NDArray[Any] = rows.reshape(GATES, -1, *rows.shape[1:]).swapaxes(0, 1)
    return ordered.reshape(rows.shape)


def row_channels(
    weights: NDArray[Any], bias: NDArray[np.int64], bound: NDArray[np.int64]
) -> Channels:
    """The rows of the gates, cell by cell, as channels without scales."""
    nothing = np.zeros(len(bias), np.int64)
    rows = by_cell(weights.astype(np.int64))
    return Channels(rows, by_cell(bias), nothing, nothing, by_cell(bound))


def row_stream(channels: Channels) -> NDArray[np.uint32]:
    """The words that eq_rows_dsp reads: each word holds two neighbours of the vector."""
    taps = np.arange(channels.weights.shape[1])
    taps = np.concatenate([taps, np.full(-len(taps) % 4, -1)])
    # `joined_words` puts taps 0 and 2 of four into one word, then 1 and 3.
    order = taps.reshape(-1, 4)[:, [0, 2, 1, 3]].reshape(-1)
    head, words, _ = group_words(channels, per_channel=False, order=order)
    return as_words(np.concatenate([head, words.reshape(len(words), -1)], axis=1))


def scalings(params: Mapping[str, Any], bounds: Sequence[int]) -> dict[str, ParamValue] | None:
    """Doubled multipliers in place of multipliers; None where the arithmetic would not be exact.

    Args:
        bounds: On the sums of input and of hidden state.
    """
    changed: dict[str, ParamValue] = {}
    sums = iter(bounds)
    for name, known in _SCALINGS.items():
        multipliers = np.atleast_1d(params[f"{name}_multiplier"])
        shifts = np.atleast_1d(params[f"{name}_shift"])
        bound = next(sums) if known is None else known
        rounding = np.where(shifts < 0, 1 << np.maximum(-shifts - 1, 0), 0)
        if np.any(multipliers < 1 << 30) or np.any(bound + 1 + rounding >= 1 << 31):
            return None
        doubled = [int(m) for m in 2 * multipliers - (1 << 32)]
        changed[f"{name}_doubled"] = doubled if known is None else doubled[0]
    return changed


def scratch_bytes(params: Mapping[str, Any]) -> int:
    """Sums of a few cells, the hidden state twice and the input in 16 bits."""
    cells, inputs = (-(-params[name] // 4) * 4 for name in ("cells", "input_c"))
    return CELLS * 2 * GATES * 4 + 2 * (2 * cells + inputs)


def lower_dsp(
    params: Mapping[str, Any],
    gates: Sequence[tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]],
    state: tuple[Arg, ...],
    macs: int,
) -> Call | None:
    """The DSP kernel's call; None where this layer's numbers do not suit it.

    Args:
        params: The fields of eq_lstm_params.
        gates: Weights (gate and cell, input), biases and bounds on the sums, of the input and of
            the hidden state.
        state: The arguments for hidden state and cells.
    """
    parts = [row_channels(*part) for part in gates]
    scaled = scalings(params, [int(part.bound.max(initial=0)) for part in parts])
    if scaled is None or not all(pair_fits(part) for part in parts):
        return None
    left_out = {f"{name}_multiplier" for name in _SCALINGS} | {"hidden_min", "hidden_max"}
    kept = {name: value for name, value in params.items() if name not in left_out}
    return Call(
        "lstm",
        "eq_lstm_dsp_s8",
        "eq_lstm_dsp_params",
        {**kept, **scaled},
        (INPUT, *constant_args(3), *state, SCRATCH, OUTPUT),
        (
            Constant("weights", "uint32_t", row_stream(parts[0]), "cell by cell, gates by fours"),
            Constant("recurrent", "uint32_t", row_stream(parts[1]), "cell by cell, gates by fours"),
            CURVE_TABLE,
        ),
        scratch_bytes=scratch_bytes(params),
        macs=macs,
        kernels="dsp",
    )
