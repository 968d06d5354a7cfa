"""CONV_2D and DEPTHWISE_CONV_2D of types other than int8: int16 activations, and float32."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from edgeq.ops.base import (
    INPUT,
    OUTPUT,
    Call,
    Constant,
    Node,
    Overlap,
    constant_args,
    require,
)
from edgeq.ops.float32 import float_bias, float_clamp
from edgeq.ops.quantized import clamp
from edgeq.ops.wide import has_int32_accumulator, requant_table


def lower_other_type(
    node: Node,
    name: str,
    geometry: dict[str, int],
    by_channel: NDArray[Any],
    overlap: Overlap,
    macs: int,
) -> Call:
    """The kernel call of a convolution that is not int8.

    Args:
        name: Kernel file: "conv_2d" or "depthwise_conv_2d".
        by_channel: Weights as (channels, taps).
        overlap: Of the same convolution in int8.
    """
    source, weights, output = node.input(0), node.input(1), node.output()
    types = (source.dtype, weights.dtype, output.dtype)
    layout = "OHWI" if name == "conv_2d" else "1HWC"
    if types == ("float32", "float32", "float32"):
        return Call(
            f"{name}_f32",
            f"eq_{name}_f32",
            f"eq_{name}_f32_params",
            {**geometry, **float_clamp(node)},
            (INPUT, *constant_args(2), OUTPUT),
            (
                Constant("weights", "float", node.constant(1), layout),
                float_bias(node, 2, len(by_channel)),
            ),
            overlaps=(replace(overlap, distance=overlap.distance * 4),),
            macs=macs,
        )
    require(types == ("int16", "int8", "int16"), f"types {types}")
    narrow = name == "conv_2d" and has_int32_accumulator(node)
    return Call(
        f"{name}_s16",
        f"eq_{name}_s16_bias32" if narrow else f"eq_{name}_s16",
        f"eq_{name}_params",
        # TFLM takes int16 zero points for 0, whatever the file says.
        {**geometry, "input_offset": 0, "output_offset": 0, **clamp(node)},
        (INPUT, *constant_args(2), OUTPUT),
        (
            Constant("weights", "int8_t", node.constant(1), layout),
            requant_table(node, by_channel, narrow=narrow),
        ),
        overlaps=(replace(overlap, distance=overlap.distance * 2),),
        macs=macs,
    )
