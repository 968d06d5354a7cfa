"""TRANSPOSE_CONV: int8, int16 and float32."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.transpose_conv import (
    lower_dsp,
    lower_dsp_s16,
    why_portable,
    why_portable_s16,
)
from edgeq.compiler.ops.neural.convolution_types import weight_arguments, weight_values
from edgeq.compiler.ops.shared.base import (
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    Overlap,
    overlap_distance,
    require,
)
from edgeq.compiler.ops.shared.float32 import float_bias, float_clamp
from edgeq.compiler.ops.shared.movement import element_bytes
from edgeq.compiler.ops.shared.quantized import (
    bias_values,
    check_accumulator,
    clamp,
    live_bias,
    scale_products,
)
from edgeq.compiler.ops.shared.wide import wide_rows
from edgeq.compiler.ops.shared.windows import VALID, image_shape
from edgeq.model.fixedpoint import quantize_multiplier

_WEIGHTS, _INPUT, _BIAS = 1, 2, 3


def _padding(node: Node, out: int, kernel: int, stride: int) -> int:
    """Rows or columns that the output lacks before the first; none with VALID padding.

    Source: TFLite `ComputePaddingHeightWidth`, of the output.
    """
    require(min(kernel, stride) > 0, "windows and strides are positive")
    if node.option("padding") == VALID:
        return 0
    return max((-(-out // stride) - 1) * stride + kernel - out, 0) // 2


def geometry(node: Node) -> dict[str, int]:
    """The shape fields of eq_transpose_conv_params."""
    batches, input_h, input_w, input_c = image_shape(node.input(_INPUT))
    output_batches, output_h, output_w, output_c = image_shape(node.output())
    filters, filter_h, filter_w, filter_c = image_shape(node.input(_WEIGHTS))
    fits = (batches, input_c, output_c) == (output_batches, filter_c, filters)
    require(
        fits,
        f"weights {node.input(_WEIGHTS).shape} between {node.input(_INPUT).shape} and "
        f"{node.output().shape}",
    )
    require(node.input(_INPUT).elements > 0, "the input has no elements")
    stride_h, stride_w = node.option("stride_h"), node.option("stride_w")
    return {
        "batches": batches,
        "input_h": input_h,
        "input_w": input_w,
        "input_c": input_c,
        "output_h": output_h,
        "output_w": output_w,
        "output_c": output_c,
        "filter_h": filter_h,
        "filter_w": filter_w,
        "stride_h": stride_h,
        "stride_w": stride_w,
        "pad_top": _padding(node, output_h, filter_h, stride_h),
        "pad_left": _padding(node, output_w, filter_w, stride_w),
    }


def macs(node: Node) -> int:
    """Multiply-accumulates: every input value meets every tap."""
    g = geometry(node)
    taps = g["filter_h"] * g["filter_w"] * g["output_c"]
    return node.input(_INPUT).elements * taps


def _overlap(g: dict[str, int], size: int) -> Overlap:
    """How far the input must lie behind the output, row by row."""
    y = np.arange(g["output_h"]) + g["pad_top"] - g["filter_h"] + 1
    first = np.clip(-(-y // g["stride_h"]), 0, g["input_h"] - 1)
    row = g["input_w"] * g["input_c"] * size
    reads = (np.arange(g["batches"])[:, None] * g["input_h"] + first).reshape(-1) * row
    ends = np.arange(1, len(reads) + 1) * g["output_w"] * g["output_c"] * size
    return Overlap(_INPUT, overlap_distance(reads, ends, buffered=False))


def lower(node: Node) -> Call:
    """The kernel call for one TRANSPOSE_CONV."""
    types = (node.input(_INPUT).dtype, node.input(_WEIGHTS).dtype, node.output().dtype)
    if types == ("float32",) * 3:
        return _call(node, "f32", {**float_clamp(node)}, float_bias(node, _BIAS, _channels(node)))
    if types == ("int16", "int8", "int16"):
        return _int16(node)
    require(types == ("int8",) * 3, f"types {types}")
    source, output = node.input(_INPUT), node.output()
    bias = bias_values(node, _BIAS, _channels(node))
    scales = scale_products(source, node.input(_WEIGHTS), output, len(bias))
    bias = live_bias(bias, scales)
    rows = (
        _by_channel(node),
        bias,
        check_accumulator(_by_channel(node), bias, source.zero_point),
    )
    if node.isa.has("dsp") and node.input(_WEIGHTS).data is not None:
        call = lower_dsp(geometry(node), node, rows, scales, clamp(node), macs(node), source=_INPUT)
        if call is not None:
            return call
    params = {
        "input_offset": -source.zero_point,
        "output_offset": output.zero_point,
        **clamp(node),
    }
    why = why_portable(node, geometry(node), rows, scales)
    return replace(_call(node, "s8", {**params}, _requant(node, bias)), why_portable=why)


def _int16(node: Node) -> Call:
    """The kernel call for int16 activations, whose bias may be int16 or int64."""
    source, weights, output = node.input(_INPUT), node.input(_WEIGHTS), node.output()
    channels = _channels(node)
    bias = np.zeros(channels, np.int64)
    if node.has_input(_BIAS):
        kind = node.input(_BIAS).dtype
        require(kind in ("int16", "int64"), f"a bias of {kind}, which TFLM reads as int64")
        bias = node.constant(_BIAS).astype(np.int64).reshape(-1)
        require(len(bias) == channels, f"{len(bias)} biases for {channels} channels")
    scales = scale_products(source, weights, output, channels)
    params = {"input_offset": 0, "output_offset": 0, **clamp(node)}
    rows = wide_rows(_by_channel(node), live_bias(bias, scales), scales)
    if node.isa.has("dsp") and weights.data is not None:
        call = lower_dsp_s16(
            geometry(node), _by_channel(node), rows, clamp(node), macs(node), source=_INPUT
        )
        if call is not None:
            return call
    why = why_portable_s16(node, geometry(node))
    return replace(_call(node, "s16", {**params}, rows), why_portable=why)


def _by_channel(node: Node) -> NDArray[Any]:
    """The int8 weights of every output channel; the largest there are where they are computed."""
    return weight_values(node, _WEIGHTS).reshape(_channels(node), -1)


def _channels(node: Node) -> int:
    return image_shape(node.output())[3]


def _requant(node: Node, bias: NDArray[np.int64]) -> Constant:
    """The eq_requant table: a row (bias, multiplier, right shift) per channel."""
    source, weights, output = node.input(_INPUT), node.input(_WEIGHTS), node.output()
    rows = np.zeros((len(bias), 3), np.int64)
    for channel, scale in enumerate(scale_products(source, weights, output, len(bias))):
        multiplier, shift = quantize_multiplier(scale)
        rows[channel] = bias[channel], multiplier, -shift
    return Constant("requant", "eq_requant", rows, "bias, multiplier (Q31), right shift")


def _call(node: Node, suffix: str, params: dict[str, int | float], last: Constant) -> Call:
    """The kernel call.

    Args:
        params: Besides the geometry.
        last: The requantization or the bias.
    """
    g = geometry(node)
    ctype = "float" if suffix == "f32" else "int8_t"
    arguments, constants = weight_arguments(node, ctype, "OHWI", last, _WEIGHTS)
    return Call(
        "transpose_conv",
        f"eq_transpose_conv_{suffix}",
        f"eq_transpose_conv{'_f32' if suffix == 'f32' else ''}_params",
        {**g, **params},
        (Arg("input", _INPUT), *arguments, OUTPUT),
        constants,
        overlaps=(_overlap(g, element_bytes(node.output())),),
        macs=macs(node),
    )


TRANSPOSE_CONV = OpKind("TRANSPOSE_CONV", lower, ("int8", "int16", "float32"), macs)
