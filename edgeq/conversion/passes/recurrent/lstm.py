"""A loop that computes an LSTM becomes UNIDIRECTIONAL_SEQUENCE_LSTM.

    c' = sigmoid(f) c + sigmoid(i) tanh(g)        h' = sigmoid(o) tanh(c')

The step is known by that, however its gates come about: what they are made of the step's input x
and state h must be linear. Their weights are found by asking for the gates of zeros and of ones.

The op keeps h and c from call to call, in variable tensors. A layer that starts each sequence
from zeros has an op in front that writes zeros there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import indices, pack
from edgeq.conversion.loops import Loop, cut_model
from edgeq.conversion.moves import reshape
from edgeq.conversion.network import Network
from edgeq.conversion.tensorflow import quiet

INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES = 1, 5, 12
"""Where the op takes four each: of the input, forget, cell and output gate."""
HIDDEN, CELL = 18, 19
"""Where it takes its state."""
_INPUTS = 24
_TANH = 4
_GATES = ("input", "forget", "cell", "output")
_LINEAR = frozenset({"FULLY_CONNECTED", "ADD", "SPLIT", "SPLIT_V", "STRIDED_SLICE", "SLICE",
                     "RESHAPE", "CONCATENATION", "SUB", "BATCH_MATMUL", "SQUEEZE", "EXPAND_DIMS",
                     "TRANSPOSE", "UNPACK"})  # fmt: skip
_FUSED = "fusedActivationFunction"
_AXES = 2  # of what a step of the op takes: the batch, which is 1, and the values
_NEAR = 1e-4
_TRIALS = 4


@dataclass(frozen=True)
class Cell:
    """What an LSTM computes with, in the order of `_GATES`.

    Attributes:
        weights: (4, cells, inputs).
        recurrent: (4, cells, cells).
        bias: (4, cells).
    """

    weights: NDArray[np.float32]
    recurrent: NDArray[np.float32]
    bias: NDArray[np.float32]


def as_lstm(network: Network, loop: Loop) -> list[Any] | None:
    """The ops that compute a loop's LSTM; None if it is none, or its cell is read behind it."""
    if len(loop.sequences) != 1 or loop.given or len(loop.states) != 2:
        return None
    step = loop.step_network(network.source)
    found = _Pattern(step).gates()
    if found is None:
        return None
    hidden, cell, gates = found
    if any(step.outputs[k] != step.outputs[hidden] for k in range(2, len(step.outputs))):
        return None
    writes = [_writes(network, loop.finals[k]) for k in range(2)]
    if network.outputs.count(loop.finals[cell]) or len(network.readers(loop.finals[cell])) > len(
        writes[cell]
    ):
        return None
    carried = [
        [indices(op.outputs)[0] for op in written] == [state]
        for written, state in zip(writes, loop.states, strict=True)
    ]
    starts = [_is_zero(network, state) for state in loop.states]
    if not all(carried) and (any(map(len, writes)) or not all(starts)):
        return None
    if network.shape(loop.sequences[0])[1] != 1:
        return None
    known = _cell(step, hidden, gates)
    if known is None:
        return None
    kept = (loop.states[hidden], loop.states[cell]) if all(carried) else ()
    gone = {id(op) for written in writes for op in written}
    network.ops = [op for op in network.ops if id(op) not in gone]
    return _Writer(network, loop, hidden, known, kept).ops()


def beyond_an_lstm(network: Network, op: Any) -> str:
    """What an op of another converter has beside plain gates, in words; empty for a plain LSTM."""
    inputs, options = indices(op.inputs), op.builtinOptions
    given = [place < len(inputs) and inputs[place] >= 0 for place in range(_INPUTS)]
    matrices = (*range(INPUT_WEIGHTS, INPUT_WEIGHTS + 4),
                *range(RECURRENT_WEIGHTS, RECURRENT_WEIGHTS + 4))  # fmt: skip
    gates = (*matrices, *range(BIASES, BIASES + 4))
    found = {
        "gates left out": not all(given[place] for place in gates),
        "peepholes": any(given[9:12]),
        "a projection": any(given[16:18]),
        "layer normalization": any(given[20:]),
        "a limit of its cell": bool(options.cellClip or options.projClip),
        "another activation than tanh": options.fusedActivationFunction != _TANH,
        "time on its first axis": bool(options.timeMajor),
        "several sequences at once": network.shape(inputs[0])[0] != 1,
        "weights that are computed": not all(
            network.is_constant(inputs[place]) for place in gates if given[place]
        ),
    }
    return " and ".join(name for name, has in found.items() if has)


