"""How deep subgraphs lie in each other: looked at once, before anything follows their calls."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.model.graph import Subgraph

MOST_DEPTH = 32
"""Calls of subgraphs inside each other; LSTMs inside of loops inside of branches are three."""


def nesting_problem(subgraphs: Sequence[Subgraph]) -> str:
    """Why the calls of a model's subgraphs cannot be followed; empty if they can.

    What follows them (counting, planning, LiteRT itself) calls itself for each.
    """
    calls = [_called(subgraph) & set(range(len(subgraphs))) for subgraph in subgraphs]
    callers: list[list[int]] = [[] for _ in subgraphs]
    for caller, called in enumerate(calls):
        for each in called:
            callers[each].append(caller)
    depth = [0] * len(subgraphs)
    left = [len(called) for called in calls]
    ready = [index for index, count in enumerate(left) if not count]
    for index in ready:  # grows while it is gone through
        for caller in callers[index]:
            depth[caller] = max(depth[caller], depth[index] + 1)
            left[caller] -= 1
            if not left[caller]:
                ready.append(caller)
    if len(ready) < len(subgraphs):
        first = next(index for index, count in enumerate(left) if count)
        return f"subgraph {first} calls itself, or one that does."
    deepest = max(depth, default=0)
    if deepest > MOST_DEPTH:
        return f"subgraphs call each other {deepest:,} deep; {MOST_DEPTH} at most are followed."
    return ""


def _called(subgraph: Subgraph) -> set[int]:
    """The subgraphs that ops of one call, by number."""
    return {
        int(value)
        for op in subgraph.ops
        for name, value in op.options.items()
        if name == "subgraph" or name.endswith("subgraph_index")
    }
