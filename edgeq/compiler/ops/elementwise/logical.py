"""LOGICAL_AND, LOGICAL_OR and LOGICAL_NOT."""

from __future__ import annotations

from functools import partial

from edgeq.compiler.ops.elementwise.arithmetic import PAIR
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, OpKind, Overlap, require
from edgeq.compiler.ops.shared.broadcast import in_place, pair_shape
from edgeq.compiler.ops.shared.movement import require_same_type


def _lower_pair(function: str, node: Node) -> Call:
    require_same_type(node.input(0), node.input(1), node.output())
    require(node.output().dtype == "bool", f"{node.output().dtype} values")
    return Call(
        "logical",
        function,
        "eq_logical_params",
        pair_shape(node),
        PAIR,
        overlaps=in_place(node, 0, 1),
    )


def _lower_not(node: Node) -> Call:
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    require(source.dtype == "bool", f"{source.dtype} values")
    require(source.elements == output.elements, f"shapes {source.shape} and {output.shape}")
    return Call(
        "logical",
        "eq_logical_not",
        "eq_logical_not_params",
        {"size": output.elements},
        (INPUT, OUTPUT),
        overlaps=(Overlap(0),),
    )


LOGICAL_AND = OpKind("LOGICAL_AND", partial(_lower_pair, "eq_logical_and"), ("bool",))
LOGICAL_OR = OpKind("LOGICAL_OR", partial(_lower_pair, "eq_logical_or"), ("bool",))
LOGICAL_NOT = OpKind("LOGICAL_NOT", _lower_not, ("bool",))
