"""ADD with broadcasting, and SUB, of quantized integers of different scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.elementwise.arithmetic import PAIR, SUFFIXES
from edgeq.compiler.ops.shared.base import Call, Node, require
from edgeq.compiler.ops.shared.broadcast import in_place, pair_shape
from edgeq.compiler.ops.shared.lookup import Pairwise, saturated_to, scalar_lookup
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.pairs import lower_sum
from edgeq.compiler.ops.shared.quantized import clamp, require_quantized
from edgeq.model.fixedpoint import multiply_by_quantized_multiplier, quantize_multiplier

_LEFT_SHIFT = {"int8": 20, "int16": 15}


def is_scaled(node: Node) -> bool:
    """Whether the output is a quantized integer of 8 or 16 bits."""
    return node.output().dtype in _LEFT_SHIFT


@dataclass(frozen=True)
class _Scaling:
    """How the reference scales both inputs and their sum: multipliers and shifts (left).

    Source: TFLM `CalculateOpDataAdd` and `CalculateOpDataSub`.
    """

    left_shift: int
    input1: tuple[int, int]
    input2: tuple[int, int]
    output: tuple[int, int]

    @classmethod
    def of(cls, node: Node) -> _Scaling:
        a, b, output = node.input(0), node.input(1), node.output()
        left_shift = _LEFT_SHIFT[output.dtype]
        twice_max = 2 * max(a.scale, b.scale)
        real_out = twice_max / ((1 << left_shift) * output.scale)
        require(real_out < 1, f"an output scale of {output.scale} is too small for the inputs'")
        return cls(
            left_shift,
            quantize_multiplier(a.scale / twice_max),
            quantize_multiplier(b.scale / twice_max),
            quantize_multiplier(real_out),
        )

    def total(self, node: Node, sign: int) -> Pairwise:
        """The op's results before its limits, zero point included."""
        a, b, output = node.input(0), node.input(1), node.output()

        def compute(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
            lifted1, lifted2 = (x - a.zero_point) << self.left_shift, y - b.zero_point
            scaled1 = multiply_by_quantized_multiplier(lifted1, *self.input1)
            scaled2 = multiply_by_quantized_multiplier(lifted2 << self.left_shift, *self.input2)
            raw = multiply_by_quantized_multiplier(scaled1 + sign * scaled2, *self.output)
            return raw + output.zero_point

        return compute


def results(node: Node) -> Pairwise:
    """What the reference gives for a sum, before its limits, zero point included."""
    return _Scaling.of(node).total(node, 1)


def lower_pairs(node: Node, sign: int) -> Call | None:
    """The call of the kernel that a core has for sums, where the layer suits it."""
    if node.output().dtype != "int8" or not (node.isa.has("dsp") or node.isa.has("host")):
        return None
    return lower_sum(node, sign, _Scaling.of(node).total(node, sign), clamp(node))


def lower(node: Node, sign: int) -> Call:
    """The kernel call for the sum, or with a negative sign the difference."""
    a, b, output = node.input(0), node.input(1), node.output()
    require_same_type(a, b, output)
    require_quantized(a, b, output)
    scaling = _Scaling.of(node)
    limits = clamp(node)
    compute = scaling.total(node, sign)
    fast = scalar_lookup(node, lambda x, y: saturated_to(limits, compute(x, y))) or lower_pairs(
        node, sign
    )
    if fast is not None:
        return fast
    params = {
        **pair_shape(node),
        "input1_offset": -a.zero_point,
        "input1_multiplier": scaling.input1[0],
        "input1_shift": scaling.input1[1],
        "input2_offset": -b.zero_point,
        "input2_multiplier": scaling.input2[0],
        "input2_shift": scaling.input2[1],
        "sign": sign,
        "left_shift": scaling.left_shift,
        "output_offset": output.zero_point,
        "output_multiplier": scaling.output[0],
        "output_shift": scaling.output[1],
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
