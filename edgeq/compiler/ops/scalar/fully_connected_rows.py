"""FULLY_CONNECTED for cores without SIMD: several outputs at a time."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.scalar.cores import Core, column_requant, column_scale
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Loop,
    Node,
    constant_args,
)
from edgeq.compiler.ops.shared.channels import Channels


def lower_rows(
    params: dict[str, int],
    node: Node,
    core: Core,
    channels: Channels,
    clamp: dict[str, int],
    macs: int,
) -> Call | None:
    """The row kernel's call; None where this layer does not suit it.

    Args:
        params: batches, input_c and output_c.
    """
    scale = column_scale(core, channels, node.output(), clamp)
    if scale is None or channels.count < core.row_least:
        return None
    weights = node.input(1).quantization
    per_channel = weights is not None and weights.per_channel
    missing = (-channels.count % core.row_outputs, -params["input_c"] % core.row_unroll)
    full = np.pad(channels.weights, ((0, 0), (0, missing[1])))
    # The first group is the one with outputs that are not there.
    full = np.insert(full, [channels.count % core.row_outputs] * missing[0], 0, axis=0)
    # (group, output, tap) to (group, tap, output)
    groups = full.reshape(-1, core.row_outputs, full.shape[1]).transpose(0, 2, 1)
    if per_channel:
        table = column_requant(channels)
        table = Constant("requant", "int32_t", table.values, table.note)
    else:
        table = Constant("bias", "int32_t", channels.bias, "the input's zero point is folded in")
    return Call(
        "fully_connected_rows",
        "eq_fully_connected_rows_s8",
        "eq_fully_connected_rows_params",
        {
            **params,
            "partial": int(missing[0] != 0),
            "per_channel": int(per_channel),
            "doubled": 0 if per_channel else int(2 * channels.multiplier[0]) - (1 << 32),
            "shift_1": 0 if per_channel else int(channels.shift[0]) - 1,
            "scale": scale,
        },
        (INPUT, *constant_args(2), OUTPUT, SCRATCH),
        (
            Constant(
                "weights", "int8_t", core.weights(groups, of_rows=True), "by groups of outputs"
            ),
            table,
        ),
        scratch_bytes=full.shape[1] if missing[1] else 4,
        macs=macs,
        told=("input_c", "output_c", "doubled", "shift_1", "scale.twice_offset_plus_1"),
        alike=(missing[1] == 0,),
        loops=_loops(params, core),
    )


def _loops(params: dict[str, int], core: Core) -> tuple[Loop, ...]:
    """The loop over taps, where a program chooses how many of them are a turn."""
    if core.row_turn == 0:
        return ()
    entries = params["batches"] * -(-params["output_c"] // core.row_outputs)
    size = core.row_step_bytes
    return (Loop("EQ_ROW_TURN", core.row_turn, "eq_row_code", size, 2, entries, params["input_c"]),)
