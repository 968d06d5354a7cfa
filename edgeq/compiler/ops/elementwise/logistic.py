"""LOGISTIC and TANH: int8 as a table, int16, float32."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.elementwise.float_unary import float_call
from edgeq.compiler.ops.shared.base import Call, Node, OpKind, require
from edgeq.compiler.ops.shared.lookup import every_value, lookup_call, saturated
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import require_quantized
from edgeq.compiler.ops.shared.sigmoid_s16 import lower_s16
from edgeq.model import fixedpoint
from edgeq.model.fixedpoint import multiply_by_quantized_multiplier, rounding_divide_by_pot
from edgeq.model.graph import Tensor

_INTEGER_BITS = 4
Curve = Callable[[NDArray[np.int64], int], NDArray[np.int64]]


def curve(source: Tensor, output: Tensor, function: Curve, bits: int) -> NDArray[np.int64]:
    """A curve that saturates at both ends, for every int8 value.

    Args:
        function: From Q4.27 to Q0.31.
        bits: Right shift from Q0.31 to the output's scale.

    Source: TFLM's LogisticPrepare and TanhPrepare, and the reference kernels.
    """
    fraction, shift = math.frexp(source.scale * (1 << (31 - _INTEGER_BITS)))
    require(shift >= -31, f"an input scale of {source.scale} is too small")
    multiplier = fixedpoint.round_half_away(fraction * (1 << 31))
    radius = ((1 << _INTEGER_BITS) - 1) * 2.0 ** (31 - _INTEGER_BITS - shift)
    x = every_value(source) - source.zero_point
    inside = np.abs(x) < math.floor(radius)
    scaled = multiply_by_quantized_multiplier(np.where(inside, x, 0), multiplier, shift)
    zero = -128 if function is fixedpoint.logistic else 0
    y = saturated(rounding_divide_by_pot(function(scaled, _INTEGER_BITS), bits) + zero, output)
    return np.where(inside, y, np.where(x > 0, 127, -128))


def lower_logistic(node: Node) -> Call:
    """The kernel call for one LOGISTIC."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    if source.dtype == "float32":
        return float_call(node, "logistic")
    if source.dtype == "int16":
        return lower_s16(node, "logistic")
    require(source.dtype == "int8", f"{source.dtype} values")
    require_quantized(source, output)
    require(output.zero_point == -128, f"an output zero point of {output.zero_point}")
    results = curve(source, output, fixedpoint.logistic, 23)
    return lookup_call(node, results, "logistic of every input")


def lower_tanh(node: Node) -> Call:
    """The kernel call for one TANH."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    if source.dtype == "float32":
        return float_call(node, "tanh")
    if source.dtype == "int16":
        return lower_s16(node, "tanh")
    require(source.dtype == "int8", f"{source.dtype} values")
    require_quantized(source, output)
    return lookup_call(node, curve(source, output, fixedpoint.tanh, 24), "tanh of every input")


LOGISTIC = OpKind("LOGISTIC", lower_logistic, ("int8", "int16", "float32"))
TANH = OpKind("TANH", lower_tanh, ("int8", "int16", "float32"))
