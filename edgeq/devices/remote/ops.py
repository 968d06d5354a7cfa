"""Times per op of a runtime, matched with the ops of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.devices.base import OpProfile
from edgeq.graph import Graph

UNKNOWN = -1  # the index of a time that belongs to no single op of the model


@dataclass(frozen=True)
class _Row:
    index: int
    op: str
    us: float
    delegated: bool


def op_shares(answer: Mapping[str, Any], graph: Graph) -> list[OpProfile]:
    """One row per op in the order of execution, with its share of the total.

    A delegate numbers the ops of each part that it took from 0, and may add small helpers
    (reshapes) of its own. So a part's ops are matched with the model's by their order, between
    the ops that the runtime itself ran; where the numbers do not fit, the index is UNKNOWN.
    """
    columns = (answer["index"], answer["op"], answer["us"], answer["delegated"])
    rows = [_Row(int(i), str(o), float(u), bool(d)) for i, o, u, d in zip(*columns, strict=True)]
    total = sum(row.us for row in rows) or 1.0
    names = {
        op.index: graph.main.tensors[op.outputs[0]].name for op in graph.main.ops if op.outputs
    }
    return [
        OpProfile(row.index, row.op, names.get(row.index, ""), share=row.us / total)
        for row in _matched(rows, len(graph.main.ops))
    ]


def _matched(rows: Sequence[_Row], ops: int) -> list[_Row]:
    result: list[_Row] = []
    part: list[_Row] = []
    start = 0
    for row in [*rows, _Row(ops, "", 0.0, delegated=False)]:
        if row.delegated:
            part.append(row)
            continue
        result += _numbered(part, start, row.index)
        part, start = [], row.index + 1
        if row.index < ops:
            result.append(row)
    return result


def _numbered(part: Sequence[_Row], start: int, end: int) -> list[_Row]:
    """A delegated part's rows with the indices start..end-1 of the model's ops."""
    rows = list(part)
    while len(rows) > end - start:
        helper = next((i for i, row in enumerate(rows[:-1]) if "Reshape" in row.op), None)
        if helper is None:
            return [_Row(UNKNOWN, row.op, row.us, delegated=True) for row in rows]
        after = rows[helper + 1]
        merged = _Row(0, after.op, after.us + rows[helper].us, delegated=True)
        rows[helper : helper + 2] = [merged]
    if len(rows) < end - start:
        return [_Row(UNKNOWN, row.op, row.us, delegated=True) for row in rows]
    return [
        _Row(start + position, row.op, row.us, delegated=True) for position, row in enumerate(rows)
    ]
