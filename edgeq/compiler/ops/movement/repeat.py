"""TILE and BROADCAST_TO: copies that read the same bytes again."""

from __future__ import annotations

import math

from edgeq.compiler.ops.shared.base import Call, Node, OpKind, require
from edgeq.compiler.ops.shared.movement import (
    ANY_TYPE,
    box,
    contiguous_steps,
    copy_call,
    element_bytes,
    require_same_type,
)


def lower_broadcast_to(node: Node) -> Call | None:
    """The copy of one BROADCAST_TO; None where the shape has as many elements as before."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    size = element_bytes(source)
    missing = len(output.shape) - len(source.shape)
    require(missing >= 0, f"{source.shape} has more axes than {output.shape}")
    shape = (1,) * missing + source.shape
    steps = contiguous_steps(shape, size)
    for axis, (have, want) in enumerate(zip(shape, output.shape, strict=True)):
        require(have in (1, want), f"{source.shape} does not spread to {output.shape}")
        steps[axis] = steps[axis] if have == want else 0
    return copy_call(box(output.shape, steps, size))


def lower_tile(node: Node) -> Call | None:
    """The copy of one TILE; None where nothing is repeated."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    size = element_bytes(source)
    counts = node.integers(1)
    require(len(counts) == len(source.shape), f"{len(counts)} counts for {source.shape}")
    sizes, steps = [], []
    axes = zip(source.shape, contiguous_steps(source.shape, size), counts, strict=True)
    for length, step, count in axes:
        sizes += [count, length]
        steps += [0, step]
    require(math.prod(sizes) == output.elements, f"output {output.shape} does not fit {counts}")
    return copy_call(box(sizes, steps, size))


BROADCAST_TO = OpKind("BROADCAST_TO", lower_broadcast_to, (*ANY_TYPE, "uint32", "uint64"))
TILE = OpKind("TILE", lower_tile, ANY_TYPE)
