"""DEPTHWISE_CONV_2D: int8 activations and weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp import depthwise_conv_2d_s16 as dsp_s16
from edgeq.compiler.ops.dsp.depthwise_conv_2d import lower_dsp
from edgeq.compiler.ops.dsp.depthwise_conv_2d_lanes import lower_lanes as lower_dsp_lanes
from edgeq.compiler.ops.dsp.int16_channels import INT16_TYPES
from edgeq.compiler.ops.dsp.reasons import why_portable
from edgeq.compiler.ops.fpu.depthwise_conv_2d_f32 import lower_f32
from edgeq.compiler.ops.fpu.groups import FLOAT_TYPES
from edgeq.compiler.ops.host.depthwise_conv_2d import lower_host
from edgeq.compiler.ops.host.float32 import lower_depthwise_f32
from edgeq.compiler.ops.mve.depthwise_conv_2d import lower_mve
from edgeq.compiler.ops.mve.depthwise_conv_2d_s16 import lower_s16 as lower_mve_s16
from edgeq.compiler.ops.neural import conv_2d
from edgeq.compiler.ops.neural.convolution_types import (
    lower_other_type,
    weight_arguments,
    weight_values,
)
from edgeq.compiler.ops.scalar.cores import core_of
from edgeq.compiler.ops.scalar.depthwise_conv_2d_lanes import lower_lanes
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Node,
    OpKind,
    require,
)
from edgeq.compiler.ops.shared.channels import fold_channels
from edgeq.compiler.ops.shared.quantized import (
    INT8_TYPES,
    check_accumulator,
    clamp,
    layer_bias,
    requant_constant,
)
from edgeq.compiler.ops.shared.windows import image_shape, image_sizes, sliding


def geometry(node: Node) -> dict[str, int]:
    """The shape fields of eq_depthwise_conv_2d_params."""
    sizes = image_sizes(node)
    input_c, output_c = sizes["input_c"], node.output().shape[3]
    one, filter_h, filter_w, filter_c = image_shape(node.input(1))
    require(one == 1 and filter_c == output_c, f"filter shape {node.input(1).shape}")
    require(input_c > 0 and output_c % input_c == 0, f"{input_c} channels to {output_c}")
    return {
        **sizes,
        "depth_multiplier": output_c // input_c,
        "filter_h": filter_h,
        "filter_w": filter_w,
        **sliding(node, filter_h, filter_w),
    }


def macs(node: Node) -> int:
    """Multiply-accumulates, taps in the padding counted as well."""
    g = geometry(node)
    return node.output().elements * g["filter_h"] * g["filter_w"]


def lower(node: Node) -> Call:
    """The kernel call for one DEPTHWISE_CONV_2D."""
    source, weights, output = node.input(0), node.input(1), node.output()
    types = (source.dtype, weights.dtype, output.dtype)
    g = geometry(node)
    channels = g["input_c"] * g["depth_multiplier"]
    values = weight_values(node)
    by_channel = values.reshape(-1, channels).T
    if types not in INT8_TYPES:
        return _lower_other(node, g, by_channel)
    bias = layer_bias(node, channels)
    check_accumulator(by_channel, bias, source.zero_point)
    requant = requant_constant(node, bias, channels)
    limits = clamp(node)
    call = None if weights.data is None else _lower_fast(node, g, bias, limits)
    if call is not None:
        return call
    arguments, constants = weight_arguments(node, "int8_t", "1HWC", requant)
    return Call(
        "depthwise_conv_2d",
        "eq_depthwise_conv_2d_s8",
        "eq_depthwise_conv_2d_params",
        {
            **g,
            "input_offset": -source.zero_point,
            "output_offset": output.zero_point,
            **limits,
        },
        (INPUT, *arguments, OUTPUT),
        constants,
        overlaps=(conv_2d.overlap({**g, "output_c": channels}, 1, buffered=False),),
        macs=macs(node),
        why_portable=why_portable(
            node, fold_channels(node, by_channel, bias, limits), g, paired=False
        ),
    )


def _lower_other(node: Node, g: dict[str, int], by_channel: NDArray[Any]) -> Call:
    """The call for activations other than int8; `by_channel` is (channels, taps)."""
    types = (node.input(0).dtype, node.input(1).dtype, node.output().dtype)
    behind = conv_2d.overlap({**g, "output_c": len(by_channel)}, 1, buffered=False)
    why = ""
    if types == INT16_TYPES:
        call = lower_mve_s16(g, node, by_channel, behind, macs(node))
        call = call or dsp_s16.lower_s16(g, node, by_channel, behind, macs(node))
        if call is not None:
            return call
        why = dsp_s16.why_portable(node, g, by_channel)
    if types == FLOAT_TYPES:
        call = lower_f32(g, node, behind, macs(node)) or lower_depthwise_f32(g, node, macs(node))
        if call is not None:
            return call
    return lower_other_type(node, "depthwise_conv_2d", g, by_channel, behind, macs(node), why)


def _lower_fast(
    node: Node, g: dict[str, int], bias: NDArray[np.int64], limits: dict[str, int]
) -> Call | None:
    """The call of the kernel for this core; None where it has none for this layer."""
    channels = g["input_c"] * g["depth_multiplier"]
    folded = fold_channels(node, node.constant(1).reshape(-1, channels).T, bias, limits)
    core = core_of(node.isa)
    if node.isa.has("mve"):
        rule = conv_2d.overlap({**g, "output_c": channels}, 1, buffered=False)
        call = lower_mve(g, node, folded, limits, rule, macs(node))
        if call is not None:
            return call
    if node.isa.has("dsp"):
        rule = conv_2d.overlap({**g, "output_c": channels}, 1, buffered=False)
        by_pixel = lower_dsp_lanes(g, node, folded, limits, rule, macs(node))
        # With a stride it is faster, but its weights take twice the flash.
        strided = max(g["stride_h"], g["stride_w"]) > 1 and node.optimize != "size"
        if by_pixel is not None and strided:
            return by_pixel
        return lower_dsp(g, node, folded, limits, macs(node)) or by_pixel
    if node.isa.has("host"):
        return lower_host(g, node, folded, limits, macs(node))
    return lower_lanes(g, node, core, folded, limits, macs(node)) if core is not None else None


DEPTHWISE_CONV_2D = OpKind("DEPTHWISE_CONV_2D", lower, ("int8", "int16", "int4", "float32"), macs)