def _is_read(network: Network, index: int) -> bool:
    return index in network.outputs or bool(network.readers(index))


def _is_zero(network: Network, index: int) -> bool:
    return network.is_constant(index) and not network.constant(index).any()


def _writes(network: Network, final: int) -> list[Any]:
    """The ops that write the end of a state to a variable."""
    tensors = network.graph.tensors
    return [
        op
        for op in network.readers(final)
        if any(tensors[index].isVariable for index in indices(op.outputs))
    ]


class _Pattern:
    """Finds the two states and the four gates of a step."""

    def __init__(self, step: Network) -> None:
        self._step = step

    def gates(self) -> tuple[int, int, list[int]] | None:
        """Number of h and of c among the states, and what goes into each gate; None if none."""
        states = self._step.inputs[1:]
        for hidden, cell in ((0, 1), (1, 0)):
            output = self._product(self._step.outputs[hidden])
            if output is None or output[1] != self._step.outputs[cell]:
                continue
            sums = self._of(output[1], "ADD")
            for kept, added in (sums, sums[::-1]) if sums else ():
                forget = self._gated(kept, states[cell])
                new = self._product(added)
                if forget is not None and new is not None:
                    return hidden, cell, [new[0], forget, new[1], output[0]]
        return None

    def _of(self, index: int, kind: str) -> list[int] | None:
        """The inputs of the op that makes a tensor, if it is of that kind and nothing more."""
        op = self._step.maker(index)
        if op is None or self._step.kind(op) != kind:
            return None
        fused = getattr(op.builtinOptions, _FUSED, 0)
        return None if fused else indices(op.inputs)

    def _product(self, index: int) -> tuple[int, int] | None:
        """What sigmoid and tanh are taken of in `sigmoid(a) tanh(b)`."""
        factors = self._of(index, "MUL")
        for one, other in (factors, factors[::-1]) if factors else ():
            gate, value = self._of(one, "LOGISTIC"), self._of(other, "TANH")
            if gate and value:
                return gate[0], value[0]
        return None

    def _gated(self, index: int, state: int) -> int | None:
        """What sigmoid is taken of in `sigmoid(a) state`."""
        factors = self._of(index, "MUL")
        for one, other in (factors, factors[::-1]) if factors else ():
            gate = self._of(one, "LOGISTIC")
            if gate and other == state:
                return gate[0]
        return None


def _cell(step: Network, hidden: int, gates: list[int]) -> Cell | None:
    """The weights behind the gates; None if they are not linear in x and h alone."""
    source, h = step.inputs[0], step.inputs[1 + hidden]
    ops = _behind(step, gates, {source, h})
    if ops is None or not len(step.shape(source)) == len(step.shape(h)) == _AXES:
        return None
    ask = _Question(step, ops, [source, h], gates)
    (inputs,), (cells,) = step.shape(source)[1:], step.shape(h)[1:]
    bias = ask(np.zeros(inputs), np.zeros(cells))
    weights = [ask(one, np.zeros(cells)) - bias for one in np.eye(inputs)]
    recurrent = [ask(np.zeros(inputs), one) - bias for one in np.eye(cells)]
    found = Cell(np.stack(weights, -1), np.stack(recurrent, -1), bias)
    random = np.random.default_rng(0)
    for _ in range(_TRIALS):
        x, state = random.normal(size=inputs), random.normal(size=cells)
        wanted = found.weights @ x + found.recurrent @ state + found.bias
        if not np.allclose(ask(x, state), wanted, rtol=_NEAR, atol=_NEAR * np.abs(wanted).max()):
            return None
    return found


def _behind(step: Network, wanted: list[int], given: set[int]) -> list[Any] | None:
    """The ops that make some tensors of others and of constants; None if they need more."""
    needed, kept = set(wanted), []
    for op in reversed(step.ops):
        if not needed.intersection(indices(op.outputs)):
            continue
        if step.kind(op) not in _LINEAR or getattr(op.builtinOptions, _FUSED, False):
            return None
        kept.append(op)
        needed |= {i for i in indices(op.inputs) if i >= 0}
    made = {i for op in kept for i in indices(op.outputs)}
    known = all(i in given or i in made or step.is_constant(i) for i in needed)
    return kept[::-1] if known else None


