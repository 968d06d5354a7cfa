"""Sums before softmaxes, and the constants of which nothing is made but terms of such sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgeq.model.graph import Graph, Op

_LARGE = 10.0
"""What is smaller takes little of a range."""
_SUMS = ("ADD", "SUB")
_CHOICES = ("SELECT", "SELECT_V2")
_MOVES = frozenset({"BROADCAST_TO", "EXPAND_DIMS", "RESHAPE", "SLICE", "SQUEEZE", "STRIDED_SLICE",
                    "TILE", "TRANSPOSE"})  # fmt: skip
_Place = tuple[int, int]
"""The number of an op, and of one of its inputs."""


@dataclass(frozen=True)
class Term:
    """What is added before a softmax.

    Attributes:
        tensor: Its tensor.
        sign: -1 where it is subtracted.
        softmax: The number of the softmax.
    """

    tensor: int
    sign: int
    softmax: int


@dataclass(frozen=True)
class SoftmaxSum:
    """All that is added before a softmax.

    Attributes:
        shape: Of the sum.
        terms: By where they are read.
    """

    shape: tuple[int, ...]
    terms: Mapping[_Place, Term]


@dataclass(frozen=True)
class Factor:
    """A constant of which nothing is made but terms before softmaxes.

    Attributes:
        op: The op that it stands in.
        position: Which of the op's inputs it is.
        ends: All terms that are it, or are made of it.
    """

    op: Op
    position: int
    ends: tuple[Term, ...]


class SoftmaxSums:
    """The sums before the softmaxes of a model.

    Attributes:
        graph: The model.
        sums: The sums by the numbers of the softmaxes.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._readers: dict[int, list[_Place]] = {}
        self._makers = {index: op for op in graph.main.ops for index in op.outputs}
        for op in graph.main.ops:
            for position, index in enumerate(op.inputs):
                self._readers.setdefault(index, []).append((op.index, position))
        self.sums = dict(self._found())
        self._terms = {at: term for each in self.sums.values() for at, term in each.terms.items()}

    def factors(self) -> Iterator[Factor]:
        """The large constants of which nothing is made but terms."""
        for op in self.graph.main.ops:
            position = _factor(self.graph, op)
            if position is None:
                continue
            if op.name in _SUMS:
                term = self._terms.get((op.index, position))
                ends = None if term is None else [term]
            else:
                ends = self._ends(op.outputs[0])
            if ends:
                yield Factor(op, position, tuple(ends))

    def _found(self) -> Iterator[tuple[int, SoftmaxSum]]:
        tensors = self.graph.main.tensors
        for op in self.graph.main.ops:
            if op.name != "SOFTMAX" or op.options.get("beta") != 1:
                continue
            (added,) = op.inputs
            maker = self._makers.get(added)
            if maker is not None and maker.name == "RESHAPE" and self._is_read_once(added):
                before = maker.inputs[0]
                # A row of the softmax is a row of the sum.
                if tensors[before].shape[-1:] == tensors[added].shape[-1:]:
                    added = before
            terms = dict(self._parts(added, 1, op.index))
            if terms:
                yield op.index, SoftmaxSum(tensors[added].shape, terms)

    def _parts(self, tensor: int, sign: int, softmax: int) -> Iterator[tuple[_Place, Term]]:
        """What a tensor is the sum of; nothing for one that is no sum or goes elsewhere, too."""
        maker = self._makers.get(tensor)
        if maker is None or maker.name not in _SUMS or _is_cut(maker):
            return
        if not self._is_read_once(tensor):
            return
        for position, index in enumerate(maker.inputs):
            turned = -sign if maker.name == "SUB" and position == 1 else sign
            parts = dict(self._parts(index, turned, softmax))
            yield from parts.items()
            if not parts:
                yield (maker.index, position), Term(index, turned, softmax)

    def _is_read_once(self, tensor: int) -> bool:
        outputs = self.graph.main.outputs
        return tensor not in outputs and len(self._readers.get(tensor, ())) == 1

    def _ends(self, tensor: int) -> list[Term] | None:
        """All terms that a tensor becomes; None where it goes elsewhere, too."""
        if tensor in self.graph.main.outputs:
            return None
        found: list[Term] = []
        for number, position in self._readers.get(tensor, ()):
            op = self.graph.main.ops[number]
            if op.name in _MOVES and position == 0:
                ends = self._ends(op.outputs[0])
            else:
                term = self._terms.get((number, position))
                ends = None if term is None else [term]
            if ends is None:
                return None
            found += ends
        return found


def _factor(graph: Graph, op: Op) -> int | None:
    """Which input of an op is a constant that makes all its values large; None without one."""
    if op.name not in ("MUL", *_CHOICES, *_SUMS) or _is_cut(op):
        return None
    places = range(op.name in _CHOICES, len(op.inputs))
    tensors = [graph.main.tensors[index] for index in op.inputs]
    fixed = {i: tensors[i].data for i in places if tensors[i].dtype == "float32"}
    large = [i for i, data in fixed.items() if data is not None and np.abs(data).max() >= _LARGE]
    if len(large) != 1:
        return None
    (place,) = large
    other = fixed.get(next(i for i in places if i != place))
    if op.name in _CHOICES:
        return place if other is not None and not other.any() else None
    single = op.name in _SUMS or tensors[place].elements == 1
    return place if single and other is None else None


def _is_cut(op: Op) -> bool:
    """Whether an op bounds what it gives."""
    return bool(op.options.get("fused_activation_function"))
