"""UNIDIRECTIONAL_SEQUENCE_LSTM for cores with the DSP extension: four gates are a group of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.curves import CURVE_TABLE
from edgeq.compiler.ops.dsp.layers import pair_fits
from edgeq.compiler.ops.dsp.rows import rows_s8, rows_s16, wide_scale
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

# Weights (gate and cell, input), biases and bounds on the sums, by "input" and "recurrent".
Gates = Mapping[str, tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]]
GATES = 4
CELLS = 16  # EQ_LSTM_CELLS
_PRODUCT = 1 << 30  # of two numbers of 16 bits
_LEFT_OUT = {
    *(f"{name}_multiplier" for name in ("input", "recurrent", "forget", "cell", "hidden")),
    "hidden_min",
    "hidden_max",
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


def row_sums(sums: Mapping[str, Any], *, wide: bool) -> dict[str, Any] | None:
    """Doubled multipliers and shifts for the sums of the four gates; None where they do not suit.

    Args:
        sums: multiplier and shift, as eq_lstm_params has them, and the bound on the sums.
        wide: Whether the multipliers are 16-bit ones behind 64-bit sums.
    """
    multipliers, shifts = np.asarray(sums["multiplier"]), np.asarray(sums["shift"])
    bound = int(sums["bound"])
    if not wide:
        rounding = np.where(shifts < 0, 1 << np.maximum(-shifts - 1, 0), 0)
        if np.any(multipliers < 1 << 30) or np.any(bound + 1 + rounding >= 1 << 31):
            return None
        return {"doubled": [int(m) for m in 2 * multipliers - (1 << 32)], "shift": sums["shift"]}
    scaled = [wide_scale(int(m), int(s), bound) for m, s in zip(multipliers, shifts, strict=True)]
    if None in scaled:
        return None
    pairs = [pair for pair in scaled if pair is not None]
    return {"doubled": [m for m, _ in pairs], "shift": [s for _, s in pairs]}


def scalings(params: Mapping[str, Any]) -> dict[str, ParamValue] | None:
    """Doubled multipliers of what a cell scales; None where the arithmetic would not be exact."""
    changed: dict[str, ParamValue] = {}
    for name in ("forget", "cell", "hidden"):
        multiplier, shift = params[f"{name}_multiplier"], params[f"{name}_shift"]
        rounding = 1 << (-shift - 1) if shift < 0 else 0
        if multiplier < 1 << 30 or _PRODUCT + 1 + rounding >= 1 << 31:
            return None
        changed[f"{name}_doubled"] = 2 * multiplier - (1 << 32)
    return changed


def scratch_bytes(params: Mapping[str, Any]) -> int:
    """Sums of a few cells, the hidden state twice and the input in 16 bits."""
    cells, inputs = (-(-int(params[name]) // 4) * 4 for name in ("cells", "input_c"))
    return CELLS * 2 * GATES * 4 + 2 * (2 * cells + inputs)


def scaled_rows(
    params: Mapping[str, Any], gates: Gates, *, wide: bool
) -> tuple[dict[str, ParamValue], dict[str, Channels]] | None:
    """The fields that scale sums and products, and the rows; None where they do not suit.

    Args:
        params: The fields of eq_lstm_params.
        gates: Weights (gate and cell, input), biases and bounds on the sums, of "input" and
            "recurrent".
        wide: Whether activations are int16.
    """
    changed = scalings(params)
    if changed is None or (wide and params["hidden_zero_point"] != 0):
        return None
    rows: dict[str, Channels] = {}
    for name, part in gates.items():
        channels = row_channels(*part)
        sums = {key: params[f"{name}_{key}"] for key in ("multiplier", "shift")}
        scaled = row_sums({**sums, "bound": channels.bound.max(initial=0)}, wide=wide)
        if scaled is None or bool(np.any(channels.bound >= 1 << 31)):
            return None
        changed |= {f"{name}_{key}": value for key, value in scaled.items()}
        rows[name] = channels
    return changed, rows


def fields(
    params: Mapping[str, Any], changed: Mapping[str, ParamValue], *, wide: bool
) -> dict[str, ParamValue]:
    """The fields of eq_lstm_dsp_params."""
    kept = {key: value for key, value in params.items() if key not in _LEFT_OUT}
    return {"wide": int(wide), **kept, **changed}


def lower_dsp(
    params: Mapping[str, Any], gates: Gates, state: tuple[Arg, ...], macs: int, *, wide: bool
) -> Call | None:
    """The DSP kernel's call; None where this layer's numbers do not suit it.

    Args:
        params: The fields of eq_lstm_params.
        gates: As `scaled_rows` takes them.
        state: The arguments for hidden state and cells.
        wide: Whether activations are int16.
    """
    found = scaled_rows(params, gates, wide=wide)
    if found is None or not (wide or all(pair_fits(rows) for rows in found[1].values())):
        return None
    changed, rows = found
    streams = [
        Constant(
            "weights" if name == "input" else name,
            "uint32_t",
            rows_s16(channels) if wide else rows_s8(channels),
            "cell by cell, gates by fours",
        )
        for name, channels in rows.items()
    ]
    return Call(
        "lstm",
        "eq_lstm_dsp_s16" if wide else "eq_lstm_dsp_s8",
        "eq_lstm_dsp_params",
        fields(params, changed, wide=wide),
        (INPUT, *constant_args(3), *state, SCRATCH, OUTPUT),
        (*streams, CURVE_TABLE),
        scratch_bytes=scratch_bytes(params),
        macs=macs,
        kernels="dsp",
    )