class _Question:
    """What the gates are for an input and a state."""

    def __init__(self, step: Network, ops: list[Any], inputs: list[int], gates: list[int]) -> None:
        data = pack(cut_model(step.model, step.graph, ops, inputs, gates))
        with quiet():
            from ai_edge_litert.interpreter import Interpreter, OpResolverType

            resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            self._interpreter = Interpreter(
                model_content=data, experimental_op_resolver_type=resolver
            )
            self._interpreter.allocate_tensors()
        self._inputs = [d["index"] for d in self._interpreter.get_input_details()]
        self._outputs = [d["index"] for d in self._interpreter.get_output_details()]

    def __call__(self, x: NDArray[Any], h: NDArray[Any]) -> NDArray[np.float32]:
        for index, value in zip(self._inputs, (x, h), strict=True):
            self._interpreter.set_tensor(index, value[None].astype(np.float32))
        self._interpreter.invoke()
        return np.stack([self._interpreter.get_tensor(i).reshape(-1) for i in self._outputs])


class _Writer:
    """Writes the op and what is around it."""

    def __init__(
        self, network: Network, loop: Loop, hidden: int, cell: Cell, kept: tuple[int, ...]
    ) -> None:
        self._network, self._loop, self._cell, self._kept = network, loop, cell, kept
        finals = [loop.finals[hidden]] if _is_read(network, loop.finals[hidden]) else []
        self._finals = finals
        self._name = network.name((*loop.every, *loop.lasts, *finals)[0])

    def ops(self) -> list[Any]:
        """The ops in order."""
        network, loop = self._network, self._loop
        steps, cells = loop.steps, self._cell.bias.shape[1]
        source = loop.sequences[0]
        batch_first = self._tensor("input", (1, steps, network.shape(source)[-1]))
        result = self._tensor("lstm", (1, steps, cells))
        fresh = [] if self._kept else ["hidden_state", "cell_state"]
        states = [*self._kept, *(self._tensor(name, (1, cells)) for name in fresh)]
        inputs = [-1] * _INPUTS
        inputs[0] = batch_first
        for position, values, role in (
            (INPUT_WEIGHTS, self._cell.weights, "input_weights"),
            (RECURRENT_WEIGHTS, self._cell.recurrent, "recurrent_weights"),
            (BIASES, self._cell.bias, "bias"),
        ):
            for number, gate in enumerate(_GATES):
                name = f"{self._name}/{gate}_gate/{role}"
                constant = np.ascontiguousarray(values[number], np.float32)
                inputs[position + number] = network.add_constant(name, constant)
        inputs[HIDDEN], inputs[CELL] = states
        for state in states:
            network.graph.tensors[state].isVariable = True
        lstm = network.new_op(
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            inputs,
            [result],
            "UnidirectionalSequenceLSTM",
            fusedActivationFunction=_TANH,
        )
        return [
            reshape(network, source, batch_first),
            *(reset(network, state) for state in states if state not in self._kept),
            lstm,
            *self._results(result),
        ]

    def _results(self, result: int) -> list[Any]:
        """What makes the loop's results of the op's."""
        network = self._network
        ops = [reshape(network, result, made) for made in self._loop.every]
        lasts = [*self._loop.lasts, *self._finals]
        if lasts:
            _, steps, cells = network.shape(result)
            last = self._tensor("last", (1, cells))
            places = [
                network.add_constant(f"{self._name}/{name}", np.array(value, np.int32))
                for name, value in (
                    ("begin", [0, steps - 1, 0]), ("end", [1, steps, cells]), ("strides", [1, 1, 1])
                )
            ]  # fmt: skip
            settings = {"beginMask": 5, "endMask": 5, "shrinkAxisMask": 2}
            ops.append(
                network.new_op(
                    "STRIDED_SLICE", [result, *places], [last], "StridedSlice", **settings
                )
            )
            ops += [reshape(network, last, made) for made in lasts]
        return ops

    def _tensor(self, name: str, shape: tuple[int, ...]) -> int:
        return self._network.add_tensor(f"{self._name}/{name}", list(shape), "float32")


def reset(network: Network, state: int) -> Any:
    """An op that writes zeros to a state: the lesser of zeros and zeros.

    Runtimes move a plain copy of a constant to where they get ready to run, and it happens once.
    """
    tensor, dtype = network.graph.tensors[state], network.dtype_of(state)
    scale = None if dtype == "float32" else network.scale(state)
    zero = 0 if scale is None else scale[1]
    values = np.full(network.shape(state), zero, dtype)
    zeros = network.add_constant(f"{tensor.name.decode()}/zeros", values, scale)
    return network.new_op("MINIMUM", [zeros, zeros], [state], "MaximumMinimum")
