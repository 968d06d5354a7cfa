"""SUB: quantized or of plain numbers."""

from __future__ import annotations

from edgeq.compiler.ops.elementwise import scaled_sum
from edgeq.compiler.ops.elementwise.arithmetic import plain_call
from edgeq.compiler.ops.shared.base import Call, Node, OpKind


def lower(node: Node) -> Call:
    """The kernel call for one SUB."""
    if scaled_sum.is_scaled(node):
        return scaled_sum.lower(node, -1)
    return plain_call(node, "sub", ("int32", "int64", "float32"))


SUB = OpKind("SUB", lower, ("int8", "int16", "int32", "int64", "float32"))
