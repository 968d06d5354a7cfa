"""CAST: from one type of numbers to another."""

from __future__ import annotations

from edgeq.compiler.ops.elementwise.arithmetic import SUFFIXES
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, OpKind, require
from edgeq.compiler.ops.shared.broadcast import in_place

_TYPES = (*SUFFIXES, "uint32")


def lower(node: Node) -> Call | None:
    """The kernel call for one CAST; None from a type to itself."""
    source, output = node.input(0), node.output()
    require(source.elements == output.elements, f"shapes {source.shape} and {output.shape}")
    require(source.dtype in _TYPES, f"from {source.dtype}")
    require(output.dtype in _TYPES, f"to {output.dtype}")
    if source.dtype == output.dtype:
        return None
    names = [SUFFIXES.get(tensor.dtype, "u32") for tensor in (source, output)]
    return Call(
        "cast",
        f"eq_cast_{names[0]}_{names[1]}",
        "eq_cast_params",
        {"size": output.elements},
        (INPUT, OUTPUT),
        overlaps=in_place(node, 0),
    )


CAST = OpKind("CAST", lower, _TYPES)
