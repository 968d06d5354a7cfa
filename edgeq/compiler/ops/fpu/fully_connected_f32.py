"""FULLY_CONNECTED in float32 for Arm cores with an FPU: eight outputs at a time."""

from __future__ import annotations

from edgeq.compiler.ops.fpu.groups import stream, suits, weight_table
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, constant_args
from edgeq.compiler.ops.shared.float32 import float_bias, float_clamp

ROWS = 8  # EQ_ROWS_FPU


def lower_f32(extent: dict[str, int], node: Node, macs: int) -> Call | None:
    """The kernel's call; None where this layer does not suit it.

    Args:
        extent: batches, input_c, output_c.
    """
    if not suits(node):
        return None
    bias = float_bias(node, 2, extent["output_c"]).values
    values = stream(node.constant(1), bias, ROWS)
    return Call(
        "fully_connected_f32",
        "eq_fully_connected_fpu_f32",
        "eq_fully_connected_f32_params",
        {**extent, **float_clamp(node)},
        (INPUT, *constant_args(1), OUTPUT),
        (weight_table(values, "outputs by eights"),),
        macs=macs,
        kernels="fpu",
    )
