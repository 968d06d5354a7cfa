"""CONV_2D: int8 activations and weights, per-channel or per-tensor, grouped or dilated."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp import conv_2d_s16 as dsp_s16
from edgeq.compiler.ops.dsp.conv_2d import PIXELS, lower_dsp
from edgeq.compiler.ops.dsp.conv_2d_eight import lower_eight
from edgeq.compiler.ops.dsp.int16_channels import INT16_TYPES
from edgeq.compiler.ops.dsp.reasons import why_portable
from edgeq.compiler.ops.fpu import conv_2d_f32 as fpu_f32
from edgeq.compiler.ops.fpu.groups import FLOAT_TYPES
from edgeq.compiler.ops.host.conv_2d import lower_host
from edgeq.compiler.ops.host.conv_2d_winograd import lower_winograd
from edgeq.compiler.ops.host.float32 import lower_f32
from edgeq.compiler.ops.mve.conv_2d import PIXELS as TILE_PIXELS
from edgeq.compiler.ops.mve.conv_2d import lower_mve
from edgeq.compiler.ops.mve.conv_2d_s16 import lower_s16 as lower_mve_s16
from edgeq.compiler.ops.neural.conv_2d_packed import lower_packed
from edgeq.compiler.ops.neural.convolution_types import (
    lower_other_type,
    weight_arguments,
    weight_values,
)
from edgeq.compiler.ops.scalar.conv_2d_columns import lower_columns
from edgeq.compiler.ops.scalar.cores import core_of
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Constant,
    Node,
    OpKind,
    Overlap,
    overlap_distance,
    require,
)
from edgeq.compiler.ops.shared.channels import fold_channels
from edgeq.compiler.ops.shared.packed import filler
from edgeq.compiler.ops.shared.quantized import (
    INT8_TYPES,
    check_accumulator,
    clamp,
    layer_bias,
    requant_constant,
)
from edgeq.compiler.ops.shared.windows import image_shape, image_sizes, sliding


def geometry(node: Node) -> dict[str, int]:
    """The shape fields of eq_conv_2d_params."""
    sizes = image_sizes(node)
    input_c, output_c = sizes["input_c"], node.output().shape[3]
    filters, filter_h, filter_w, filter_c = image_shape(node.input(1))
    require(filters == output_c, f"{filters} filters for {output_c} output channels")
    require(filter_c > 0 and input_c % filter_c == 0, f"{input_c} channels, filters of {filter_c}")
    require(output_c % (input_c // filter_c) == 0, f"{output_c} channels do not form the groups")
    return {
        **sizes,
        "output_c": output_c,
        "filter_h": filter_h,
        "filter_w": filter_w,
        "filter_c": filter_c,
        **sliding(node, filter_h, filter_w),
    }


def macs(node: Node) -> int:
    """Multiply-accumulates, taps in the padding counted as well."""
    g = geometry(node)
    taps = g["filter_h"] * g["filter_w"] * g["filter_c"]
    return g["batches"] * g["output_h"] * g["output_w"] * g["output_c"] * taps


def overlap(g: dict[str, int], pixels: int, *, buffered: bool) -> Overlap:
    """How far the input must lie behind the output when pixels are made in raster order.

    Args:
        g: Geometry.
        pixels: Output pixels made in one step, fewer at the end of an image.
        buffered: Whether a step's inputs are copied before its outputs are written.
    """
    image_bytes = g["input_h"] * g["input_w"] * g["input_c"]
    count = g["output_h"] * g["output_w"]
    index = np.arange(g["batches"] * count)
    batch, place = index // count, index % count
    y = place // g["output_w"] * g["stride_h"] - g["pad_top"]
    x = place % g["output_w"] * g["stride_w"] - g["pad_left"]
    first_y = np.clip(y, 0, g["input_h"] - 1)
    first_x = np.clip(x, 0, g["input_w"] - 1)
    read_low = batch * image_bytes + (first_y * g["input_w"] + first_x) * g["input_c"]
    write_end = (index + 1) * g["output_c"]
    # A step never holds pixels of two images.
    starts = np.flatnonzero(place % pixels == 0)
    lows = np.minimum.reduceat(read_low, starts)
    ends = np.maximum.reduceat(write_end, starts)
    return Overlap(0, overlap_distance(lows, ends, buffered=buffered))


def lower(node: Node) -> Call:
    """The kernel call for one CONV_2D."""
    source, weights, output = node.input(0), node.input(1), node.output()
    types = (source.dtype, weights.dtype, output.dtype)
    g = geometry(node)
    values = weight_values(node)
    if types not in INT8_TYPES:
        return _lower_other(node, g, values.reshape(g["output_c"], -1))
    bias = layer_bias(node, g["output_c"])
    check_accumulator(values.reshape(g["output_c"], -1), bias, source.zero_point)
    requant = requant_constant(node, bias, g["output_c"])
    limits = clamp(node)
    call = None if weights.data is None else _lower_fast(node, g, bias, requant, limits)
    if call is not None:
        return call
    arguments, constants = weight_arguments(node, "int8_t", "OHWI", requant)
    return Call(
        "conv_2d",
        "eq_conv_2d_s8",
        "eq_conv_2d_params",
        {
            **g,
            "input_offset": -source.zero_point,
            "output_offset": output.zero_point,
            **limits,
        },
        (INPUT, *arguments, OUTPUT),
        constants,
        overlaps=(overlap(g, 1, buffered=False),),
        macs=macs(node),
        why_portable=why_portable(
            node,
            fold_channels(node, values.reshape(g["output_c"], -1), bias, limits),
            g,
            paired=True,
        ),
    )


def _lower_other(node: Node, g: dict[str, int], by_channel: NDArray[Any]) -> Call:
    """The call for activations other than int8; `by_channel` is (channels, taps)."""
    types = (node.input(0).dtype, node.input(1).dtype, node.output().dtype)
    why = ""
    if types == INT16_TYPES:
        rule = overlap(g, TILE_PIXELS, buffered=True)
        call = lower_mve_s16(g, node, by_channel, rule, macs(node))
        if call is not None:
            return call
        rule = overlap(g, dsp_s16.PIXELS, buffered=True)
        call = dsp_s16.lower_s16(g, node, by_channel, rule, macs(node))
        if call is not None:
            return call
        why = dsp_s16.why_portable(node, g)
    if types == FLOAT_TYPES:
        rule = overlap(g, fpu_f32.PIXELS, buffered=True)
        call = fpu_f32.lower_f32(g, node, rule, macs(node)) or lower_f32(g, node, macs(node))
        if call is not None:
            return call
    behind = overlap(g, 1, buffered=False)
    return lower_other_type(node, "conv_2d", g, by_channel, behind, macs(node), why)


def _lower_fast(
    node: Node,
    g: dict[str, int],
    bias: NDArray[np.int64],
    requant: Constant,
    limits: dict[str, int],
) -> Call | None:
    """The call of the kernel for this core; None where it has none for this layer."""
    weights, values = node.input(1), node.constant(1)
    channels = fold_channels(node, values.reshape(g["output_c"], -1), bias, limits)
    core = core_of(node.isa)
    call = None
    if weights.index in node.packed:
        by_channel = values.reshape(g["output_c"], -1)
        kept = fold_channels(node, by_channel, bias, limits, filler=filler(values))
        rules = partial(overlap, g)
        call = lower_packed(g, node, kept, requant, limits, rules, macs(node))
    if call is not None:
        return call
    if node.isa.has("mve"):
        rule = overlap(g, TILE_PIXELS, buffered=True)
        call = lower_mve(g, node, channels, limits, rule, macs(node))
    if call is not None:
        return call
    if node.isa.has("dsp"):
        rules = partial(overlap, g, buffered=True)
        call = lower_eight(g, node, channels, limits, rules, macs(node))
        if call is not None:
            return call
        return lower_dsp(g, node, channels, limits, overlap(g, PIXELS, buffered=True), macs(node))
    if core is not None:
        rule = overlap(g, core.pixels, buffered=True)
        return lower_columns(g, node, core, channels, limits, rule, macs(node))
    if node.isa.has("host"):
        call = lower_winograd(g, node, channels, limits, macs(node))
        return call or lower_host(g, node, channels, limits, macs(node))
    return None


CONV_2D = OpKind("CONV_2D", lower, ("int8", "int16", "int4", "float32"), macs)
