"""ABS: quantized or float32."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.elementwise.float_unary import float_call
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, OpKind, Overlap, require
from edgeq.compiler.ops.shared.lookup import every_value, lookup_call, saturated
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import require_quantized
from edgeq.model.fixedpoint import (
    dtype_range,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)

# What a multiplication by one is: 2**30 with a shift of one to the left.
_ONE = (1 << 30, 1)


def lower(node: Node) -> Call:
    """The kernel call for one ABS. Source: TFLM `AbsEvalQuantized`."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    if source.dtype == "float32":
        return float_call(node, "abs")
    require(source.dtype in ("int8", "int16"), f"{source.dtype} values")
    plain = source.dtype == "int16" and source.quantization is None
    if not plain:
        require_quantized(source, output)
    multiplier, shift = _ONE
    if not plain and source.scale != output.scale:
        multiplier, shift = quantize_multiplier(source.scale / output.scale)
    if source.dtype == "int8":
        x = np.abs(every_value(source) - source.zero_point)
        y = multiply_by_quantized_multiplier(x, multiplier, shift) + output.zero_point
        return lookup_call(node, saturated(y, output), "ABS of every input")
    low, high = dtype_range("int16")
    params = {
        "size": output.elements,
        "input_offset": 0 if plain else -source.zero_point,
        "output_offset": 0 if plain else output.zero_point,
        "positive_multiplier": multiplier,
        "positive_shift": shift,
        "activation_min": low,
        "activation_max": high + plain,
    }
    return Call(
        "piecewise",
        "eq_abs_s16",
        "eq_piecewise_params",
        params,
        (INPUT, OUTPUT),
        overlaps=(Overlap(0),),
    )


ABS = OpKind("ABS", lower, ("int8", "int16", "float32"))
