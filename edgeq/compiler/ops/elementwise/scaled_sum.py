"""ADD with broadcasting, and SUB, of quantized integers of different scales."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.elementwise.arithmetic import PAIR, SUFFIXES
from edgeq.compiler.ops.shared.base import Call, Node, require
from edgeq.compiler.ops.shared.broadcast import in_place, pair_shape
from edgeq.compiler.ops.shared.lookup import saturated_to, scalar_lookup
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import clamp, require_quantized
from edgeq.model.fixedpoint import multiply_by_quantized_multiplier, quantize_multiplier

_LEFT_SHIFT = {"int8": 20, "int16": 15}


def is_scaled(node: Node) -> bool:
    """Whether the output is a quantized integer of 8 or 16 bits."""
    return node.output().dtype in _LEFT_SHIFT


def lower(node: Node, sign: int) -> Call:
    """The kernel call for the sum, or with a negative sign the difference.

    Source: TFLM `CalculateOpDataAdd` and `CalculateOpDataSub`.
    """
    a, b, output = node.input(0), node.input(1), node.output()
    require_same_type(a, b, output)
    require_quantized(a, b, output)
    left_shift = _LEFT_SHIFT[output.dtype]
    twice_max = 2 * max(a.scale, b.scale)
    real_out = twice_max / ((1 << left_shift) * output.scale)
    require(real_out < 1, f"an output scale of {output.scale} is too small for the inputs'")
    multiplier1, shift1 = quantize_multiplier(a.scale / twice_max)
    multiplier2, shift2 = quantize_multiplier(b.scale / twice_max)
    multiplier, shift = quantize_multiplier(real_out)
    limits = clamp(node)

    def total(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
        lifted1, lifted2 = (x - a.zero_point) << left_shift, (y - b.zero_point) << left_shift
        scaled1 = multiply_by_quantized_multiplier(lifted1, multiplier1, shift1)
        scaled2 = multiply_by_quantized_multiplier(lifted2, multiplier2, shift2)
        raw = multiply_by_quantized_multiplier(scaled1 + sign * scaled2, multiplier, shift)
        return saturated_to(limits, raw + output.zero_point)

    table = scalar_lookup(node, total)
    if table is not None:
        return table
    params = {
        **pair_shape(node),
        "input1_offset": -a.zero_point,
        "input1_multiplier": multiplier1,
        "input1_shift": shift1,
        "input2_offset": -b.zero_point,
        "input2_multiplier": multiplier2,
        "input2_shift": shift2,
        "sign": sign,
        "left_shift": left_shift,
        "output_offset": output.zero_point,
        "output_multiplier": multiplier,
        "output_shift": shift,
        **limits,
    }
    return Call(
        "scaled_sum",
        f"eq_scaled_sum_{SUFFIXES[output.dtype]}",
        "eq_scaled_sum_params",
        params,
        PAIR,
        overlaps=in_place(node, 0, 1),
    )
