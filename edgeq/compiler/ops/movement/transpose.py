"""TRANSPOSE: a copy with the steps in another order."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import Call, Node, OpKind, require
from edgeq.compiler.ops.shared.movement import (
    ANY_TYPE,
    box,
    contiguous_steps,
    copy_call,
    element_bytes,
    require_same_type,
)


def lower(node: Node) -> Call | None:
    """The copy; None where the order of the bytes stays the same."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    rank = len(source.shape)
    order = [axis % max(rank, 1) for axis in node.integers(1)]
    require(sorted(order) == list(range(rank)), f"{order} is no order of {rank} axes")
    size = element_bytes(source)
    steps = contiguous_steps(source.shape, size)
    shape = tuple(source.shape[axis] for axis in order)
    require(shape == output.shape, f"output {output.shape} should be {shape}")
    return copy_call(box(shape, [steps[axis] for axis in order], size))


TRANSPOSE = OpKind("TRANSPOSE", lower, ANY_TYPE)
