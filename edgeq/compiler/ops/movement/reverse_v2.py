"""REVERSE_V2: a copy with negative steps."""

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
    """The copy; None where the reversed axes have one element."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    size = element_bytes(source)
    steps = contiguous_steps(source.shape, size)
    start = 0
    for axis in {axis % len(source.shape) for axis in node.integers(1)}:
        start += (source.shape[axis] - 1) * steps[axis]
        steps[axis] = -steps[axis]
    require(source.shape == output.shape, f"output {output.shape} should be {source.shape}")
    return copy_call(box(source.shape, steps, size, input_start=start))


REVERSE_V2 = OpKind("REVERSE_V2", lower, ANY_TYPE)
