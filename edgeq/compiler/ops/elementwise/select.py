"""SELECT and SELECT_V2: elements of one input or the other, by a condition."""

from __future__ import annotations

import math

from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Node, OpKind, require
from edgeq.compiler.ops.shared.broadcast import in_place, merged
from edgeq.compiler.ops.shared.movement import ANY_TYPE, element_bytes, require_same_type


def _lower(node: Node, condition: tuple[int, ...]) -> Call:
    """The kernel call.

    Args:
        condition: Shape to take the condition for.
    """
    x, y, output = node.input(1), node.input(2), node.output()
    require(node.input(0).dtype == "bool", f"a {node.input(0).dtype} condition")
    require_same_type(x, y, output)
    shapes = [condition, x.shape, y.shape]
    if all(math.prod(shape) == 1 for shape in (*shapes, output.shape)):
        shapes = [(), (), ()]  # however many axes they have
    sizes, steps = merged(shapes, output.shape)
    params = {"size": sizes, "condition_step": steps[0], "step1": steps[1], "step2": steps[2]}
    return Call(
        "select",
        f"eq_select_{8 * element_bytes(output)}",
        "eq_select_params",
        params,
        (Arg("input", 0), Arg("input", 1), Arg("input", 2), OUTPUT),
        overlaps=in_place(node, 0, 1, 2),
    )


def lower_select(node: Node) -> Call:
    """The kernel call for one SELECT, whose condition may be one value per first index."""
    condition, output = node.input(0).shape, node.output().shape
    if len(condition) == 1 and condition[0] == (*output, 1)[0]:
        condition = condition + (1,) * (len(output) - 1)
    return _lower(node, condition)


def lower_select_v2(node: Node) -> Call:
    """The kernel call for one SELECT_V2."""
    return _lower(node, node.input(0).shape)


SELECT = OpKind("SELECT", lower_select, ANY_TYPE)
SELECT_V2 = OpKind("SELECT_V2", lower_select_v2, ANY_TYPE)
