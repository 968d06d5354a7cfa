"""Recurrent layers in integers, put where the float ones were cut out (`cut.py`).

They take the scales that their neighbours have got:

- UNIDIRECTIONAL_SEQUENCE_LSTM with int8 weights, one scale a matrix, and a 16-bit cell.
- A loop, whose step is quantized as a model of its own. A state has one scale where a step takes
  it and where it gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import indices, set_signature
from edgeq.conversion.float_model import FloatModel, packed
from edgeq.conversion.loop_building import put_together
from edgeq.conversion.loops import Loop
from edgeq.conversion.network import LIMITS, Network, Range, Scale
from edgeq.conversion.passes.biases import own_biases
from edgeq.conversion.passes.recurrent.lstm import (
    BIASES,
    CELL,
    HIDDEN,
    INPUT_WEIGHTS,
    RECURRENT_WEIGHTS,
    reset,
)
from edgeq.conversion.quantization.cut import Aside, Cut
from edgeq.conversion.quantization.inside import given_inside, taken_inside

StepQuantizer = Callable[[FloatModel, Mapping[str, Range], str], Network]
"""Quantizes the step of a loop: the float model, its ranges, the name of the loop's layer."""

_LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
_INT8 = 127
_GATE_SCALE = 2.0**-12
# Leaves an int32 accumulator two bits of room for the products.
_LARGEST_BIAS = {"int8": 1 << 29, "int16": 1 << 38}
_BIAS_TYPES = {"int8": "int32", "int16": "int64"}


def put_back(network: Network, cut: Cut, quantize_step: StepQuantizer) -> None:
    """Put integer layers into the quantized network, where the float ones were."""
    if not cut.layers:
        return
    inputs, outputs = network.inputs, network.outputs
    given = inputs[len(inputs) - len(cut.given) :]
    read = outputs[len(outputs) - len(cut.read) :]
    network.graph.inputs = inputs[: len(inputs) - len(given)]
    network.graph.outputs = outputs[: len(outputs) - len(read)]
    (signature,) = network.model.signatureDefs
    signature.inputs = signature.inputs[: len(network.inputs)]
    signature.outputs = signature.outputs[: len(network.outputs)]
    if network.io == "uint8":
        given = [taken_inside(network, index) for index in given]
        read = [given_inside(network, index) for index in read]
    for layer in cut.layers:
        place = _Place(
            network,
            layer,
            [read[k] for k in layer.read],
            [None if k is None else given[k] for k in layer.given],
        )
        made = place.loop(quantize_step) if layer.loop is not None else place.lstm()
        ops = network.ops
        wanted = {i for op in made for i in indices(op.outputs)}
        first = next((k for k, op in enumerate(ops) if wanted & set(indices(op.inputs))), len(ops))
        needed = _makers(made, ops[first:])
        later = [op for op in ops[first:] if all(op is not other for other in needed)]
        network.ops = [*ops[:first], *needed, *made, *later]
    _drop_copies(network)
    network.spliced = True


def _makers(made: Sequence[Any], ops: Sequence[Any]) -> list[Any]:
    """Those of some ops that others need before them.

    What the layer read was an output to the quantizer, which may convert it last of all.
    """
    wanted = {i for op in made for i in indices(op.inputs)}
    found = []
    for op in reversed(ops):
        if wanted & set(indices(op.outputs)):
            found.append(op)
            wanted |= set(indices(op.inputs))
    return found[::-1]


def _drop_copies(network: Network) -> None:
    """Take out the copies that were made where a layer reads an input or gives an output."""
    for op in list(network.ops):
        if network.kind(op) != "RESHAPE":
            continue
        source, made = indices(op.inputs)[0], indices(op.outputs)[0]
        tensors = network.graph.tensors
        alike = network.shape(source) == network.shape(made) and not tensors[source].isVariable
        if not alike or tensors[source].type != tensors[made].type:
            continue
        if _scale(network, source) != _scale(network, made):
            continue
        maker = network.maker(source)
        if made not in network.outputs:
            network.redirect({made: source})
        elif maker is not None and source not in network.outputs:
            maker.outputs = [made if i == source else i for i in indices(maker.outputs)]
            network.redirect({source: made})
        else:
            continue
        network.ops = [other for other in network.ops if other is not op]


