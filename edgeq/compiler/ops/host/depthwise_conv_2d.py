"""DEPTHWISE_CONV_2D for hosts: 16 channels at a time, columns of taps by fours."""

from __future__ import annotations

from edgeq.compiler.ops.host.lanes import (
    COPIED,
    LANES,
    SLACK_BYTES,
    by_fours,
    fits,
    limits,
    table,
)
from edgeq.compiler.ops.host.padded import window_padding
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Node,
    constant_args,
)
from edgeq.compiler.ops.shared.channels import Channels


def lower_host(
    g: dict[str, int], node: Node, channels: Channels, clamp: dict[str, int], macs: int
) -> Call | None:
    """The host kernel's call; None for depth multipliers above 1 and rare weights.

    Args:
        g: The geometry of a DEPTHWISE_CONV_2D.
        node: The layer.
        channels: Its weights, taps in the order of HW.
        clamp: activation_min and activation_max.
        macs: Multiply-accumulates of one call.
    """
    if g["depth_multiplier"] != 1 or g["pad_top"] < 0 or not fits(channels):
        return None
    padding = window_padding(g, node.input(0).zero_point)
    depth, row_bytes = g["input_c"], padding.padded_row_bytes
    copied = padding.needed or depth % LANES != 0
    rows, columns, stride = g["output_h"], g["output_w"], g["stride_w"]
    row_step, column_step = g["stride_h"] * row_bytes, stride * depth
    if columns == 1 and g["filter_w"] == 1:
        # One long row instead of many short ones: no two outputs share a column then either.
        rows, columns, stride, row_step, column_step = 1, rows, 1, 0, row_step
    filters = channels.weights.reshape(depth, g["filter_h"], g["filter_w"])
    weights = by_fours(filters.transpose(0, 2, 1))
    return Call(
        "depthwise_conv_2d",
        f"eq_depthwise_conv_2d{'_copied' * copied}_host_s8",
        "eq_depthwise_conv_2d_host_params",
        {
            "batches": g["batches"],
            "image_bytes": g["input_h"] * g["input_w"] * depth,
            "padding": padding.fields,
            "output_h": rows,
            "output_w": columns,
            "channels": depth,
            "row_step": row_step,
            "column_step": column_step,
            "filter_h": g["filter_h"],
            "filter_w": g["filter_w"],
            "tap_row_step": g["dilation_h"] * row_bytes,
            "tap_column_step": g["dilation_w"] * depth,
            "stride_w": stride,
            "dilation_w": g["dilation_w"],
            "limits": limits(channels, node.output().zero_point, clamp),
        },
        (INPUT, *constant_args(2), OUTPUT, *(SCRATCH,) * copied),
        (
            Constant("weights", "int8_t", weights, "by 16 channels: columns of taps by fours"),
            table(channels),
        ),
        scratch_bytes=padding.bytes + SLACK_BYTES if copied else 0,
        overlaps=(COPIED,) if copied and g["batches"] == 1 else (),
        macs=macs,
        kernels="host",
    )
