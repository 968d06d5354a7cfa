"""Ops of one value that are defined on reals: ABS, EXP, SQRT and their like."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, OpKind, Overlap, require
from edgeq.compiler.ops.shared.lookup import lookup_call, transformed
from edgeq.compiler.ops.shared.movement import require_same_type


def float_call(node: Node, name: str, alpha: float = 0.0) -> Call:
    """The kernel call for one float32 op of one value.

    Args:
        name: "exp", "tanh", ...
        alpha: Slope for negative values (LEAKY_RELU).
    """
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    require(source.dtype == "float32", f"{source.dtype} values")
    require(source.elements == output.elements, f"shapes {source.shape} and {output.shape}")
    return Call(
        "float_unary",
        f"eq_{name}_f32",
        "eq_float_unary_params",
        {"size": output.elements, **({"alpha": alpha} if alpha else {})},
        (INPUT, OUTPUT),
        overlaps=(Overlap(0),),
    )


def _lower(name: str, function: Callable[[float], float] | None, node: Node) -> Call:
    if function is None or node.input(0).dtype != "int8":
        return float_call(node, name)
    require_same_type(node.input(0), node.output())
    return lookup_call(node, transformed(node, function), f"{name} of every input")


def _kind(name: str, function: Callable[[float], float] | None = None) -> OpKind:
    types = ("float32",) if function is None else ("int8", "float32")
    return OpKind(name, partial(_lower, name.lower(), function), types)


def _exp(x: float) -> float:
    return math.exp(min(x, 88.0))


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


CEIL = _kind("CEIL")
COS = _kind("COS")
EXP = _kind("EXP", _exp)
FLOOR = _kind("FLOOR")
LOG = _kind("LOG", _log)
NEG = _kind("NEG")
ROUND = _kind("ROUND")
SIN = _kind("SIN")
SQRT = _kind("SQRT")
SQUARE = _kind("SQUARE")
