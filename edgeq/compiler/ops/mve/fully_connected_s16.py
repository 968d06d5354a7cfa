"""FULLY_CONNECTED with int16 activations for cores with MVE: four outputs at a time."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.dsp.int16_channels import dense_rows, settled, wide_scales
from edgeq.compiler.ops.mve.layers import padded
from edgeq.compiler.ops.mve.rows import GROUP, row_stream
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Constant,
    Node,
    constant_args,
)
from edgeq.compiler.ops.shared.quantized import clamp


def lower_s16(
    extent: dict[str, int], node: Node, table: Constant, macs: int, *, narrow: bool
) -> Call | None:
    """The kernel's call; None where this layer does not suit it.

    Args:
        extent: batches, input_c, output_c.
        table: Bias, multiplier and right shift of every output.
        narrow: Whether the reference adds up in 32 bits.
    """
    if not node.isa.has("mve") or node.input(1).data is None or narrow:
        return None
    weights, rows = dense_rows(node, table)
    offset = node.output().zero_point
    weights, rows = settled(weights, rows, clamp(node), offset)
    scales = wide_scales(weights, rows)
    if not scales.plain:
        return None
    multipliers = padded(scales.multiplier[None], GROUP).reshape(-1).astype(np.int32)
    return Call(
        "fully_connected_s16",
        "eq_fully_connected_mve_s16",
        "eq_fully_connected_s16_mve_params",
        {**extent, "output_offset": offset, **clamp(node)},
        (INPUT, *constant_args(2), OUTPUT),
        (
            Constant("weights", "int8_t", row_stream(weights, rows[:, 0], wide=True), "by fours"),
            Constant("multipliers", "int32_t", multipliers, "of VRMULH"),
        ),
        macs=macs,
        kernels="mve",
    )