class _Place:
    """The place of one layer in the quantized network."""

    def __init__(
        self,
        network: Network,
        aside: Aside,
        inputs: Sequence[int],
        outputs: Sequence[int | None],
    ) -> None:
        self._network, self._aside = network, aside
        self._inputs, self._outputs = inputs, outputs
        self._before: list[Any] = []
        self._behind: list[Any] = []

    def lstm(self) -> list[Any]:
        """The ops around and with an integer UNIDIRECTIONAL_SEQUENCE_LSTM."""
        network, aside = self._network, self._aside
        (source,) = self._inputs
        dtype, name = network.dtype, aside.name
        scale = self._scale_of(source)
        hidden = self._scale_behind(0) or network.scale_for(*network.ranges.get(name, (-1.0, 1.0)))
        assert scale is not None
        cell = (_power_of_two(aside.cell_range), 0)
        made = self._given(0, hidden)
        inputs = [-1] * 24
        inputs[0] = self._quantized(source, scale)
        for gate in range(4):
            for first, of in ((INPUT_WEIGHTS, scale), (RECURRENT_WEIGHTS, hidden)):
                bias = aside.constants[BIASES + gate] if first == INPUT_WEIGHTS else None
                weights = _weight_scale(aside.constants[first + gate], bias, of[0], dtype)
                values = np.round(aside.constants[first + gate] / weights).astype(np.int8)
                inputs[first + gate] = network.add_constant(
                    f"{name}/weights:{first + gate}", values, (weights, 0)
                )
                if bias is not None:
                    unit = float(np.float32(of[0]) * np.float32(weights))
                    sums = np.round(bias.astype(np.float64) / unit).astype(_BIAS_TYPES[dtype])
                    inputs[BIASES + gate] = network.add_constant(
                        f"{name}/bias:{gate}", sums, (unit, 0)
                    )
        shape = (1, aside.cells)
        inputs[HIDDEN] = self._variable("hidden_state", shape, dtype, hidden)
        inputs[CELL] = self._variable("cell_state", shape, "int16", cell)
        if not aside.carries:
            self._before += [reset(network, inputs[state]) for state in (HIDDEN, CELL)]
        op = network.new_op(
            _LSTM, inputs, [made], "UnidirectionalSequenceLSTM", fusedActivationFunction=4
        )
        scales: list[Scale] = [(_GATE_SCALE, 0)] * 4
        op.intermediates = [
            network.add_tensor(f"{name}/intermediate:{k}", [0], kind, of)
            for k, (kind, of) in enumerate([*(("int16", s) for s in scales), (dtype, hidden)])
        ]
        code = network.model.operatorCodes[op.opcodeIndex]
        code.version = max(code.version, 3)
        return [*self._before, op, *self._behind]

    def loop(self, quantize_step: StepQuantizer) -> list[Any]:
        """The ops around and with an integer WHILE."""
        network, aside, loop = self._network, self._aside, self._aside.loop
        assert loop is not None
        step = _Step(network, loop, [self._scale_of(i) for i in self._inputs]).quantized(
            aside.name, quantize_step
        )
        taken, made = step.inputs, step.outputs
        first, count = len(loop.sequences) + len(loop.given), len(loop.states)
        rest = iter(self._inputs[first:])
        outside = [
            self._quantized(i, _scale(step, inside))
            for i, inside in zip(self._inputs[:first], taken, strict=False)
        ]
        states, writes = [], []
        results = [
            self._given(k, _scale(step, out), step.dtype_of(out)) for k, out in enumerate(made)
        ]
        finals = results[:count]
        for k in range(count):
            inside = taken[first + k]
            scale = _scale(step, inside)
            if k in aside.starts:
                states.append(self._start(k, aside.starts[k], scale))
            elif aside.carries:
                shape = step.shape(inside)
                states.append(self._variable(f"state:{k}", shape, step.dtype_of(inside), scale))
                writes.append(
                    network.new_op("MINIMUM", [finals[k]] * 2, [states[-1]], "MaximumMinimum")
                )
            else:
                states.append(self._quantized(next(rest), scale))
        every = count + len(loop.every)
        whole = replace(
            loop,
            sequences=outside[: len(loop.sequences)],
            given=outside[len(loop.sequences) :],
            states=states,
            finals=finals,
            every=results[count:every],
            lasts=results[every:],
            step=step.model,
        )
        return [*self._before, put_together(network, whole), *writes, *self._behind]

    def _scale_of(self, index: int) -> Scale | None:
        """The scale that the integers of a tensor have or would have; None for no number."""
        network = self._network
        if network.dtype_of(index) == network.dtype:
            return network.scale(index)
        numbers = network.is_float(index) or network.dtype_of(index) == "uint8"
        return network.scale_for(*network.range(index)) if numbers else None

    def _scale_behind(self, position: int) -> Scale | None:
        """The scale of what the layer gives, where what is behind it has integers."""
        index = self._outputs[position]
        if index is None or self._network.dtype_of(index) != self._network.dtype:
            return None
        return self._network.scale(index)

    def _quantized(self, index: int, scale: Scale | None) -> int:
        """A tensor in the network's integers of a scale; what is no number stays as it is."""
        network = self._network
        if scale is None:
            return index
        if network.dtype_of(index) == network.dtype and network.scale(index) == scale:
            return index
        shape = network.graph.tensors[index].shape
        made = network.add_tensor(f"{network.name(index)}/integer", shape, network.dtype, scale)
        self._before.append(network.new_op("QUANTIZE", [index], [made]))
        return made

    def _given(self, position: int, scale: Scale | None, dtype: str = "") -> int:
        """A tensor for what the layer gives, from which what is read behind it is made."""
        network, index = self._network, self._outputs[position]
        if index is not None:
            same = network.dtype_of(index) == network.dtype and network.scale(index) == scale
            if same or scale is None:
                return index
        full = f"{self._aside.name}/integer:{position}"
        shape = list(self._aside.shapes[position])
        made = network.add_tensor(full, shape, dtype or network.dtype, scale)
        if index is not None:
            kind = "DEQUANTIZE" if network.is_float(index) else "QUANTIZE"
            self._behind.append(network.new_op(kind, [made], [index]))
        return made

    def _variable(self, name: str, shape: Sequence[int], dtype: str, scale: Scale | None) -> int:
        made = self._network.add_tensor(f"{self._aside.name}/{name}", list(shape), dtype, scale)
        self._network.graph.tensors[made].isVariable = True
        return made

    def _start(self, number: int, values: NDArray[Any], scale: Scale | None) -> int:
        """What a state starts with, as integers."""
        network, name = self._network, f"{self._aside.name}/start:{number}"
        if scale is None or values.dtype != np.float32:
            return network.add_constant(name, values)
        least, most = LIMITS[network.dtype]
        integers = np.clip(np.round(values / scale[0]) + scale[1], least, most)
        return network.add_constant(name, integers.astype(network.dtype), scale)


