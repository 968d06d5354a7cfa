"""Recurrent layers are cut out of a float network before the quantizer sees it.

It does not know them. What they read becomes an output of the network, what they give an input, so
that both have integers behind it; `recurrent.py` puts integer layers in between again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import drop_codes, drop_subgraphs, drop_unused, indices
from edgeq.conversion.loops import Loop, take_apart
from edgeq.conversion.moves import reshape
from edgeq.conversion.network import Network, Range
from edgeq.conversion.passes.recurrent.lstm import (
    BIASES,
    CELL,
    HIDDEN,
    INPUT_WEIGHTS,
    RECURRENT_WEIGHTS,
)

_LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"


@dataclass(eq=False)
class Aside:
    """A recurrent layer that has been cut out.

    Attributes:
        name: Of its result.
        carries: Whether it goes on where the call before has ended.
        constants: Float constants of an LSTM, by the place where the op takes them.
        cells: Cells of an LSTM.
        cell_range: Range of an LSTM's cell.
        loop: A loop; its tensors are those of the float network.
        starts: What constant states start with, by the state's position.
        read: Position among all that were cut of each tensor that the layer reads.
        given: The same of each that it gives; None where nobody reads it.
        shapes: Of what it gives.
    """

    name: str
    carries: bool
    constants: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)
    cells: int = 0
    cell_range: Range = (0.0, 0.0)
    loop: Loop | None = None
    starts: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)
    read: list[int] = field(default_factory=list)
    given: list[int | None] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Cut:
    """The recurrent layers of a network.

    Attributes:
        layers: In order.
        read, given: Names of the tensors that were made outputs and inputs, in order.
    """

    layers: tuple[Aside, ...]
    read: tuple[str, ...]
    given: tuple[str, ...]


def set_aside(network: Network) -> Cut:
    """Cut the recurrent layers out of a float network whose ranges are known."""
    kinds = {network.kind(op) for op in network.ops}
    return _Cutter(network).cut() if kinds & {_LSTM, "WHILE"} else Cut((), (), ())


class _Cutter:
    """The recurrent layers of a network, while they are cut out."""

    def __init__(self, network: Network) -> None:
        self._network = network
        graph = network.graph
        self._variables = {i for i, tensor in enumerate(graph.tensors) if tensor.isVariable}
        self._written = {i for op in network.ops for i in indices(op.outputs)}
        self._layers: list[Aside] = []
        self._read: list[int] = []
        self._given: list[int] = []
        self._ops: list[Any] = []

    def cut(self) -> Cut:
        """Make outputs of what each reads, and inputs of what it gives; its own ops go."""
        network = self._network
        for op in network.ops:
            if self._variables.intersection(indices(op.outputs)):
                continue
            kind = network.kind(op)
            loop = take_apart(network, op) if kind == "WHILE" else None
            if kind == _LSTM:
                self._lstm(op)
            elif loop is not None:
                self._loop(loop)
            else:
                self._ops.append(op)
        network.ops = self._ops
        for index in self._variables:
            network.graph.tensors[index].isVariable = False
        names = [[network.name(i) for i in side] for side in (self._read, self._given)]
        (signature,) = network.model.signatureDefs
        signature.inputs = [*signature.inputs, *map(self._entry, self._given)]
        signature.outputs = [*signature.outputs, *map(self._entry, self._read)]
        network.graph.inputs = [*network.inputs, *self._given]
        network.graph.outputs = [*network.outputs, *self._read]
        drop_subgraphs(network.model)
        drop_unused(network.model)
        drop_codes(network.model)
        return Cut(tuple(self._layers), tuple(names[0]), tuple(names[1]))

    def _entry(self, index: int) -> Any:
        """A line of the signature."""
        from ai_edge_litert import schema_py_generated as schema

        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = self._network.name(index), index
        return entry

    def _lstm(self, op: Any) -> None:
        network, inputs = self._network, indices(op.inputs)
        (result,) = indices(op.outputs)
        firsts = (INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES)
        places = [first + k for first in firsts for k in range(4)]
        layer = Aside(
            network.name(result),
            inputs[HIDDEN] not in self._written,
            {place: network.constant(inputs[place]).copy() for place in places},
            network.shape(inputs[HIDDEN])[1],
            network.ranges.get(network.name(inputs[CELL]), (-1.0, 1.0)),
        )
        self._take(layer, [inputs[0]], [result])

    def _loop(self, loop: Loop) -> None:
        network = self._network
        starts = {
            k: np.array(network.constant(index))
            for k, index in enumerate(loop.states)
            if network.is_constant(index)
        }
        carried = self._variables.intersection(loop.states)
        states = [i for k, i in enumerate(loop.states) if k not in starts and i not in carried]
        outputs = [*loop.finals, *loop.every, *loop.lasts]
        self._share_ranges(loop, outputs)
        name = network.name((*loop.every, *loop.lasts, *loop.finals)[0])
        layer = Aside(name, bool(carried), loop=loop, starts=starts)
        self._take(layer, [*loop.sequences, *loop.given, *states], outputs)

    def _take(self, layer: Aside, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Note where the layer's inputs and outputs are cut."""
        network = self._network
        for index in inputs:
            if index in (*network.inputs, *self._given) or network.is_constant(index):
                # What is an input already cannot become an output too.
                index = self._copy(index, "read")
            if index not in self._read:
                self._read.append(index)
            layer.read.append(self._read.index(index))
        for index in outputs:
            layer.shapes.append(network.shape(index))
            read = network.readers(index)
            writes = all(self._variables.intersection(indices(op.outputs)) for op in read)
            if writes and index not in network.outputs:
                layer.given.append(None)
                continue
            if index in network.outputs:
                index = self._copy(index, "given", before=True)
            layer.given.append(len(self._given))
            self._given.append(index)
        self._layers.append(layer)

    def _copy(self, index: int, name: str, *, before: bool = False) -> int:
        """A tensor that is a copy of another, or that another becomes a copy of."""
        network = self._network
        shape = network.graph.tensors[index].shape
        full = f"{network.name(index)}/{name}:{len(network.graph.tensors)}"
        made = network.add_tensor(full, shape, network.dtype_of(index))
        if network.name(index) in network.ranges:
            network.ranges[full] = network.ranges[network.name(index)]
        source, result = (made, index) if before else (index, made)
        self._ops.append(reshape(network, source, result))
        return made

    def _share_ranges(self, loop: Loop, outputs: Sequence[int]) -> None:
        """A state has one range wherever it is; so have the loop's results and the step's."""
        network, step = self._network, loop.step_network("")
        first = len(loop.sequences) + len(loop.given)
        for source, taken, made in zip(
            loop.states, step.inputs[first:], step.outputs, strict=False
        ):
            names = [step.name(taken), step.name(made), network.name(source)]
            seen = [network.ranges[name] for name in names if name in network.ranges]
            if network.is_constant(source) and network.is_float(source):
                start = network.constant(source)
                seen.append((float(start.min()), float(start.max())))
            if seen:
                joined = (min(low for low, _ in seen), max(high for _, high in seen))
                network.ranges.update(dict.fromkeys(names[:2], joined))
        for outside, inside in zip(outputs, step.outputs, strict=True):
            if step.name(inside) in network.ranges:
                network.ranges[network.name(outside)] = network.ranges[step.name(inside)]
