"""Ops that only give memory another shape: no code, the output is the input's memory."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import Node, OpKind, require


def lower(node: Node) -> None:
    """No call; checks that the output is nothing but the input's bytes."""
    source, output = node.input(0), node.output()
    require(source.bytes == output.bytes, f"{source.shape} cannot become {output.shape}")
    require(source.dtype == output.dtype, f"{source.dtype} cannot become {output.dtype}")


_ANY = ("int8", "uint8", "int16", "int32", "int64", "bool", "float32")

RESHAPE = OpKind("RESHAPE", lower, _ANY)
SQUEEZE = OpKind("SQUEEZE", lower, _ANY)
EXPAND_DIMS = OpKind("EXPAND_DIMS", lower, _ANY)
