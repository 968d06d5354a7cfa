"""SQUARED_DIFFERENCE: quantized or of plain numbers."""

from __future__ import annotations

from edgeq.compiler.ops.elementwise.arithmetic import PAIR, SUFFIXES, plain_call
from edgeq.compiler.ops.shared.base import Call, Node, OpKind
from edgeq.compiler.ops.shared.broadcast import in_place, pair_shape
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import clamp, require_quantized
from edgeq.model.fixedpoint import quantize_multiplier

_LEFT_SHIFT = {"int8": 7, "int16": 0}


def lower(node: Node) -> Call:
    """The kernel call for one SQUARED_DIFFERENCE.

    Source: TFLM `SquaredDifferencePrepare`.
    """
    a, b, output = node.input(0), node.input(1), node.output()
    left = _LEFT_SHIFT.get(output.dtype)
    if left is None:
        return plain_call(node, "squared_difference", ("int32", "float32"))
    require_same_type(a, b, output)
    require_quantized(a, b, output)
    twice_max = 2 * max(a.scale, b.scale)
    multiplier1, shift1 = quantize_multiplier(a.scale / twice_max)
    multiplier2, shift2 = quantize_multiplier(b.scale / twice_max)
    real = twice_max * twice_max / ((1 << 2 * left) * output.scale)
    multiplier, shift = quantize_multiplier(real)
    params = {
        **pair_shape(node),
        "input1_offset": -a.zero_point,
        "input1_multiplier": multiplier1,
        "input1_shift": shift1,
        "input2_offset": -b.zero_point,
        "input2_multiplier": multiplier2,
        "input2_shift": shift2,
        "left_shift": left,
        "output_offset": output.zero_point,
        "output_multiplier": multiplier,
        "output_shift": shift,
        **clamp(node),
    }
    return Call(
        "squared_difference",
        f"eq_squared_difference_{SUFFIXES[output.dtype]}",
        "eq_squared_difference_params",
        params,
        PAIR,
        overlaps=in_place(node, 0, 1),
    )


SQUARED_DIFFERENCE = OpKind("SQUARED_DIFFERENCE", lower, ("int8", "int16", "int32", "float32"))
