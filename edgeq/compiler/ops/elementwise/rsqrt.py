"""RSQRT: int8 as a table, int16 and float32."""

from __future__ import annotations

import math

import numpy as np

from edgeq.compiler.ops.elementwise.float_unary import float_call
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, OpKind, Overlap, require
from edgeq.compiler.ops.shared.lookup import every_value, lookup_call, saturated
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import require_quantized
from edgeq.model.fixedpoint import (
    dtype_range,
    inverse_sqrt,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)

_SHIFT = 20


def lower(node: Node) -> Call:
    """The kernel call for one RSQRT. Source: TFLM `RsqrtEvalQuantized`."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    if source.dtype == "float32":
        return float_call(node, "rsqrt")
    require(source.dtype in ("int8", "int16"), f"{source.dtype} values")
    require_quantized(source, output)
    real = 1.0 / (math.sqrt(source.scale) * output.scale)
    multiplier, shift = quantize_multiplier(real)
    low, high = dtype_range(output.dtype)
    require(-31 <= shift - _SHIFT <= 31, "the scales are too far apart")
    if source.dtype == "int8":
        results = []
        for x in every_value(source) - source.zero_point:
            by, by_shift = inverse_sqrt(max(int(x), 1))
            root = multiply_by_quantized_multiplier(np.int64(1), by, by_shift + _SHIFT)
            y = multiply_by_quantized_multiplier(root, multiplier, shift - _SHIFT)
            # TFLM stops at negative values; here they are as large as those close to 0.
            results.append(int(y) + output.zero_point if x > 0 else high)
        table = saturated(np.asarray(results, np.int64), output)
        return lookup_call(node, table, "1 / sqrt of every input")
    params = {
        "size": output.elements,
        "input_offset": -source.zero_point,
        "output_offset": output.zero_point,
        "output_multiplier": multiplier,
        "output_shift": shift - _SHIFT,
        "activation_min": low,
        "activation_max": high,
    }
    return Call(
        "rsqrt",
        "eq_rsqrt_s16",
        "eq_rsqrt_params",
        params,
        (INPUT, OUTPUT),
        overlaps=(Overlap(0),),
    )


RSQRT = OpKind("RSQRT", lower, ("int8", "int16", "float32"))
