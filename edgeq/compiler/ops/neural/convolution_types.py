"""CONV_2D and DEPTHWISE_CONV_2D of types other than int8: int16 activations, and float32."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    Overlap,
    constant_args,
    require,
)
from edgeq.compiler.ops.shared.float32 import float_bias, float_clamp
from edgeq.compiler.ops.shared.quantized import clamp
from edgeq.compiler.ops.shared.wide import has_int32_accumulator, requant_table


def weight_values(node: Node, position: int = 1) -> NDArray[Any]:
    """The weights of a layer; where they are computed, those that make its sums the largest."""
    weights = node.input(position)
    if weights.data is not None:
        return weights.data
    require(weights.dtype in ("int8", "float32"), f"{weights.dtype} weights that are computed")
    return np.full(weights.shape, -128, np.int8)


def weight_arguments(
    node: Node, ctype: str, layout: str, table: Constant, position: int = 1
) -> tuple[tuple[Arg, ...], tuple[Constant, ...]]:
    """The arguments for a layer's weights and for `table`, and the constants among them."""
    if node.input(position).data is None:
        return (Arg("input", position), Arg("constant")), (table,)
    return constant_args(2), (Constant("weights", ctype, node.constant(position), layout), table)


def lower_other_type(
    node: Node,
    name: str,
    geometry: dict[str, int],
    by_channel: NDArray[Any],
    overlap: Overlap,
    macs: int,
    why_portable: str = "",
) -> Call:
    """The kernel call of a convolution that is not int8.

    Args:
        name: Kernel file: "conv_2d" or "depthwise_conv_2d".
        by_channel: Weights as (channels, taps).
        overlap: Of the same convolution in int8.
        why_portable: What keeps an int16 layer from the form that this core has for it.
    """
    source, weights, output = node.input(0), node.input(1), node.output()
    types = (source.dtype, weights.dtype, output.dtype)
    layout = "OHWI" if name == "conv_2d" else "1HWC"
    if types == ("float32", "float32", "float32"):
        table = float_bias(node, 2, len(by_channel))
        arguments, constants = weight_arguments(node, "float", layout, table)
        return Call(
            f"{name}_f32",
            f"eq_{name}_f32",
            f"eq_{name}_f32_params",
            {**geometry, **float_clamp(node)},
            (INPUT, *arguments, OUTPUT),
            constants,
            overlaps=(replace(overlap, distance=overlap.distance * 4),),
            macs=macs,
        )
    require(types == ("int16", "int8", "int16"), f"types {types}")
    narrow = name == "conv_2d" and has_int32_accumulator(node)
    table = requant_table(node, by_channel, narrow=narrow)
    arguments, constants = weight_arguments(node, "int8_t", layout, table)
    return Call(
        f"{name}_s16",
        f"eq_{name}_s16_bias32" if narrow else f"eq_{name}_s16",
        f"eq_{name}_params",
        # TFLM takes int16 zero points for 0, whatever the file says.
        {**geometry, "input_offset": 0, "output_offset": 0, **clamp(node)},
        (INPUT, *arguments, OUTPUT),
        constants,
        overlaps=(replace(overlap, distance=overlap.distance * 2),),
        macs=macs,
        why_portable=why_portable,
    )
