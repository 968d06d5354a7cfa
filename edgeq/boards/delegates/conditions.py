"""Whether a delegate takes an op of a model, by its table, or why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeq.boards.delegates.case import Case
from edgeq.boards.delegates.facts import Delegate
from edgeq.boards.delegates.forms import FORMS
from edgeq.boards.delegates.types import TYPES
from edgeq.model.graph import Op, Subgraph

_CHECKS = {**TYPES, **FORMS}


def refusals(found: Delegate, graph: Subgraph, op: Op, level: int | None = None) -> tuple[str, ...]:
    """Why a delegate leaves an op to the runtime, all of it; empty where it takes the op.

    Args:
        found: The delegate.
        graph: The subgraph of the op.
        op: The op.
        level: Of the delegate's interface, where it has levels; by default the newest.
    """
    rows = found.rows.get(op.name)
    if op.custom_name or rows is None:
        return (f"it has no {op.custom_name or op.name}",)
    level = level if level is not None else (found.levels or (None,))[-1]
    reasons = [tuple(_reasons(Case(graph, op, row, level))) for row in rows]
    return min(reasons, key=_distance)


def remarks(found: Delegate, op: Op) -> list[str]:
    """Conditions of an op that its model does not tell."""
    return [str(row["note"]) for row in found.rows.get(op.name, ()) if "note" in row]


def _distance(reasons: Sequence[str]) -> tuple[int, int]:
    """How far an op is from a row: one of other types is further than any of the right ones."""
    return sum(" activations" in reason for reason in reasons), len(reasons)


def _reasons(case: Case) -> Iterator[str]:
    if "types" in case.row and not (case.data and case.outputs):
        yield "it lacks an input or an output"
        return
    for name, check in _CHECKS.items():
        if name in case.row:
            reason = check(case, case.row[name])
            if reason:
                yield reason
