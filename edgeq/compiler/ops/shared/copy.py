"""COPY, which is no op of TFLite: what control flow and variables need to hand values on."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, OpKind, require


def lower(node: Node) -> Call:
    """The kernel call that copies a tensor as it is."""
    source, output = node.input(0), node.output()
    same = (source.dtype, source.bytes) == (output.dtype, output.bytes)
    require(
        same, f"{source.dtype} {source.shape} cannot be stored as {output.dtype} {output.shape}"
    )
    return Call("copy", "eq_copy", "eq_copy_params", {"size": source.bytes}, (INPUT, OUTPUT))


COPY = OpKind("COPY", lower, ())
