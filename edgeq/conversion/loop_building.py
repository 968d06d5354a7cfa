"""A recurrent loop as a WHILE with a condition and one body, in ops that all runtimes have."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import TENSOR_CODES, indices, op_code, op_kinds
from edgeq.conversion.loops import Loop, moved_op
from edgeq.conversion.network import Network


def put_together(network: Network, loop: Loop) -> Any:
    """A WHILE of the network, with its two subgraphs, for a loop.

    The types of `loop`'s tensors and of its step's agree: integers with integers of one scale.
    """
    return _Builder(network, loop).build()


class _Builder:
    """The two subgraphs of one WHILE, value by value."""

    def __init__(self, network: Network, loop: Loop) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._network, self._loop, self._schema = network, loop, schema
        self._number = len(network.model.subgraphs)
        self._name = network.name((*loop.every, *loop.lasts, *loop.finals)[0])
        self._condition, self._body = self._subgraph("condition"), self._subgraph("body")
        self._before: list[int] = []
        self._behind: list[int] = []
        self._results: list[int] = []
        self._places: dict[int, int] = {}

    def build(self) -> Any:
        """The WHILE; its subgraphs are the network's last two."""
        loop, step = self._loop, self._loop.step.subgraphs[0]
        place = self._take_in(step)
        taken = [place[i] for i in indices(step.inputs)]
        made = [place[i] for i in indices(step.outputs)]
        first, states = len(loop.sequences) + len(loop.given), len(loop.states)
        picked, given = taken[: len(loop.sequences)], taken[len(loop.sequences) : first]
        self._count()
        for source, result, value, out in zip(
            loop.states, loop.finals, taken[first:], made[:states], strict=True
        ):
            self._value(source, result, value, out)
        self._pick(picked)
        for source, value in zip(loop.given, given, strict=True):
            self._value(source, None, value, value)
        steps = self._take_ops(step, place)
        self._body.operators = [*self._body.operators, *steps]
        for result, out in zip(loop.lasts, made[states + len(loop.every) :], strict=True):
            wanted = self._network.shape(result)
            out = out if self._shape(out) == wanted else self._reshaped(out, wanted)
            self._value(self._empty(result), result, self._like(out, "unset"), out)
        for result, out in zip(loop.every, made[states : states + len(loop.every)], strict=True):
            self._put(result, out)
        self._body.outputs = self._results
        model = self._network.model
        model.subgraphs += [self._condition, self._body]
        numbers = {"condSubgraphIndex": self._number, "bodySubgraphIndex": self._number + 1}
        return self._network.new_op("WHILE", self._before, self._behind, "While", **numbers)

    def _subgraph(self, name: str) -> Any:
        graph = self._schema.SubGraphT()
        graph.name = f"{self._name}/{name}".encode()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], [], []
        return graph

    def _take_in(self, step: Any) -> dict[int, int]:
        """Put the step's tensors into the body; their numbers there."""
        place = {}
        for index, tensor in enumerate(step.tensors):
            moved = copy.copy(tensor)
            data = self._loop.step.buffers[tensor.buffer].data
            moved.buffer = 0
            if data is not None and len(data):
                moved.buffer = self._buffer(data)
            place[index] = len(self._body.tensors)
            self._body.tensors.append(moved)
        return place

    def _take_ops(self, step: Any, place: dict[int, int]) -> list[Any]:
        model, codes = self._network.model, {}
        for number, code in enumerate(self._loop.step.operatorCodes):
            kind = op_kinds(self._loop.step)[number]
            if any(op.opcodeIndex == number for op in step.operators):
                codes[number] = op_code(model, kind)
                ours = model.operatorCodes[codes[number]]
                ours.version = max(ours.version, code.version)
        return [moved_op(op, place, codes) for op in step.operators]

    def _buffer(self, data: Any) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(bytes(data), np.uint8)
        self._network.model.buffers.append(buffer)
        return len(self._network.model.buffers) - 1

    def _tensor(self, graph: Any, name: str, shape: Sequence[int], dtype: str) -> int:
        tensor = self._schema.TensorT()
        tensor.name = f"{self._name}/{name}:{len(graph.tensors)}".encode()
        tensor.shape, tensor.type, tensor.hasRank = list(shape), TENSOR_CODES[dtype], True
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def _constant(self, graph: Any, name: str, values: Any) -> int:
        values = np.asarray(values, np.int32)
        index = self._tensor(graph, name, values.shape, "int32")
        graph.tensors[index].buffer = self._buffer(values.tobytes())
        return index

    def _like(self, index: int, name: str, shape: Sequence[int] | None = None) -> int:
        """A tensor of the body with the type and scale of another."""
        tensor = copy.copy(self._body.tensors[index])
        tensor.name = f"{self._name}/{name}:{len(self._body.tensors)}".encode()
        tensor.buffer = 0
        tensor.shape = tensor.shape if shape is None else list(shape)
        tensor.shapeSignature = None
        self._body.tensors.append(tensor)
        return len(self._body.tensors) - 1

    def _shape(self, index: int) -> tuple[int, ...]:
        return tuple(indices(self._body.tensors[index].shape))

    def _value(self, source: int, result: int | None, value: int, out: int) -> None:
        """One value that goes round: where it comes from and goes to, outside and inside."""
        network = self._network
        self._before.append(source)
        if result is None:
            like = copy.copy(network.graph.tensors[source])
            like.name = f"{self._name}/{network.name(source)}".encode()
            like.buffer, like.isVariable = 0, False
            network.graph.tensors.append(like)
            result = len(network.graph.tensors) - 1
        self._behind.append(result)
        self._body.inputs.append(value)
        self._results.append(out)
        tensor = copy.copy(self._body.tensors[value])
        tensor.name = f"{self._name}/condition:{len(self._condition.tensors)}".encode()
        self._condition.tensors.append(tensor)
        self._condition.inputs.append(len(self._condition.tensors) - 1)

    def _count(self) -> None:
        """The counter, and what asks whether it has come to the end."""
        step = self._constant(self._body, "one", 1)
        self._counter(self._tensor(self._body, "number", (), "int32"), step, np.int32(0))
        limit = self._constant(self._condition, "steps", self._loop.steps)
        more = self._tensor(self._condition, "more", (), "bool")
        less = self._network.new_op("LESS", [self._condition.inputs[0], limit], [more], "Less")
        self._condition.operators.append(less)
        self._condition.outputs = [more]

    def _counter(self, value: int, step: int, start: Any) -> None:
        out = self._like(value, "next")
        self._body.operators.append(self._network.new_op("ADD", [value, step], [out], "Add"))
        name = f"{self._name}/start:{len(self._network.graph.tensors)}"
        source = self._network.add_constant(name, np.asarray(start, np.int32))
        result = self._network.add_tensor(f"{name}/end", list(np.shape(start)), "int32")
        self._value(source, result, value, out)

    def _place(self, rank: int) -> int:
        """The place of the turn in a tensor of so many axes: its number, then zeros."""
        if rank not in self._places:
            step = self._constant(self._body, "ahead", [1] + [0] * (rank - 1))
            value = self._tensor(self._body, "place", (rank,), "int32")
            self._counter(value, step, np.zeros(rank, np.int32))
            self._places[rank] = value
        return self._places[rank]

    def _pick(self, picked: Sequence[int]) -> None:
        """What the step sees of each sequence."""
        for source, value in zip(self._loop.sequences, picked, strict=True):
            shape = self._shape(value)
            whole = self._like(value, "sequence", self._network.shape(source))
            size = self._constant(self._body, "size", (1, *shape))
            place = self._place(1 + len(shape))
            part = self._like(value, "part", (1, *shape))
            self._value(source, None, whole, whole)
            self._body.operators += [
                self._network.new_op("SLICE", [whole, place, size], [part], "Slice"),
                self._reshape(part, value, shape),
            ]

    def _put(self, result: int, item: int) -> None:
        """Write the item of a turn to its place."""
        shape = self._shape(item)
        every = self._network.shape(result)
        whole = self._like(item, "items", every)
        place = self._place(1 + len(shape))
        update = self._reshaped(item, (1, *shape))
        out = self._like(item, "more", every)
        self._value(self._empty(result), result, whole, out)
        self._body.operators.append(
            self._network.new_op(
                "DYNAMIC_UPDATE_SLICE", [whole, update, place], [out], "DynamicUpdateSlice"
            )
        )

    def _reshaped(self, source: int, shape: Sequence[int]) -> int:
        made = self._like(source, "item", shape)
        self._body.operators.append(self._reshape(source, made, shape))
        return made

    def _reshape(self, source: int, made: int, shape: Sequence[int]) -> Any:
        wanted = self._constant(self._body, "shape", shape)
        return self._network.new_op(
            "RESHAPE", [source, wanted], [made], "Reshape", newShape=list(shape)
        )

    def _empty(self, result: int) -> int:
        """A constant for what will be written: of the same type, scale and shape, zeros."""
        network = self._network
        tensor = network.graph.tensors[result]
        dtype = network.dtype_of(result)
        scaled = tensor.quantization is not None and tensor.quantization.scale is not None
        zero = network.scale(result)[1] if scaled and "int" in dtype else 0
        made = network.add_constant(
            f"{network.name(result)}/empty", np.full(network.shape(result), zero, dtype)
        )
        network.graph.tensors[made].quantization = copy.copy(tensor.quantization)
        return made
