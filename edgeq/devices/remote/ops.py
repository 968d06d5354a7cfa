"""Times per op of a runtime, matched with the ops of the model."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.devices.base import OpProfile
from edgeq.devices.remote.answers import OpTime
from edgeq.model.graph import Graph

UNKNOWN = -1  # the index of a time that belongs to no single op of the model


def op_shares(rows: Sequence[OpTime], graph: Graph) -> list[OpProfile]:
    """One row per op in the order of execution, with its share of the total.

    A delegate numbers the ops of each part that it took from 0, and may add small helpers
    (reshapes) of its own. So a part's ops are matched with the model's by their order, between
    the ops that the runtime itself ran; where the numbers do not fit, the index is UNKNOWN.
    """
    total = sum(row.us for row in rows) or 1.0
    names = {
        op.index: graph.main.tensors[op.outputs[0]].name for op in graph.main.ops if op.outputs
    }
    return [
        OpProfile(row.index, row.op, names.get(row.index, ""), share=row.us / total)
        for row in _matched(rows, len(graph.main.ops))
    ]


def _matched(rows: Sequence[OpTime], ops: int) -> list[OpTime]:
    result: list[OpTime] = []
    part: list[OpTime] = []
    start = 0
    for row in [*rows, OpTime(ops, "", 0.0, delegated=False)]:
        if row.delegated:
            part.append(row)
            continue
        result += _numbered(part, start, row.index)
        part, start = [], row.index + 1
        if row.index < ops:
            result.append(row)
    return result


def _numbered(part: Sequence[OpTime], start: int, end: int) -> list[OpTime]:
    """A delegated part's rows with the indices start..end-1 of the model's ops."""
    rows = list(part)
    while len(rows) > end - start:
        helper = next((i for i, row in enumerate(rows[:-1]) if "Reshape" in row.op), None)
        if helper is None:
            return [OpTime(UNKNOWN, row.op, row.us, delegated=True) for row in rows]
        after = rows[helper + 1]
        merged = OpTime(0, after.op, after.us + rows[helper].us, delegated=True)
        rows[helper : helper + 2] = [merged]
    if len(rows) < end - start:
        return [OpTime(UNKNOWN, row.op, row.us, delegated=True) for row in rows]
    return [
        OpTime(start + position, row.op, row.us, delegated=True)
        for position, row in enumerate(rows)
    ]
