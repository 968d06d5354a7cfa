"""FULLY_CONNECTED: int8 activations and weights, per-tensor or per-channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.fully_connected import lower_dsp
from edgeq.compiler.ops.dsp.fully_connected_wide import lower_wide
from edgeq.compiler.ops.dsp.reasons import why_portable
from edgeq.compiler.ops.host.conv_2d import lower_dense
from edgeq.compiler.ops.mve.fully_connected import lower_mve
from edgeq.compiler.ops.neural.fully_connected_blocks import lower_blocks
from edgeq.compiler.ops.neural.fully_connected_packed import lower_packed
from edgeq.compiler.ops.neural.fully_connected_product import lower_product
from edgeq.compiler.ops.neural.fully_connected_types import lower_other_type
from edgeq.compiler.ops.scalar.cores import core_of
from edgeq.compiler.ops.scalar.fully_connected_rows import lower_rows
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Constant,
    Node,
    OpKind,
    constant_args,
    require,
)
from edgeq.compiler.ops.shared.channels import Channels, fold_channels
from edgeq.compiler.ops.shared.packed import filler
from edgeq.compiler.ops.shared.quantized import (
    INT8_TYPES,
    bias_values,
    check_accumulator,
    clamp,
    layer_bias,
    requant_constant,
    require_quantized,
    smaller,
)
from edgeq.model.fixedpoint import quantize_multiplier


def macs(node: Node) -> int:
    """Multiply-accumulates of one call."""
    return node.output().elements * node.input(1).shape[-1]


def per_tensor_multiplier(node: Node) -> tuple[int, int]:
    """Multiplier and shift (positive is left) of a layer with one weight scale.

    Source: measured against the tflite-micro package of 2026-10-23, which multiplies the scales in
    double precision, with a bias and without; TFLite's older `GetQuantizedConvolutionMultipler`
    did so in float32, which gives another multiplier in its last bits.
    """
    source, weights, output = node.input(0), node.input(1), node.output()
    return quantize_multiplier(source.scale * weights.scale / output.scale)


def _parameters(
    node: Node, shape: dict[str, int], bias: NDArray[np.int64]
) -> tuple[dict[str, int], Constant]:
    """eq_fully_connected_params, and the table of biases or, per channel, of eq_requant rows."""
    source, weights, output = node.input(0), node.input(1), node.output()
    folded = bias - source.zero_point * node.constant(1).astype(np.int64).sum(axis=1)
    multiplier, shift = 0, 0
    if weights.quantization is not None and weights.quantization.per_channel:
        table = requant_constant(node, folded, shape["output_c"])
    else:
        multiplier, shift = per_tensor_multiplier(node)
        table = Constant("bias", "int32_t", folded, "the input's zero point is folded in")
    params = {
        **shape,
        "output_offset": output.zero_point,
        "multiplier": multiplier,
        "shift": shift,
        **clamp(node),
    }
    return params, table


def _lower_fast(
    node: Node, shape: dict[str, int], channels: Channels, limits: dict[str, int]
) -> Call | None:
    """The call of the kernel for this core; None where it has none for this layer."""
    core = core_of(node.isa)
    if node.isa.has("mve"):
        return lower_mve(shape, node, channels, limits, macs(node))
    call = None
    if core is not None:
        call = lower_rows(shape, node, core, channels, limits, macs(node))
    elif node.isa.has("dsp"):
        call = lower_dsp(shape, node, channels, limits, macs(node))
    elif node.isa.has("host"):
        return lower_dense(shape, node, channels, limits, macs(node))
    call = lower_blocks(call, node, core, channels)
    if call is None and node.isa.has("dsp"):
        call = lower_wide(shape, node, channels, limits, macs(node))
    return call


def lower(node: Node) -> Call:
    """The kernel call for one FULLY_CONNECTED."""
    source, weights, output = node.input(0), node.input(1), node.output()
    types = (source.dtype, weights.dtype, output.dtype)
    if weights.data is None and source.dtype == "float32":
        return lower_product(node, None, macs(node))
    if source.dtype == weights.dtype == "int8" and (weights.data is None or weights.zero_point):
        require_quantized(source, weights, output)
        return lower_product(node, per_tensor_multiplier(node), macs(node))
    if types not in INT8_TYPES:
        return lower_other_type(node, macs(node))
    require_quantized(source, weights, output)
    assert weights.quantization is not None
    require(len(weights.shape) == 2, f"weights of shape {weights.shape}")
    output_c, input_c = weights.shape
    require(input_c > 0 and source.elements % input_c == 0, f"input {source.shape}")
    batches = source.elements // input_c
    require(output.elements == batches * output_c, f"output {output.shape}")
    per_channel = weights.quantization.per_channel
    require(not weights.quantization.zero_point.any(), "its weights have a zero point")
    along = not per_channel or weights.quantization.quantized_dimension == 0
    require(along and not (per_channel and weights.dtype == "int4"), "its scales are not per row")
    values = node.constant(1)
    bias = layer_bias(node, output_c) if per_channel else bias_values(node, 2, output_c)
    check_accumulator(values, bias, source.zero_point)
    shape = {
        "batches": source.elements // input_c,
        "input_c": input_c,
        "output_c": output_c,
    }
    limits = clamp(node)
    shared = None if per_channel else per_tensor_multiplier(node)
    channels = fold_channels(node, values, bias, limits, shared=shared)
    call = _lower_fast(node, shape, channels, limits)
    if weights.index in node.packed:
        portable = _parameters(node, shape, bias)
        kept = fold_channels(node, values, bias, limits, shared=shared, filler=filler(values))
        packed = lower_packed(shape, node, kept, portable, limits, macs(node))
        call = smaller(packed, call)
    if call is not None:
        return call
    params, table = _parameters(node, shape, bias)
    return Call(
        "fully_connected",
        f"eq_fully_connected{'_per_channel' * per_channel}_s8",
        "eq_fully_connected_params",
        params,
        (INPUT, *constant_args(2), OUTPUT),
        (Constant("weights", "int8_t", values, "output, input"), table),
        macs=macs(node),
        why_portable=why_portable(node, channels, {}, paired=True),
    )


FULLY_CONNECTED = OpKind("FULLY_CONNECTED", lower, ("int8", "int16", "int4", "float32"), macs)
