"""How often the loops of a model turn at most, where its file alone can tell.

Loops over the steps of a sequence count: they compare a counter with a limit and add a step to it.
Of such a loop the number of turns is known without running it; of one that goes on until a value
is small enough nobody knows it, and it may never end.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from numpy.typing import NDArray

from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph, Op, Subgraph

MOST_OP_RUNS = 4_000_000
"""Ops that one call may run in loops: 16,000 steps of 250 ops. LiteRT, watched, takes two seconds
and 400 MB for so many."""

LOOPS = ("WHILE",)

_COMPARED = {"LESS": 1, "LESS_EQUAL": 1, "GREATER": -1, "GREATER_EQUAL": -1}
_MIRRORED = {
    "LESS": "GREATER",
    "GREATER": "LESS",
    "LESS_EQUAL": "GREATER_EQUAL",
    "GREATER_EQUAL": "LESS_EQUAL",
}
_SAME_VALUE = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
# What counters count in: at what they start over, or stand still, and how far they are from it.
_LARGEST = {"int32": 2.0**31, "int64": 2.0**53, "float32": 2.0**24}
_EXACT = 1e-6  # of the largest count: float32 adds smaller steps without getting on
_MOST_VISITS = 200_000  # ops looked at: subgraphs that call others twice each double the work
_MOST_DEPTH = 32  # calls inside each other

Known = Mapping[int, float]


def check_loops(graph: Graph, hint: str) -> None:
    """Refuse a model with loops that may not end.

    Args:
        graph: The model.
        hint: What to do about it.

    Raises:
        EdgeqError: A loop's number of turns is not known from the file, it is very large, or a
            subgraph calls itself.
    """
    counter = _Counter(graph, hint)
    runs = counter.runs(graph.main, {}, ())
    for subgraph in graph.subgraphs:  # called by ops that are not known here
        if subgraph.index not in counter.seen and any(op.name in LOOPS for op in subgraph.ops):
            runs += counter.runs(subgraph, {}, ())
    if runs > MOST_OP_RUNS:
        raise EdgeqError(
            f"Loops run {runs:,.0f} ops in one call; {MOST_OP_RUNS:,} are run at most.",
            graph.path,
            hint,
        )


Place = tuple[tuple[int, ...], int]
"""Where a loop stands: the subgraphs that lead to it, its own last, and its op's index there."""


def loop_turns(graph: Graph) -> Mapping[Place, int | None]:
    """How often each loop that the main subgraph leads to turns at most; None where nobody knows.

    Of a model whose subgraphs do not fit each other, loops may be missing.
    """
    counter = _Counter(graph)
    with suppress(EdgeqError, LookupError):
        counter.runs(graph.main, {}, ())
    return {
        place: int(turns) if math.isfinite(turns) else None
        for place, turns in counter.turns.items()
    }


class _Counter:
    """Looks through a model; without a hint, loops may be of a length that nobody knows."""

    def __init__(self, graph: Graph, hint: str | None = None) -> None:
        self.graph, self.hint = graph, hint
        self.seen: set[int] = set()
        self.turns: dict[Place, float] = {}
        self._visits = 0

    def runs(self, subgraph: Subgraph, known: Known, path: tuple[int, ...]) -> float:
        """How many ops run in loops that a subgraph starts, and all its ops within one.

        Args:
            subgraph: The subgraph.
            known: Values of its inputs that are known, by tensor.
            path: The subgraphs that called it.
        """
        self.seen.add(subgraph.index)
        self._visits += len(subgraph.ops)
        if subgraph.index in path:
            raise EdgeqError(f"subgraph {subgraph.index} calls itself.", self.graph.path)
        if len(path) > _MOST_DEPTH or self._visits > _MOST_VISITS:
            raise EdgeqError("loops and branches lie too deep in each other.", self.graph.path)
        path = (*path, subgraph.index)
        values = _Values(subgraph, known)
        found = 0.0
        for op in subgraph.ops:
            if op.name in LOOPS:
                found += self._loop(subgraph, op, values, path)
            elif op.name == "IF":
                branches = (op.options["then_subgraph_index"], op.options["else_subgraph_index"])
                found += max(self._called(i, op.inputs[1:], values, path) for i in branches)
            elif op.name == "CALL_ONCE":
                found += self._called(op.options["init_subgraph_index"], (), values, path)
        return found

    def _called(
        self, index: int, inputs: tuple[int, ...], values: _Values, path: tuple[int, ...]
    ) -> float:
        subgraph = self._subgraph(index)
        return self.runs(subgraph, _bound(subgraph, inputs, values), path)

    def _subgraph(self, index: int) -> Subgraph:
        if not 0 <= index < len(self.graph.subgraphs):
            raise EdgeqError(f"subgraph {index} is called, but is not there.", self.graph.path)
        return self.graph.subgraphs[index]

    def _loop(self, caller: Subgraph, op: Op, values: _Values, path: tuple[int, ...]) -> float:
        where = f"{self.graph.path}, {caller.describe(op)}"
        condition = self._subgraph(op.options["cond_subgraph_index"])
        body = self._subgraph(op.options["body_subgraph_index"])
        places = zip(op.inputs, condition.inputs, body.inputs, body.outputs, strict=False)
        carried = [_Carried(values.of(place[0]), *place[1:], body=body) for place in places]
        kept = [(each, each.start) for each in carried if each.kept and each.start is not None]
        fixed = {each.seen: start for each, start in kept}
        known = {each.before: start for each, start in kept}
        inside = _Values(body, known)
        counters = {
            each.seen: (each.start, step)
            for each in carried
            if each.start is not None and (step := each.step(inside)) is not None
        }
        tests = _Values(condition, fixed)
        turns = math.inf
        if condition.outputs:
            turns = _turns(condition.outputs[0], tests, counters)
        place = (path, op.index)
        self.turns[place] = max(turns, self.turns.get(place, 0))
        if not math.isfinite(turns) and self.hint is not None:
            raise EdgeqError(
                "The file does not tell how often this loop turns; it may never end, and a "
                "conversion runs the model.",
                where,
                self.hint,
            )
        ops = float(len(body.ops) + len(condition.ops))
        ops += self.runs(body, known, path) + self.runs(condition, fixed, path)
        return (turns + 1) * ops


