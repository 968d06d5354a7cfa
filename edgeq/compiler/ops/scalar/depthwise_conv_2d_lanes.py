"""DEPTHWISE_CONV_2D for cores without SIMD: a channel at a time, four outputs at once."""

from __future__ import annotations

from edgeq.compiler.ops.dsp.depthwise_conv_2d import SIZES, band_overlap, oriented
from edgeq.compiler.ops.scalar.cores import LANE_BYTES, Core, column_requant, column_scale
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

OUTPUTS = 4  # EQ_LANES_OUTPUTS
MAX_TAPS = 16  # EQ_LANES_MAX_TAPS


def lower_lanes(
    g: dict[str, int],
    node: Node,
    core: Core,
    channels: Channels,
    clamp: dict[str, int],
    macs: int,
) -> Call | None:
    """The lane kernel's call; None where this layer does not suit it."""
    scale = column_scale(core, channels, node.output(), clamp)
    plain = g["dilation_h"] == g["dilation_w"] == g["depth_multiplier"] == 1
    taps = g["filter_h"] * g["filter_w"]
    if scale is None or not plain or g["stride_h"] != g["stride_w"] or taps > MAX_TAPS:
        return None
    params, swapped = oriented(g)
    rule, band = band_overlap(params, g, swapped)
    # Every value that the last group of outputs of a line reads.
    groups = -(-params["output_along"] // OUTPUTS)
    reach = (groups * OUTPUTS - 1) * params["stride"] + params["filter_along"]
    line_lanes = max(reach, params["pad_along"] + params["input_along"])
    filters = channels.weights.reshape(-1, g["filter_h"], g["filter_w"])
    if swapped:
        filters = filters.transpose(0, 2, 1)
    plane_lines = (band - 1) * params["stride"] + params["filter_lines"]
    return Call(
        "depthwise_conv_2d_lanes",
        "eq_depthwise_conv_2d_lanes_s8",
        "eq_depthwise_conv_2d_lanes_params",
        {
            **params,
            "line_lanes": line_lanes,
            "band": band,
            "input_zero_point": node.input(0).zero_point,
            "scale": scale,
        },
        (INPUT, *constant_args(2), OUTPUT, SCRATCH),
        (
            Constant("weights", "int8_t", filters, "channel by channel, line by line"),
            column_requant(channels),
        ),
        scratch_bytes=LANE_BYTES * line_lanes * plane_lines,
        overlaps=(rule,) if rule is not None else (),
        macs=macs,
        told=(*SIZES, "line_lanes"),
        alike=(params["output_along"] % OUTPUTS == 0,),
    )
