"""DYNAMIC_UPDATE_SLICE: a tensor with a part of it replaced."""

from __future__ import annotations

import math

from edgeq.compiler.ops.movement.slice import slice_params, start_type
from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Node, OpKind, Overlap, require
from edgeq.compiler.ops.shared.movement import (
    ANY_TYPE,
    box,
    contiguous_steps,
    element_bytes,
    require_same_type,
)


def lower(node: Node) -> Call:
    """The kernel call for one DYNAMIC_UPDATE_SLICE."""
    operand, update, start, output = (*(node.input(k) for k in range(3)), node.output())
    require_same_type(operand, update, output)
    rank = len(operand.shape)
    fits = operand.shape == output.shape and len(update.shape) == rank == math.prod(start.shape)
    require(fits, f"shapes {operand.shape}, {update.shape}, {start.shape}")
    inside = all(new <= old for new, old in zip(update.shape, operand.shape, strict=True))
    require(inside, f"{update.shape} does not fit into {operand.shape}")
    size = element_bytes(operand)
    steps = contiguous_steps(operand.shape, size)
    moved = box(update.shape, contiguous_steps(update.shape, size), size, output_steps=steps)
    params = slice_params(moved, operand.shape, update.shape, steps)
    return Call(
        "slice",
        f"eq_update_slice_{start_type(start)}",
        "eq_slice_params",
        {**params, "operand_bytes": operand.bytes},
        (Arg("input", 0), Arg("input", 1), Arg("input", 2), OUTPUT),
        overlaps=(Overlap(0, exact=True),),
    )


DYNAMIC_UPDATE_SLICE = OpKind("DYNAMIC_UPDATE_SLICE", lower, ANY_TYPE)
