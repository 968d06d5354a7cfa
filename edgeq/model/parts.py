"""Parts of a model as models of their own: some ops, fed with what those before them made."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Part:
    """Some consecutive ops of a model.

    Attributes:
        data: They alone, as a .tflite.
        inputs, outputs: Tensors of the whole model that its inputs and outputs are, by position.
        tensors: Tensor of the whole model for each of the part's own.
    """

    data: bytes
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    tensors: tuple[int, ...]


def unpacked(data: bytes) -> Any:
    """The ModelT of a .tflite that has been checked, with all constants inside."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    for buffer in model.buffers:
        if buffer.offset and buffer.offset > 1:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    return model


class Whole:
    """A model that parts are taken of: ops of its main subgraph, with the bodies of loops."""

    def __init__(self, data: bytes | Any) -> None:
        """Take a .tflite that has been checked, or a ModelT with all constants inside."""
        from ai_edge_litert import schema_py_generated as schema

        self._schema = schema
        if isinstance(data, bytes):
            self.model = unpacked(data)
        else:
            self.model = data
        self._graph = self.model.subgraphs[0]
        self._last_read = dict.fromkeys(_numbers(self._graph.outputs), len(self._graph.operators))
        for position, op in enumerate(self._graph.operators):
            for index in _numbers(op.inputs):
                self._last_read[index] = max(self._last_read.get(index, -1), position)

    def read_after(self, index: int, position: int) -> bool:
        """Whether a tensor is read by an op from `position` on, or is an output of the model."""
        return self._last_read.get(index, -1) >= position

    def part(self, first: int, end: int, *, all_outputs: bool = False) -> Part:
        """The ops from `first` to before `end`.

        Args:
            first, end: Positions of ops.
            all_outputs: Whether everything they make is an output, not only what is read later.
        """
        from flatbuffers import Builder

        ops = self._graph.operators[first:end]
        made = list(dict.fromkeys(i for op in ops for i in _numbers(op.outputs) if i >= 0))
        read = dict.fromkeys(i for op in ops for i in _numbers(op.inputs) if i >= 0)
        inputs = [i for i in read if i not in made and not self._own(i)]
        outputs = made if all_outputs else [i for i in made if self.read_after(i, end)]
        inner = (i for op in ops for i in _numbers(op.intermediates))
        kept = tuple(sorted({*read, *made, *inner}))
        builder = Builder(1 << 16)
        builder.Finish(self._model(ops, kept, inputs, outputs).Pack(builder), b"TFL3")
        return Part(bytes(builder.Output()), tuple(inputs), tuple(outputs), kept)

    def _own(self, index: int) -> bool:
        """Whether a tensor comes with the op that reads it: a constant, or state of its own."""
        tensor = self._graph.tensors[index]
        data = self.model.buffers[tensor.buffer].data
        return bool(tensor.isVariable) or (data is not None and len(data) > 0)

    def _model(
        self, ops: Sequence[Any], kept: Sequence[int], inputs: list[int], outputs: list[int]
    ) -> Any:
        place = {old: new for new, old in enumerate(kept)} | {-1: -1}
        made = self._schema.ModelT()
        made.version, made.operatorCodes = 3, self.model.operatorCodes
        made.buffers = [self._schema.BufferT()]
        graph = self._schema.SubGraphT()
        graph.name, graph.tensors = b"main", []
        for index in kept:
            tensor = copy.copy(self._graph.tensors[index])
            data = self.model.buffers[tensor.buffer].data
            tensor.buffer = 0
            if data is not None and len(data):
                made.buffers.append(self.model.buffers[self._graph.tensors[index].buffer])
                tensor.buffer = len(made.buffers) - 1
            graph.tensors.append(tensor)
        graph.operators = []
        for op in ops:
            moved = copy.copy(op)
            moved.inputs = [place[i] for i in _numbers(op.inputs)]
            moved.outputs = [place[i] for i in _numbers(op.outputs)]
            moved.intermediates = [place[i] for i in _numbers(op.intermediates)]
            graph.operators.append(moved)
        graph.inputs, graph.outputs = [place[i] for i in inputs], [place[i] for i in outputs]
        bodies = self._bodies(made) if any(self._runs_bodies(op) for op in ops) else []
        made.subgraphs, made.signatureDefs, made.metadata = [graph, *bodies], [], []
        return made

    def _runs_bodies(self, op: Any) -> bool:
        """Whether an op is a loop or a branch, which names other subgraphs by their numbers."""
        options = op.builtinOptions
        return hasattr(options, "bodySubgraphIndex") or hasattr(options, "thenSubgraphIndex")

    def _bodies(self, made: Any) -> list[Any]:
        """All subgraphs but the main one, with their constants in another model's buffers."""
        bodies = []
        for graph in self.model.subgraphs[1:]:
            body = copy.copy(graph)
            body.tensors = [copy.copy(tensor) for tensor in graph.tensors]
            for tensor in body.tensors:
                data = self.model.buffers[tensor.buffer].data
                if data is not None and len(data):
                    made.buffers.append(self.model.buffers[tensor.buffer])
                tensor.buffer = len(made.buffers) - 1 if data is not None and len(data) else 0
            bodies.append(body)
        return bodies


def _numbers(values: Any) -> list[int]:
    """A vector of the object form as a list; it may be None or a numpy array."""
    return [] if values is None else [int(value) for value in values]
