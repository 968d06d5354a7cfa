"""Copies of pixels from places that tables give, axis by axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    Overlap,
    overlap_distance,
    require,
)
from edgeq.compiler.ops.shared.movement import contiguous_steps, element_bytes, require_same_type

_LOOPS = 4


def _merge(tables: list[NDArray[np.int64]], size: int) -> tuple[list[NDArray[np.int64]], int]:
    """As many tables as there are loops, the last one not saying "the next one", and its run."""
    run = size
    while tables and np.array_equal(tables[-1], np.arange(len(tables[-1])) * run):
        run *= len(tables.pop())
    merged: list[NDArray[np.int64]] = []
    for table in tables:
        if merged and 1 in (len(table), len(merged[-1])):
            merged[-1] = (merged[-1][:, None] + table).reshape(-1)
        else:
            merged.append(table)
    while len(merged) > _LOOPS:
        merged[:2] = [(merged[0][:, None] + merged[1]).reshape(-1)]
    return [np.zeros(1, np.int64)] * (_LOOPS - len(merged)) + merged, run


def remap_call(node: Node, axes: Sequence[NDArray[np.int64]]) -> Call:
    """The kernel call that makes the output out of elements of input 0.

    Args:
        axes: Per axis, for each index of the output the index of the input.
    """
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    require(output.elements > 0, "the output has no elements")
    size = element_bytes(source)
    steps = contiguous_steps(source.shape, size)
    tables = [table * step for table, step in zip(axes, steps, strict=True)]
    tables, run = _merge(tables, size)
    reads = np.zeros(1, np.int64)
    for table in tables:
        reads = (reads[:, None] + table).reshape(-1)
    ends = np.arange(1, len(reads) + 1) * run
    return Call(
        "remap",
        "eq_remap",
        "eq_remap_params",
        {"size": [len(table) for table in tables], "run_bytes": run},
        (INPUT, Arg("constant"), OUTPUT),
        (Constant("offsets", "int32_t", np.concatenate(tables), "bytes, axis after axis"),),
        overlaps=(Overlap(0, overlap_distance(reads, ends, buffered=True)),),
    )