class _Carried:
    """What a loop carries from turn to turn, at one position.

    Attributes:
        start: Its number at first, where that is known.
        seen: The condition's tensor for it.
        before: The body's tensor that it comes in by.
        after: The body's tensor that it goes on by.
    """

    def __init__(
        self, start: float | None, seen: int, before: int, after: int, body: Subgraph
    ) -> None:
        self.start, self.seen, self.before, self.after = start, seen, before, after
        self.kept = before == after and before not in _unsure(body)

    def step(self, values: _Values) -> float | None:
        """What one turn adds to it, where that is fixed."""
        maker = values.maker(self.after)
        tensor = values.subgraph.tensors[self.before]
        good = maker is not None and maker.name in ("ADD", "SUB") and len(maker.inputs) == 2
        if maker is None or not good or maker.options.get("fused_activation_function"):
            return None
        if tensor.dtype not in _LARGEST or self.before in values.unsure:
            return None
        first, second = maker.inputs
        if maker.name == "ADD" and second == self.before:
            first, second = second, first
        step = values.of(second)
        if first != self.before or step is None:
            return None
        return step if maker.name == "ADD" else -step


def _unsure(subgraph: Subgraph) -> frozenset[int]:
    """Tensors that more than one thing writes: whatever op makes them is not all."""
    writers = Counter([*subgraph.inputs, *(i for op in subgraph.ops for i in op.outputs)])
    return frozenset(index for index, count in writers.items() if count > 1)


class _Values:
    """Numbers of one element that are known in a subgraph before anything runs."""

    def __init__(self, subgraph: Subgraph, known: Known) -> None:
        self.subgraph = subgraph
        self._known = known
        self.unsure = _unsure(subgraph)
        self._makers = {index: op for op in subgraph.ops for index in op.outputs}

    def maker(self, index: int) -> Op | None:
        """The one op that makes a tensor."""
        return None if index in self.unsure else self._makers.get(index)

    def of(self, index: int) -> float | None:
        """The number that a tensor holds; None if that is not known."""
        for _ in range(len(self.subgraph.ops) + 1):
            if index < 0 or index in self.unsure:
                return None
            if index in self._known:
                break
            tensor, maker = self.subgraph.tensors[index], self.maker(index)
            if maker is None and tensor.data is not None and not tensor.is_variable:
                return _number(tensor.data)
            if maker is None or maker.name not in _SAME_VALUE or not maker.inputs:
                return None
            index = maker.inputs[0]
        return self._known.get(index)


def _number(data: NDArray[Any]) -> float | None:
    good = data.size == 1 and data.dtype.kind in "iuf"
    return float(data.reshape(())) if good else None


def _bound(subgraph: Subgraph, inputs: tuple[int, ...], values: _Values) -> dict[int, float]:
    pairs = zip(subgraph.inputs, inputs, strict=False)
    found = {inner: values.of(outer) for inner, outer in pairs}
    return {inner: value for inner, value in found.items() if value is not None}


def _turns(
    index: int, values: _Values, counters: Mapping[int, tuple[float, float]], depth: int = 8
) -> float:
    """How often a condition is true at most, if the counters start and go on so; else infinity."""
    maker = values.maker(index)
    if maker is None or len(maker.inputs) != 2:
        return math.inf
    first, second = maker.inputs
    if maker.name == "LOGICAL_AND" and depth:
        return min(_turns(part, values, counters, depth - 1) for part in (first, second))
    name = maker.name
    if first in values.unsure or second in values.unsure:
        return math.inf
    if name in _COMPARED and second in counters:
        first, second, name = second, first, _MIRRORED[name]
    limit = values.of(second)
    if name not in _COMPARED or first not in counters or limit is None:
        return math.inf
    start, step = counters[first]
    dtype = values.subgraph.tensors[first].dtype
    way, pace = (limit - start) * _COMPARED[name], step * _COMPARED[name]
    if way < 0:
        return 0
    exact = _EXACT * max(abs(start), abs(limit)) if dtype == "float32" else 0.0
    if dtype not in _LARGEST or not pace > exact:
        return math.inf
    # Equal to the limit, the counter passes where the comparison takes that.
    turns = math.floor(way / pace) + 1 if name.endswith("EQUAL") else math.ceil(way / pace)
    # A counter that would pass the end of its type starts over.
    return turns if abs(start + turns * step) < _LARGEST[dtype] else math.inf
