"""SIGN: -1, 0 or 1, of float32 or int32."""

from __future__ import annotations

from edgeq.compiler.ops.elementwise.float_unary import float_call
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, OpKind, Overlap, require
from edgeq.compiler.ops.shared.movement import require_same_type


def lower(node: Node) -> Call:
    """The kernel call for one SIGN, which TFLM does not have. Source: TFLite `sign.cc`."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    if source.dtype == "float32":
        return float_call(node, "sign")
    require(source.dtype == "int32", f"{source.dtype} values (there are int32, float32)")
    require(source.elements == output.elements, f"shapes {source.shape} and {output.shape}")
    return Call(
        "sign",
        "eq_sign_i32",
        "eq_sign_params",
        {"size": output.elements},
        (INPUT, OUTPUT),
        overlaps=(Overlap(0),),
    )


SIGN = OpKind("SIGN", lower, ("int32", "float32"))
