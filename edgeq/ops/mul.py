"""MUL: quantized or of plain numbers."""

from __future__ import annotations

from edgeq.fixedpoint import quantize_multiplier
from edgeq.ops.arithmetic import PAIR, SUFFIXES, plain_call
from edgeq.ops.base import Call, Node, OpKind
from edgeq.ops.broadcast import in_place, pair_shape
from edgeq.ops.movement import require_same_type
from edgeq.ops.quantized import clamp, require_quantized


def lower(node: Node) -> Call:
    """The kernel call for one MUL."""
    a, b, output = node.input(0), node.input(1), node.output()
    if output.dtype not in ("int8", "int16"):
        return plain_call(node, "mul", ("int32", "int64", "float32"))
    require_same_type(a, b, output)
    require_quantized(a, b, output)
    multiplier, shift = quantize_multiplier(a.scale * b.scale / output.scale)
    params = {
        **pair_shape(node),
        "input1_offset": -a.zero_point,
        "input2_offset": -b.zero_point,
        "output_offset": output.zero_point,
        "output_multiplier": multiplier,
        "output_shift": shift,
        **clamp(node),
    }
    return Call(
        "scaled_product",
        f"eq_scaled_product_{SUFFIXES[output.dtype]}",
        "eq_scaled_product_params",
        params,
        PAIR,
        overlaps=in_place(node, 0, 1),
    )


MUL = OpKind("MUL", lower, ("int8", "int16", "int32", "int64", "float32"))
