"""CONV_2D for cores without SIMD: inner products over the widened inputs of several pixels."""

from __future__ import annotations

from edgeq.compiler.ops.scalar.cores import LANE_BYTES, Core, column_requant, column_scale
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Node,
    Overlap,
    constant_args,
)
from edgeq.compiler.ops.shared.channels import Channels
from edgeq.compiler.ops.shared.windows import SIZES, one_row


def lower_columns(
    g: dict[str, int],
    node: Node,
    core: Core,
    channels: Channels,
    clamp: dict[str, int],
    overlap: Overlap,
    macs: int,
) -> Call | None:
    """The column kernel's call; None where this layer does not suit it."""
    scale = column_scale(core, channels, node.output(), clamp)
    plain = g["dilation_h"] == g["dilation_w"] == 1 and g["filter_c"] == g["input_c"]
    if scale is None or not plain:
        return None
    weights = Constant("weights", "int8_t", core.weights(channels.weights), "OHWI")
    g = {**g, **one_row(g)}
    return Call(
        "conv_2d_columns",
        "eq_conv_2d_columns_s8",
        "eq_conv_2d_columns_params",
        {
            **{k: v for k, v in g.items() if k not in ("dilation_h", "dilation_w", "filter_c")},
            "input_zero_point": node.input(0).zero_point,
            "scale": scale,
        },
        (INPUT, *constant_args(2), OUTPUT, SCRATCH),
        (weights, column_requant(channels)),
        scratch_bytes=LANE_BYTES * core.pixels * channels.weights.shape[1],
        overlaps=(overlap,),
        macs=macs,
        told=(*SIZES, "input_zero_point", "scale.twice_offset_plus_1"),
        alike=(g["output_c"] % 2,),
    )
