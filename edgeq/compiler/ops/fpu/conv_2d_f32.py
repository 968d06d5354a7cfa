"""CONV_2D in float32 for Arm cores with an FPU: four pixels by four channels at a time."""

from __future__ import annotations

from dataclasses import replace

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

PIXELS = 4  # EQ_TILE_FPU
_FLOAT_BYTES = 4


def lower_f32(g: dict[str, int], node: Node, rule: Overlap, macs: int) -> Call | None:
    """The kernel's call; None where this layer does not suit it.

    Args:
        rule: How far the input must lie behind the output, in elements, four pixels at a time.
    """
    if not suits(node) or g["filter_c"] != g["input_c"]:
        return None
    channels = g["output_c"]
    weights = node.constant(1).reshape(channels, -1)
    bias = float_bias(node, 2, channels).values
    return Call(
        "conv_2d_f32",
        "eq_conv_2d_fpu_f32",
        "eq_conv_2d_fpu_f32_params",
        {**{k: v for k, v in g.items() if k != "filter_c"}, **float_clamp(node)},
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (weight_table(stream(weights, bias, PIXELS), "channels by fours"),),
        scratch_bytes=_FLOAT_BYTES * PIXELS * weights.shape[1],
        overlaps=(replace(rule, distance=max(rule.distance * _FLOAT_BYTES, -(1 << 31))),),
        macs=macs,
        kernels="fpu",
    )
