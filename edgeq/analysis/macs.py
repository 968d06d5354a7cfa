"""Multiply-accumulates of a model, float or integer."""

from __future__ import annotations

from collections.abc import Callable

from edgeq.compiler.ops import OPS
from edgeq.compiler.ops.shared.base import Node, Unsupported
from edgeq.model.graph import Graph, Op, Subgraph
from edgeq.model.loops import loop_turns

_MOST_VISITS = 200_000  # ops looked at: subgraphs that call others twice each double the work


def model_macs(graph: Graph) -> dict[int, int]:
    """Multiply-accumulates of each op of one inference, by op index; 0 for ops without any.

    A loop has those of all its turns at most, or of one where nobody knows how often it turns, and
    a branch those of its larger half.
    """
    counter = _Counter(graph)
    return {op.index: counter.of(op, graph.main, (graph.main.index,)) for op in graph.main.ops}


def unknown_loops(graph: Graph) -> int:
    """How many loops the model has whose number of turns is known only when it runs."""
    return sum(turns is None for turns in loop_turns(graph).values())


class _Counter:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._turns = loop_turns(graph)
        self._visits = 0

    def of(self, op: Op, around: Subgraph, path: tuple[int, ...]) -> int:
        """Those of an op.

        Args:
            op: The op.
            around: Its subgraph.
            path: The subgraphs that lead to it, its own last.
        """
        inside: Callable[[str], int] = lambda option: self._subgraph(op, option, path)  # noqa: E731
        if op.name == "WHILE":
            turns = self._turns.get((path, op.index))
            turns = 1 if turns is None else turns
            body, condition = inside("body_subgraph_index"), inside("cond_subgraph_index")
            return turns * body + (turns + 1) * condition
        if op.name == "IF":
            return max(inside("then_subgraph_index"), inside("else_subgraph_index"))
        return inside("init_subgraph_index") if op.name == "CALL_ONCE" else _op_macs(op, around)

    def _subgraph(self, op: Op, option: str, path: tuple[int, ...]) -> int:
        """Those of a subgraph that an op calls; 0 for one that is not there, or lies too deep."""
        index = int(op.options.get(option, -1))
        if not 0 <= index < len(self._graph.subgraphs) or index in path:
            return 0
        subgraph = self._graph.subgraphs[index]
        self._visits += len(subgraph.ops)
        if self._visits > _MOST_VISITS:
            return 0
        return sum(self.of(each, subgraph, (*path, index)) for each in subgraph.ops)


def _op_macs(op: Op, model: Subgraph) -> int:
    kind = OPS.get(op.name)
    if kind is None or kind.macs is None:
        return 0
    try:
        return kind.macs(Node(op, model))
    except Unsupported:
        return 0
