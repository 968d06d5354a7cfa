"""PRELU: quantized with int8 alphas, or float32."""

from __future__ import annotations

from edgeq.compiler.ops.elementwise.arithmetic import PAIR, SUFFIXES
from edgeq.compiler.ops.shared.base import Call, Node, OpKind, require
from edgeq.compiler.ops.shared.broadcast import in_place, pair_shape
from edgeq.compiler.ops.shared.quantized import require_quantized
from edgeq.model.fixedpoint import dtype_range, quantize_multiplier


def lower(node: Node) -> Call:
    """The kernel call for one PRELU. Source: TFLM `CalculatePreluParams`."""
    source, alpha, output = node.input(0), node.input(1), node.output()
    types = (source.dtype, alpha.dtype, output.dtype)
    if types == ("float32",) * 3:
        return _call(node, "eq_prelu_f32_params", {})
    require(types in (("int8",) * 3, ("int16", "int8", "int16")), f"types {types}")
    require_quantized(source, alpha, output)
    positive, positive_shift = quantize_multiplier(source.scale / output.scale)
    negative, negative_shift = quantize_multiplier(source.scale * alpha.scale / output.scale)
    low, high = dtype_range(output.dtype)
    params = {
        "input_offset": -source.zero_point,
        "alpha_offset": -alpha.zero_point,
        "output_offset": output.zero_point,
        "positive_multiplier": positive,
        "positive_shift": positive_shift,
        "negative_multiplier": negative,
        "negative_shift": negative_shift,
        "activation_min": low,
        "activation_max": high,
    }
    return _call(node, "eq_prelu_params", params)


def _call(node: Node, params_type: str, params: dict[str, int]) -> Call:
    return Call(
        "prelu",
        f"eq_prelu_{SUFFIXES[node.output().dtype]}",
        params_type,
        {**pair_shape(node), **params},
        PAIR,
        overlaps=in_place(node, 0),
    )


PRELU = OpKind("PRELU", lower, ("int8", "int16", "float32"))
