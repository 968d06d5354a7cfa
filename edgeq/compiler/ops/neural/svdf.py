"""SVDF: int8 with int8 or int16 state, and float32."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    ParamValue,
    constant_args,
    require,
)
from edgeq.compiler.ops.shared.float32 import float_bias, float_clamp
from edgeq.compiler.ops.shared.quantized import bias_values, check_accumulator, require_quantized
from edgeq.model.fixedpoint import dtype_range, quantize_multiplier

_STATE = 4
_CURVES = {4: 1, 5: 2}  # TANH and SIGN_BIT, which no other op has
_ARGS = (INPUT, *constant_args(3), Arg("state", _STATE), OUTPUT)


def geometry(node: Node) -> dict[str, ParamValue]:
    """The shape fields of eq_svdf_params."""
    source, features, time = node.input(0), node.input(1), node.input(2)
    state, output, rank = node.input(_STATE), node.output(), node.option("rank")
    require(all(len(t.shape) == 2 for t in (source, features, time)), "shapes of two axes needed")
    batches, input_c = source.shape
    filters, memory = time.shape
    require(0 < rank <= filters and filters % rank == 0, f"rank {rank} of {filters} filters")
    require(features.shape == (filters, input_c), f"features of shape {features.shape}")
    require(output.shape == (batches, filters // rank), f"output of shape {output.shape}")
    require(state.is_variable, "its state must be a variable tensor")
    require(state.elements == batches * filters * memory, f"state of shape {state.shape}")
    return {
        "batches": batches,
        "input_c": input_c,
        "units": filters // rank,
        "rank": rank,
        "memory": memory,
    }


def macs(node: Node) -> int:
    """Multiply-accumulates of one call."""
    batches = node.input(0).shape[0]
    return batches * (node.input(1).elements + node.input(2).elements)


def _float32(node: Node, extent: dict[str, ParamValue]) -> Call:
    tensors = [node.input(i) for i in (0, 1, 2, _STATE)]
    require(all(t.dtype == "float32" for t in tensors), "types")
    curve = _CURVES.get(node.option("fused_activation_function"), 0)
    limits = {"activation_min": 0.0, "activation_max": 0.0} if curve else float_clamp(node)
    return Call(
        "svdf_f32",
        "eq_svdf_f32",
        "eq_svdf_f32_params",
        {**extent, **limits, "curve": curve},
        _ARGS,
        (
            Constant("features", "float", node.constant(1)),
            Constant("time", "float", node.constant(2)),
            float_bias(node, 3, node.output().shape[1]),
        ),
        macs=macs(node),
    )


def lower(node: Node) -> Call:
    """The kernel call for one SVDF.

    Source: TFLM svdf_common.cc, which multiplies the scales in float32.
    """
    source, features, time = node.input(0), node.input(1), node.input(2)
    state, output = node.input(_STATE), node.output()
    extent = geometry(node)
    if source.dtype == "float32":
        return _float32(node, extent)
    types = (source.dtype, features.dtype, time.dtype, state.dtype, output.dtype)
    kind = state.dtype
    require(kind in ("int8", "int16"), f"{kind} state")
    require(types == ("int8", "int8", kind, kind, "int8"), f"types {types}")
    require_quantized(source, features, time, state, output)
    single = np.float32
    with np.errstate(all="ignore"):  # what is no number is refused as a multiplier
        first = single(source.scale) * single(features.scale) / single(state.scale)
        second = single(state.scale) * single(time.scale) / single(output.scale)
    feature_multiplier, feature_shift = quantize_multiplier(float(first))
    output_multiplier, output_shift = quantize_multiplier(float(second))
    units = output.shape[1]
    bias = bias_values(node, 3, units)
    check_accumulator(node.constant(1), np.zeros(1, np.int64), source.zero_point)
    require(kind == "int8" or state.zero_point == 0, "an int16 state has no zero point")
    low, high = dtype_range(kind)
    return Call(
        "svdf",
        "eq_svdf_s8" if kind == "int8" else "eq_svdf_s16",
        "eq_svdf_params",
        {
            **extent,
            "input_offset": -source.zero_point,
            "state_zero_point": state.zero_point,
            "feature_multiplier": feature_multiplier,
            "feature_shift": feature_shift,
            "output_multiplier": output_multiplier,
            "output_shift": output_shift,
            "output_offset": output.zero_point,
            "state_min": low,
            "state_max": high,
        },
        _ARGS,
        (
            Constant("features", "int8_t", node.constant(1), "filter, input"),
            Constant("time", "int8_t" if kind == "int8" else "int16_t", node.constant(2)),
            Constant("bias", "int32_t", bias),
        ),
        macs=macs(node),
    )


SVDF = OpKind("SVDF", lower, ("int8", "float32"), macs)
