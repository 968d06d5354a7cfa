"""Models taken apart, so that each op can be judged on its own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import indices, new_op, new_tensor, pack, unpack
from edgeq.devices.interpreters import LiteRtOptions, litert_interpreter
from edgeq.support.array import Array


class CutModel:
    """A model in which chosen tensors are read from outside instead of from the op before.

    One call runs every op on values that the caller gives, so the error of one op does not reach
    the next.
    """

    def __init__(
        self,
        data: bytes,
        cut: Collection[int],
        options: LiteRtOptions,
        *,
        forgets: bool = False,
    ) -> None:
        """Cut a model.

        Args:
            data: The .tflite.
            cut: Tensors whose readers get given values; model inputs among them stay inputs.
            options: Kernels to run with.
            forgets: Whether every call begins in the initial state.
        """
        model = unpack(data)
        graph = model.subgraphs[0]
        inputs = indices(graph.inputs)
        self._given = {index: index for index in inputs}
        for index in set(cut) - set(inputs):
            stand_in = copy.copy(graph.tensors[index])
            stand_in.name = graph.tensors[index].name + b"/given"
            graph.tensors.append(stand_in)
            self._given[index] = len(graph.tensors) - 1
        for op in graph.operators:
            op.inputs = [self._given.get(index, index) for index in indices(op.inputs)]
        made = {index for op in graph.operators for index in indices(op.outputs)}
        self._made = sorted(made & set(cut))
        graph.inputs = list(self._given.values())
        graph.outputs = sorted(made & (set(cut) | set(indices(graph.outputs))))
        model.signatureDefs = []
        cut_model = pack(model)
        self._load: Callable[[], Any] = lambda: litert_interpreter(cut_model, options)
        self._interpreter, self._forgets = self._load(), forgets

    def run(self, given: Mapping[int, Array]) -> dict[int, Array]:
        """What each op makes of the given values: results by tensor index."""
        if self._forgets:
            self._interpreter = self._load()
        for index, place in self._given.items():
            self._interpreter.set_tensor(place, given[index])
        self._interpreter.invoke()
        return {index: self._interpreter.get_tensor(index) for index in self._made}


class DisturbedModel:
    """A float model with a value added to chosen tensors."""

    def __init__(
        self,
        data: bytes,
        disturbed: Collection[int],
        watched: int,
        options: LiteRtOptions,
        *,
        forgets: bool = False,
    ) -> None:
        """Put an ADD behind each tensor that is to be disturbed.

        Args:
            data: The float .tflite.
            disturbed: Tensors that get a disturbance; model inputs are allowed.
            watched: The tensor whose value `run` gives back.
            options: Kernels to run with.
            forgets: Whether every call begins in the initial state.
        """
        model = unpack(data)
        graph = model.subgraphs[0]
        self._inputs = indices(graph.inputs)
        self._places: dict[int, int] = {}
        self._shapes: dict[int, list[int]] = {}
        sums: dict[int, int] = {}
        operators = list(graph.operators)
        for index in sorted(disturbed):
            shape = self._shapes[index] = indices(graph.tensors[index].shape)
            self._places[index] = new_tensor(model, f"disturbance_{index}", shape, "float32")
            sums[index] = new_tensor(model, f"disturbed_{index}", shape, "float32")
        for op in operators:
            op.inputs = [sums.get(index, index) for index in indices(op.inputs)]
        graph.operators = self._with_sums(model, operators, sums)
        graph.inputs = [*self._inputs, *self._places.values()]
        self._watched = sums.get(watched, watched)
        graph.outputs = [self._watched]
        model.signatureDefs = []
        with_sums = pack(model)
        self._load: Callable[[], Any] = lambda: litert_interpreter(with_sums, options)
        self._interpreter, self._forgets = self._load(), forgets
        self._fed: Mapping[int, Array] = {}

    def _with_sums(self, model: Any, operators: list[Any], sums: Mapping[int, int]) -> list[Any]:
        """The ops, each followed by the additions to its results."""
        ordered = [self._add(model, index, sums) for index in self._inputs if index in sums]
        for op in operators:
            ordered.append(op)
            ordered += [self._add(model, i, sums) for i in indices(op.outputs) if i in sums]
        return ordered

    def _add(self, model: Any, index: int, sums: Mapping[int, int]) -> Any:
        from ai_edge_litert.schema_py_generated import AddOptionsT, BuiltinOptions

        op = new_op(model, "ADD", [index, self._places[index]], [sums[index]])
        op.builtinOptionsType, op.builtinOptions = BuiltinOptions.AddOptions, AddOptionsT()
        return op

    def feed(self, inputs: Mapping[int, Array]) -> None:
        """Set the model's own inputs, by tensor index, and take all disturbances away."""
        self._fed = inputs
        for index, value in inputs.items():
            self._interpreter.set_tensor(index, value)
        for index in self._places:
            self._clear(index)

    def run(self, disturbances: Mapping[int, Array]) -> Array:
        """The watched tensor while some tensors are disturbed; all others are left alone."""
        if self._forgets:
            self._interpreter = self._load()
            self.feed(self._fed)
        for index, value in disturbances.items():
            self._interpreter.set_tensor(self._places[index], value)
        self._interpreter.invoke()
        result: Array = self._interpreter.get_tensor(self._watched).astype(np.float64)
        for index in disturbances:
            self._clear(index)
        return result

    def _clear(self, index: int) -> None:
        place = self._places[index]
        self._interpreter.set_tensor(place, np.zeros(self._shapes[index], np.float32))
