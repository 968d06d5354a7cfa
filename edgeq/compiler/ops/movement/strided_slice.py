"""STRIDED_SLICE: a copy with a start and a step per axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgeq.compiler.ops.shared.base import Call, Node, OpKind, require
from edgeq.compiler.ops.shared.movement import (
    ANY_TYPE,
    box,
    contiguous_steps,
    copy_call,
    element_bytes,
    require_same_type,
)


@dataclass(frozen=True)
class _Range:
    """What is taken along one axis."""

    start: int
    step: int
    count: int


def _range(node: Node, entry: int, length: int) -> _Range:
    """The range that one entry of begin, end and strides means.

    Source: TFLite `StridedSliceStartForAxis` and `StridedSliceEndForAxis`.
    """
    begin, end, step = (node.integers(k)[entry] for k in (1, 2, 3))
    require(step != 0, "a stride is 0")
    bit = 1 << entry
    low, high = (0, length) if step > 0 else (-1, length - 1)
    start = min(max(begin + (length if begin < 0 else 0), low), high)
    if node.option("begin_mask") & bit:
        start = low if step > 0 else high
    if node.option("shrink_axis_mask") & bit:
        require(0 <= start < length, f"index {begin} is outside an axis of {length}")
        return _Range(start, 1, 1)
    end += start if node.option("offset") else 0
    stop = min(max(end + (length if end < 0 else 0), low), high)
    if node.option("end_mask") & bit:
        stop = high if step > 0 else low
    return _Range(start, step, max(0, math.ceil((stop - start) / step)))


def _ranges(node: Node) -> list[_Range]:
    """One range per input axis; an ellipsis stands for all axes that no entry names."""
    shape = node.input(0).shape
    entries = node.constant(1).size
    new, ellipsis = node.option("new_axis_mask"), node.option("ellipsis_mask")
    named = [e for e in range(entries) if not (new >> e & 1 or ellipsis >> e & 1)]
    require(len(named) <= len(shape), f"{len(named)} entries for shape {shape}")
    ranges: list[_Range] = []
    for entry in range(entries):
        if ellipsis >> entry & 1:
            rest = len(shape) - len(ranges) - sum(e > entry for e in named)
            ranges += [_Range(0, 1, length) for length in shape[len(ranges) :][:rest]]
        elif not new >> entry & 1:
            ranges.append(_range(node, entry, shape[len(ranges)]))
    return ranges + [_Range(0, 1, length) for length in shape[len(ranges) :]]


def lower(node: Node) -> Call | None:
    """The copy; None where the whole input is taken."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    ranges = _ranges(node)
    counts = [taken.count for taken in ranges]
    require(math.prod(counts) == output.elements, f"output {output.shape} does not fit {counts}")
    size = element_bytes(source)
    steps = contiguous_steps(source.shape, size)
    start = sum(taken.start * step for taken, step in zip(ranges, steps, strict=True))
    moved = [taken.step * step for taken, step in zip(ranges, steps, strict=True)]
    return copy_call(box(counts, moved, size, input_start=start))


STRIDED_SLICE = OpKind("STRIDED_SLICE", lower, ANY_TYPE)
