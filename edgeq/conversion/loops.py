"""Recurrent loops: a WHILE that does one step of a sequence a turn, taken apart and put together.

TensorFlow's converter makes a WHILE of every recurrent layer of Keras. What it computes is one
step; all else counts, picks the step's inputs out of sequences and puts its results into others:

    while i < steps:  *state, *item = step(*(sequence[i]), *given, *state);  every[i] = item

`take_apart` finds the step in a WHILE of the converter's and in those of `loop_building.py`, which
have only ops that TensorFlow Lite Micro has for all types, and shapes that are fixed. So a step can
be calibrated and quantized as a model of its own and put back.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import indices, op_kinds
from edgeq.conversion.network import Network
from edgeq.model.tflite.schema import TENSOR_TYPES

_PICKS = frozenset({"GATHER", "SLICE"})


@dataclass(eq=False)
class Loop:
    """A WHILE that does one step of a sequence a turn.

    Attributes:
        op: The WHILE, in the main subgraph.
        steps: How many turns it does.
        sequences: Tensors of the main subgraph whose first axis is the steps.
        given: Tensors of the main subgraph that every step sees alike.
        states: Tensors of the main subgraph that hold what the first step starts with.
        finals: Tensors of the main subgraph for what the last step leaves of each state.
        every: Tensors of the main subgraph for the items of all steps, the steps on the first axis.
        lasts: Tensors of the main subgraph for the last step's items; an axis of 1 may be in front.
        step: A ModelT of one step: `sequences`, `given`, `states` in, `states`, `every`, `lasts`
            out.
    """

    op: Any
    steps: int
    sequences: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    states: list[int] = field(default_factory=list)
    finals: list[int] = field(default_factory=list)
    every: list[int] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    step: Any = None

    def step_network(self, source: str) -> Network:
        """The step as a network."""
        return Network(self.step, source)


def take_apart(network: Network, op: Any) -> Loop | None:
    """The loop that a WHILE of the main subgraph is; None if it is of another kind."""
    return _Reader(network, op).loop()


class _Reader:
    """The parts of one WHILE."""

    def __init__(self, network: Network, op: Any) -> None:
        self._network, self._op, self._model = network, op, network.model
        self._condition = self._model.subgraphs[op.builtinOptions.condSubgraphIndex]
        self._body = self._model.subgraphs[op.builtinOptions.bodySubgraphIndex]
        self._kinds = op_kinds(self._model)
        self._in, self._out = indices(self._body.inputs), indices(self._body.outputs)
        self._makers = {
            index: made for made in self._body.operators or [] for index in indices(made.outputs)
        }
        self._counters = {
            index
            for index, out, first in zip(self._in, self._out, indices(op.inputs), strict=True)
            if self._counts(index, out) and self._is_zero(first)
        }

    def loop(self) -> Loop | None:
        """The loop; None if there is something in it that is of no such kind."""
        steps, network = self._steps(), self._network
        if steps is None or not self._is_plain():
            return None
        found = Loop(self._op, steps)
        before, behind = indices(self._op.inputs), indices(self._op.outputs)
        picked: list[int] = []
        given: list[int] = []
        states: list[tuple[int, int]] = []
        every: list[int] = []
        lasts: list[int] = []
        for index, out, source, result in zip(self._in, self._out, before, behind, strict=True):
            if index in self._counters:
                continue
            if index == out:
                value = self._picked(index)
                if value is not None:
                    found.sequences.append(source)
                    picked.append(value)
                elif self._readers(index):
                    found.given.append(source)
                    given.append(index)
            elif (item := self._item(index, out)) is not None:
                if network.shape(result)[0] != steps and not self._is_zero(source):
                    return None
                found.every.append(result)
                every.append(item)
            elif not self._readers(index) and index not in self._out:
                found.lasts.append(result)
                lasts.append(self._plain(out))
            else:
                found.states.append(source)
                found.finals.append(result)
                states.append((index, out))
        inputs = [*picked, *given, *(index for index, _ in states)]
        outputs = [*(out for _, out in states), *every, *lasts]
        found.step = self._cut(inputs, outputs)
        return None if found.step is None or not inputs or not picked else found

    def _kind(self, op: Any) -> str:
        return str(self._kinds[op.opcodeIndex])

    def _is_plain(self) -> bool:
        """Whether there are no loops or branches in it, and nobody reads how far it has counted."""
        if any(self._kind(op) in ("WHILE", "IF", "CALL_ONCE") for op in self._body.operators or []):
            return False
        network = self._network
        counts = [
            result
            for index, result in zip(self._in, indices(self._op.outputs), strict=True)
            if index in self._counters
        ]
        return not any(network.readers(i) or i in network.outputs for i in counts)

    def _constant(self, graph: Any, index: int) -> Any:
        """The value of a constant; None of others."""
        tensor = graph.tensors[index]
        data = self._model.buffers[tensor.buffer].data
        if data is None or not len(data):
            return None
        return np.frombuffer(bytes(data), TENSOR_TYPES[tensor.type])

    def _counts(self, index: int, out: int) -> bool:
        """Whether a value of the loop is its input plus one, or plus one on the first axis."""
        op = self._makers.get(out)
        if op is None or self._kind(op) != "ADD" or index not in indices(op.inputs):
            return False
        other = next((i for i in indices(op.inputs) if i != index), index)
        value = self._constant(self._body, other)
        return value is not None and value.dtype.kind == "i" and self._is_step(value)

    def _is_zero(self, index: int) -> bool:
        """Whether a tensor of the main subgraph is a constant of zeros."""
        value = self._constant(self._network.graph, index)
        return value is not None and not value.any()

    @staticmethod
    def _is_step(value: Any) -> bool:
        return value.size > 0 and value.flat[0] == 1 and not value.flat[1:].any()

    def _steps(self) -> int | None:
        """How many turns it does: the least limit of its counters."""
        place = dict(zip(indices(self._condition.inputs), self._in, strict=True))
        limits = []
        for op in self._condition.operators or []:
            kind, inputs = self._kind(op), indices(op.inputs)
            if kind == "LOGICAL_AND":
                continue
            if kind != "LESS" or place.get(inputs[0]) not in self._counters:
                return None
            limit = self._constant(self._condition, inputs[1])
            if limit is None or limit.size != 1:
                return None
            limits.append(int(limit[0]))
        return min(limits, default=None)

    def _readers(self, index: int) -> list[Any]:
        return [op for op in self._body.operators or [] if index in indices(op.inputs)]

    def _picked(self, index: int) -> int | None:
        """What a step sees of a sequence; None where it is read in another way."""
        readers = self._readers(index)
        if len(readers) != 1 or self._kind(readers[0]) not in _PICKS:
            return None
        (op,) = readers
        inputs = indices(op.inputs)
        if inputs[0] != index or inputs[1] not in self._counters:
            return None
        if self._kind(op) == "GATHER":
            axis, batches = op.builtinOptions.axis, op.builtinOptions.batchDims
            return None if axis or batches else self._element(indices(op.outputs)[0], index)
        size = self._constant(self._body, inputs[2])
        if size is None or size.flat[0] != 1:
            return None
        after = self._readers(indices(op.outputs)[0])
        reshaped = len(after) == 1 and self._kind(after[0]) == "RESHAPE"
        return self._element(indices(after[0].outputs)[0], index) if reshaped else None

    def _item(self, index: int, out: int) -> int | None:
        """What a turn writes at its place of a sequence; None if it does something else."""
        op = self._makers.get(out)
        if op is None or len(self._readers(index)) == 0:
            return None
        inputs = indices(op.inputs)
        if self._kind(op) == "DYNAMIC_UPDATE_SLICE":
            right = inputs[0] == index and inputs[2] in self._counters
            return self._element(self._plain(inputs[1]), index) if right else None
        if self._kind(op) != "CONCATENATION" or op.builtinOptions.axis or len(inputs) != 3:
            return None
        before, after = self._makers.get(inputs[0]), self._makers.get(inputs[2])
        for part in (before, after):
            if part is None or self._kind(part) != "SLICE" or indices(part.inputs)[0] != index:
                return None
        return self._element(self._plain(inputs[1]), index)

    def _element(self, index: int, sequence: int) -> int | None:
        """A tensor of the body, if it is of the shape of what a sequence holds."""
        return index if self._shape(index) == self._shape(sequence)[1:] else None

    def _plain(self, index: int) -> int:
        """A tensor before the axis of 1 that was put in front of it."""
        op = self._makers.get(index)
        if op is None or self._kind(op) not in ("RESHAPE", "EXPAND_DIMS"):
            return index
        source = indices(op.inputs)[0]
        shape, longer = self._shape(source), self._shape(index)
        return source if longer == (1, *shape) else index

    def _shape(self, index: int) -> tuple[int, ...]:
        return tuple(indices(self._body.tensors[index].shape))

    def _cut(self, inputs: list[int], outputs: list[int]) -> Any:
        """A model of what lies between some tensors of the body; None if it needs others."""
        needed, kept = set(outputs), []
        for op in reversed(self._body.operators or []):
            made = set(indices(op.outputs))
            if made & needed - set(inputs):
                needed |= {i for i in indices(op.inputs) if i >= 0}
                kept.append(op)
        made = {i for op in kept for i in indices(op.outputs)}
        for index in needed - made - set(inputs):
            if self._constant(self._body, index) is None:
                return None
        return cut_model(self._model, self._body, kept[::-1], inputs, outputs)


def cut_model(
    model: Any, graph: Any, ops: Sequence[Any], inputs: list[int], outputs: list[int]
) -> Any:
    """A ModelT of some ops of a subgraph alone, with copies of what they use."""
    from ai_edge_litert import schema_py_generated as schema

    used = [i for op in ops for i in (*indices(op.inputs), *indices(op.outputs)) if i >= 0]
    place = {old: new for new, old in enumerate(dict.fromkeys((*inputs, *used, *outputs)))}
    made = schema.ModelT()
    made.version, made.operatorCodes = 3, [copy.copy(code) for code in model.operatorCodes]
    made.buffers, made.metadata, made.signatureDefs = [schema.BufferT()], [], []
    part = schema.SubGraphT()
    part.name, part.tensors = b"main", []
    for old in place:
        tensor = copy.copy(graph.tensors[old])
        data = model.buffers[tensor.buffer].data
        tensor.buffer = 0
        if data is not None and len(data):
            made.buffers.append(copy.copy(model.buffers[graph.tensors[old].buffer]))
            tensor.buffer = len(made.buffers) - 1
        part.tensors.append(tensor)
    part.operators = [moved_op(op, place, {}) for op in ops]
    part.inputs, part.outputs = [place[i] for i in inputs], [place[i] for i in outputs]
    made.subgraphs = [part]
    return made


def moved_op(op: Any, place: dict[int, int], codes: dict[int, int]) -> Any:
    """A copy of an op with other tensors and operator codes."""
    moved = copy.copy(op)
    moved.opcodeIndex = codes.get(op.opcodeIndex, op.opcodeIndex)
    moved.inputs = [place[i] if i >= 0 else -1 for i in indices(op.inputs)]
    moved.outputs = [place[i] for i in indices(op.outputs)]
    moved.intermediates = [place[i] for i in indices(op.intermediates)]
    return moved
