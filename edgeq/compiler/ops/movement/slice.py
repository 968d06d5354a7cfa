"""SLICE: a copy from a start that is constant or computed at run time."""

from __future__ import annotations

from dataclasses import replace

from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Node, OpKind, ParamValue, require
from edgeq.compiler.ops.shared.movement import (
    ANY_TYPE,
    Box,
    box,
    contiguous_steps,
    copy_call,
    element_bytes,
    loop_params,
    require_same_type,
)
from edgeq.model.graph import Tensor

MAX_RANK = 6


def lower(node: Node) -> Call | None:
    """The copy; None where the whole input is taken."""
    source, begin, output = node.input(0), node.input(1), node.output()
    require_same_type(source, output)
    rank = len(source.shape)
    require(len(output.shape) == begin.elements == rank, f"{begin.elements} starts, {rank} axes")
    fits = all(out <= have for out, have in zip(output.shape, source.shape, strict=True))
    require(fits, f"{output.shape} does not fit into {source.shape}")
    size = element_bytes(source)
    steps = contiguous_steps(source.shape, size)
    moved = box(output.shape, steps, size)
    if begin.data is None:
        return _from_variable_start(moved, begin, source.shape, output.shape, steps)
    starts = [int(start) for start in begin.data.reshape(-1)]
    for start, take, have in zip(starts, output.shape, source.shape, strict=True):
        require(0 <= start <= have - take, f"start {start} of {take} elements in an axis of {have}")
    first = sum(start * step for start, step in zip(starts, steps, strict=True))
    return copy_call(replace(moved, input_start=first))


def _from_variable_start(
    moved: Box, begin: Tensor, shape: tuple[int, ...], taken: tuple[int, ...], steps: list[int]
) -> Call:
    return Call(
        "slice",
        f"eq_slice_{start_type(begin)}",
        "eq_slice_params",
        slice_params(moved, shape, taken, steps),
        (Arg("input", 0), Arg("input", 1), OUTPUT),
    )


def start_type(start: Tensor) -> str:
    """Suffix of the kernels for this type of start."""
    require(start.dtype in ("int32", "int64"), f"{start.dtype} starts")
    return "i64" if start.dtype == "int64" else "i32"


def slice_params(
    moved: Box, shape: tuple[int, ...], taken: tuple[int, ...], steps: list[int]
) -> dict[str, ParamValue]:
    """The fields of eq_slice_params.

    Args:
        moved: The slice at start 0.
        shape, taken: Of the tensor and of the slice.
        steps: Bytes per step along each axis of the tensor.
    """
    missing = [0] * (MAX_RANK - len(shape))
    require(len(shape) <= MAX_RANK, f"{len(shape)} axes; the kernel takes {MAX_RANK}")
    return {
        **{f"box.{name}": value for name, value in loop_params(moved).items()},
        "rank": len(shape),
        "start_step": [*steps, *missing],
        "last_start": [have - take for have, take in zip(shape, taken, strict=True)] + missing,
    }


SLICE = OpKind("SLICE", lower, ANY_TYPE)
