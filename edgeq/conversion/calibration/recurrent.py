"""Ranges inside of recurrent layers: what no tensor of the main graph shows.

A loop's step runs as a model of its own, step after step, on what goes into the loop. The cell of
an LSTM is computed here, since the op shows it to nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.loops import Loop, take_apart
from edgeq.conversion.network import Network, Range
from edgeq.conversion.passes.recurrent.lstm import (
    BIASES,
    CELL,
    HIDDEN,
    INPUT_WEIGHTS,
    RECURRENT_WEIGHTS,
    beyond_an_lstm,
)
from edgeq.conversion.passes.recurrent.lstm_steps import step_names
from edgeq.conversion.tensorflow import quiet
from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph, Op

Array = NDArray[Any]
Read = Callable[[int], Array]
_LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"


class Inside:
    """The recurrent layers of a model, watched sample by sample."""

    def __init__(self, model: FloatModel) -> None:
        main = model.graph.main
        written = {i for op in main.ops for i in op.outputs}
        network = model.network() if any(op.name in ("WHILE", _LSTM) for op in main.ops) else None
        self._layers: list[_Lstm | _Steps] = []
        for op in main.ops:
            if op.name == _LSTM and network is not None:
                _require_plain(network, op.index)
                self._layers.append(
                    _Lstm(model.graph, op, carries=op.inputs[HIDDEN] not in written)
                )
            elif op.name == "WHILE" and network is not None:
                loop = take_apart(network, network.ops[op.index])
                if loop is not None:
                    self._layers.append(_Steps(network, loop))

    @property
    def needed(self) -> list[int]:
        """Tensors of the main graph whose values are needed after each run."""
        return sorted({index for layer in self._layers for index in layer.needed})

    def reset(self) -> None:
        """Forget what was kept from call to call."""
        for layer in self._layers:
            layer.reset()

    def ranges(self, read: Read) -> dict[str, Range]:
        """Lowest and highest value of the tensors inside for one sample, by name."""
        found: dict[str, Range] = {}
        for layer in self._layers:
            found.update(layer.ranges(read))
        return found


def _require_plain(network: Network, number: int) -> None:
    if more := beyond_an_lstm(network, network.ops[number]):
        (result,) = indices(network.ops[number].outputs)
        raise EdgeqError(
            f"The LSTM has {more}, which edgeq does not quantize.",
            f'{network.source}, layer "{network.name(result)}"',
            "--scheme dynamic or float16, which leave it in float",
        )


class _Lstm:
    """One UNIDIRECTIONAL_SEQUENCE_LSTM of batch 1, time on the second axis."""

    def __init__(self, graph: Graph, op: Op, *, carries: bool) -> None:
        tensors = graph.main.tensors

        def stacked(first: int) -> Array:
            values = [tensors[op.inputs[first + k]].data for k in range(4)]
            return np.concatenate([np.asarray(value, np.float32) for value in values])

        self._weights, self._recurrent = stacked(INPUT_WEIGHTS), stacked(RECURRENT_WEIGHTS)
        self._bias, self._carries = stacked(BIASES), carries
        self._name = tensors[op.inputs[CELL]].name
        self._inner = step_names(tensors[op.outputs[0]].name)
        self.reset()
        self.needed = [op.inputs[0]]

    def reset(self) -> None:
        """Forget what the last call left."""
        self._state = np.zeros((2, len(self._bias) // 4), np.float32)

    def ranges(self, read: Read) -> dict[str, Range]:
        """The ranges of the cell, and of all that a loop in place of the op would compute."""
        x = read(self.needed[0])[0]
        inputs = x @ self._weights.T + self._bias
        seen: dict[str, list[Array]] = {"x": [x], "from_input": [inputs]}
        hidden, cell = self._state
        for from_input in inputs:
            values = {"h": hidden, "c": cell, "from_hidden": self._recurrent @ hidden}
            values["gates"] = from_input + values["from_hidden"]
            i, f, g, o = np.split(values["gates"], 4)
            values |= {"input": _sigmoid(i), "forget": _sigmoid(f), "new": np.tanh(g)}
            values |= {"kept": values["forget"] * cell, "added": values["input"] * values["new"]}
            cell = values["kept"] + values["added"]
            values |= {"output": _sigmoid(o), "squashed": np.tanh(cell), "cell": cell}
            hidden = values["output"] * values["squashed"]
            values |= {"hidden": hidden, "i": i, "f": f, "g": g, "o": o}
            for role, value in values.items():
                seen.setdefault(role, []).append(value)
        if self._carries:
            self._state = np.stack([hidden, cell])
        ranges = {
            self._inner[role]: (float(np.min(values)), float(np.max(values)))
            for role, values in seen.items()
        }
        # The step's gates are parts of one tensor.
        for role in "ifgo":
            ranges[self._inner[role]] = ranges[self._inner["gates"]]
        return {**ranges, self._name: ranges[self._inner["cell"]]}


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))


class _Steps:
    """One loop, whose step is a model of its own."""

    def __init__(self, network: Network, loop: Loop) -> None:
        step = loop.step_network(network.source)
        with quiet():
            from ai_edge_litert import _pywrap_tfl_calibration as profiler
            from ai_edge_litert.interpreter import Interpreter

            self._step = Interpreter(
                model_content=step.pack(),
                num_threads=1,
                experimental_disable_delegate_node_fusion=True,
                experimental_force_delegate_node_profiling=True,
            )
            self._step.allocate_tensors()
        self._invoke: Any = profiler.InvokeWithCalibration
        self._inputs = [d["index"] for d in self._step.get_input_details()]
        self._outputs = [d["index"] for d in self._step.get_output_details()]
        self._names = {step.name(i) for i in range(len(step.graph.tensors)) if step.is_float(i)}
        self._steps, self._sequences, self._given = loop.steps, loop.sequences, loop.given
        graph = network.graph
        self._fixed = {
            index: network.constant(index) for index in loop.states if network.is_constant(index)
        }
        self._states = loop.states
        # What a variable holds when a call begins is what the call before left.
        self._carried = {
            index: np.zeros(network.shape(index), network.dtype_of(index))
            for index in loop.states
            if graph.tensors[index].isVariable
        }
        self.needed = [
            index
            for index in (*loop.sequences, *loop.given, *loop.states)
            if index not in self._fixed and index not in self._carried
        ]

    def reset(self) -> None:
        """Forget what the last call left."""
        self._carried = {index: np.zeros_like(value) for index, value in self._carried.items()}

    def ranges(self, read: Read) -> dict[str, Range]:
        """The ranges of everything in the step."""
        known = self._fixed | self._carried
        sequences = [read(index) for index in self._sequences]
        given = [read(index) for index in self._given]
        states: Sequence[Array] = [
            known[index] if index in known else read(index) for index in self._states
        ]
        handle = self._step._native_handle()
        found: dict[str, Range] = {}
        for turn in range(self._steps):
            values = [*(sequence[turn] for sequence in sequences), *given, *states]
            for index, value in zip(self._inputs, values, strict=True):
                self._step.set_tensor(index, value)
            for name, seen in self._invoke(handle, 0).items():
                low, high = found.get(name, (seen.min, seen.max))
                found[name] = (min(low, seen.min), max(high, seen.max))
            states = [self._step.get_tensor(i) for i in self._outputs[: len(states)]]
        for index, state in zip(self._states, states, strict=True):
            if index in self._carried:
                self._carried[index] = state
        return {name: seen for name, seen in found.items() if name in self._names}
