"""DEPTHWISE_CONV_2D in float32 for Arm cores with an FPU: eight channels of a pixel at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.compiler.ops.fpu.groups import stream, suits, weight_table
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Node,
    Overlap,
    constant_args,
)
from edgeq.compiler.ops.shared.float32 import float_bias, float_clamp

_LANES = 8  # EQ_LANES_FPU
_FLOAT_BYTES = 4


def lower_f32(g: dict[str, int], node: Node, rule: Overlap, macs: int) -> Call | None:
    """The kernel's call; None where this layer does not suit it.

    Args:
        rule: How far the input must lie behind the output, in elements, pixel by pixel.
    """
    if not suits(node) or g["depth_multiplier"] != 1:
        return None
    channels = g["input_c"]
    weights = node.constant(1).reshape(-1, channels).T
    bias = float_bias(node, 2, channels).values
    whole = channels // _LANES * _LANES
    rest = np.concatenate([weights[whole:], bias[whole:, None]], axis=1).reshape(-1)
    values = np.concatenate([stream(weights[:whole], bias[:whole], _LANES), rest])
    taken = ("batches", "input_h", "input_w", "output_h", "output_w", "filter_h", "filter_w")
    steps = ("stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left")
    return Call(
        "depthwise_conv_2d_f32",
        "eq_depthwise_conv_2d_fpu_f32",
        "eq_depthwise_fpu_f32_params",
        {**{name: g[name] for name in (*taken, *steps)}, "channels": channels, **float_clamp(node)},
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (weight_table(values.astype(np.float32), "channels by eights"),),
        scratch_bytes=_FLOAT_BYTES * (g["filter_h"] * g["filter_w"] + channels),
        overlaps=(replace(rule, distance=rule.distance * _FLOAT_BYTES),),
        macs=macs,
        kernels="fpu",
    )
