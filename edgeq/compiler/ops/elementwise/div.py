"""DIV: int8 or of plain numbers."""

from __future__ import annotations

from edgeq.compiler.ops.elementwise.arithmetic import PAIR, plain_call
from edgeq.compiler.ops.shared.base import Call, Node, OpKind, require
from edgeq.compiler.ops.shared.broadcast import in_place, pair_shape
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import clamp, require_quantized
from edgeq.model.fixedpoint import quantize_multiplier


def lower(node: Node) -> Call:
    """The kernel call for one DIV."""
    a, b, output = node.input(0), node.input(1), node.output()
    if output.dtype != "int8":
        return plain_call(node, "div", ("int32", "float32"))
    require_same_type(a, b, output)
    require_quantized(a, b, output)
    multiplier, shift = quantize_multiplier(a.scale / (b.scale * output.scale))
    require(multiplier > 0, f"an input scale of {a.scale} is too small")
    params = {
        **pair_shape(node),
        "input1_offset": -a.zero_point,
        "input2_offset": -b.zero_point,
        "output_offset": output.zero_point,
        "output_multiplier": multiplier,
        "output_shift": shift,
        **clamp(node),
    }
    return Call("div", "eq_div_s8", "eq_div_params", params, PAIR, overlaps=in_place(node, 0, 1))


DIV = OpKind("DIV", lower, ("int8", "int32", "float32"))