class _Step:
    """The step of one loop on its way to integers."""

    def __init__(self, network: Network, loop: Loop, outside: Sequence[Scale | None]) -> None:
        self._network, self._loop, self._outside = network, loop, outside
        step = own_biases(loop.step_network(network.source))
        self._first, self._states = len(loop.sequences) + len(loop.given), len(loop.states)
        names = [step.name(i) for i in step.inputs], [step.name(i) for i in step.outputs]
        self._taken, self._made = names
        set_signature(step.model, *names)
        self._model = packed(step, None)
        self._ranges = {
            tensor.name: network.ranges[tensor.name]
            for tensor in self._model.graph.main.tensors
            if tensor.name in network.ranges
        }
        for name, scale in zip(self._taken[: self._first], outside, strict=False):
            if scale is not None:
                self._ranges[name] = self._whole(scale)

    def quantized(self, name: str, quantize_step: StepQuantizer) -> Network:
        """The step in integers, every state with one scale."""
        made = quantize_step(self._model, self._ranges, name)
        if self._follow(made):
            made = quantize_step(self._model, self._ranges, name)
        self._requantize(made)
        return made

    def _whole(self, scale: Scale) -> Range:
        """The range of all integers of a scale."""
        least, most = LIMITS[self._network.dtype]
        return (least - scale[1]) * scale[0], (most - scale[1]) * scale[0]

    def _pairs(self, made: Network) -> list[tuple[int, int]]:
        pairs = zip(made.inputs[self._first :], made.outputs[: self._states], strict=True)
        return [(taken, given) for taken, given in pairs if _scale(made, taken) is not None]

    def _follow(self, made: Network) -> bool:
        """Give states that come with another scale than they go the range of that; True if any."""
        changed = False
        for position, (taken, given) in enumerate(
            zip(made.inputs[self._first :], made.outputs[: self._states], strict=True)
        ):
            scale = _scale(made, given)
            if scale is not None and _scale(made, taken) != scale:
                self._ranges[self._taken[self._first + position]] = self._whole(scale)
                changed = True
        return changed

    def _requantize(self, made: Network) -> None:
        """Bring states to the scale that the next step takes them with."""
        for taken, given in self._pairs(made):
            wanted, scale = _scale(made, taken), _scale(made, given)
            if scale is None or wanted is None or wanted == scale:
                continue
            if wanted[1] == scale[1] and abs(wanted[0] / scale[0] - 1) < 1e-6:
                made.graph.tensors[taken].quantization.scale = np.array([scale[0]], np.float32)
                continue
            shape = made.graph.tensors[given].shape
            other = made.add_tensor(f"{made.name(given)}/next", shape, made.dtype, wanted)
            made.ops = [*made.ops, made.new_op("QUANTIZE", [given], [other])]
            outputs = made.outputs
            place = [k for k in range(self._states) if outputs[k] == given]
            made.graph.outputs = [other if k in place else i for k, i in enumerate(outputs)]


def _scale(network: Network, index: int) -> Scale | None:
    """The scale of a tensor; None of one that holds truth values or indices."""
    found = network.graph.tensors[index].quantization
    if found is None or found.scale is None or not len(found.scale):
        return None
    return network.scale(index)


def _power_of_two(seen: Range) -> float:
    """The finest scale that is a power of two and holds a range in 16 bits.

    LiteRT takes tanh of nothing finer than 2^-15, and leaves out what is, without a word.
    """
    largest = max(-seen[0], seen[1], 0.5)
    return float(max(2.0 ** np.ceil(np.log2(largest / LIMITS["int16"][1])), 2.0**-15))


def _weight_scale(
    weights: NDArray[np.float32], bias: NDArray[np.float32] | None, source: float, dtype: str
) -> float:
    """The scale of a gate's weights, wide enough for its bias too."""
    scale = max(float(np.abs(weights).max()) / _INT8, 1e-9)
    if bias is not None:
        scale = max(scale, float(np.abs(bias).max()) / (source * _LARGEST_BIAS[dtype]))
    return float(np.float32(scale))
