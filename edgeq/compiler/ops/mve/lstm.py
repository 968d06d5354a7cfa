"""UNIDIRECTIONAL_SEQUENCE_LSTM for cores with MVE: four gates are a group of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.compiler.ops.dsp.curves import CURVE_TABLE
from edgeq.compiler.ops.dsp.lstm import CELLS, GATES, Gates, fields, scaled_rows
from edgeq.compiler.ops.mve.rows import row_stream
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Arg,
    Call,
    Constant,
    constant_args,
)


def lower_mve(
    params: Mapping[str, Any], gates: Gates, state: tuple[Arg, ...], macs: int, *, wide: bool
) -> Call | None:
    """The MVE kernel's call; None where this layer's numbers do not suit it.

    Args:
        params: The fields of eq_lstm_params.
        gates: Weights (gate and cell, input), biases and bounds on the sums, of "input" and
            "recurrent".
        state: The arguments for hidden state and cells.
        wide: Whether activations are int16.
    """
    found = scaled_rows(params, gates, wide=wide)
    if found is None:
        return None
    changed, rows = found
    streams = [
        Constant(
            "weights" if name == "input" else name,
            "int8_t",
            row_stream(channels.weights, channels.bias, wide=wide),
            "cell by cell, four gates together",
        )
        for name, channels in rows.items()
    ]
    return Call(
        "lstm",
        "eq_lstm_mve_s16" if wide else "eq_lstm_mve_s8",
        "eq_lstm_dsp_params",
        fields(params, changed, wide=wide),
        (INPUT, *constant_args(3), *state, SCRATCH, OUTPUT),
        (*streams, CURVE_TABLE),
        scratch_bytes=CELLS * 2 * GATES * 4,
        macs=macs,
        kernels="mve",
    )
