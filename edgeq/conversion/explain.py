"""Which passes changed which layers of a model, in words for the user of `convert --explain`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.network import Network
from edgeq.conversion.pass_log import PassLog, Rewrite, State
from edgeq.model.graph import Graph

_ENDINGS = ("_quantized", "_dequant", "/output", "/integer")
_CONVERTER = "TensorFlow's converter"


@dataclass(frozen=True)
class LayerChange:
    """What a pass did at one layer.

    Attributes:
        layer: Name of the Keras layer, or of several: those that are one op ("conv;relu"), and
            those whose ops went into one ("mish, celu").
        before, after: Ops there, in order; a table is called "table". Both are the same where
            only constants or scales changed.
    """

    layer: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def __str__(self) -> str:
        if sorted(self.before) == sorted(self.after):
            return f"{self.layer}: {_counted(self.after) or 'its range'} changed"
        return f"{self.layer}: {_counted(self.before)} -> {_counted(self.after) or 'nothing'}"


@dataclass(frozen=True)
class FiredPass:
    """A pass that changed something.

    Attributes:
        name: Of the pass.
        purpose: What it gives, in a sentence.
        changes: By layer.
    """

    name: str
    purpose: str
    changes: tuple[LayerChange, ...]


def explained(log: PassLog, real: Graph) -> tuple[FiredPass, ...]:
    """The passes that changed something, in order.

    Args:
        log: Of a conversion.
        real: The float model, whose names say what was joined before any pass.
    """
    joined = tuple(_joined(real))
    first = (FiredPass(_CONVERTER, "Layers that are one op", joined),) if joined else ()
    fired = [FiredPass(each.name, each.purpose, tuple(_changes(each))) for each in log.rewrites]
    # The step of a loop may be quantized twice, to bring its state to one scale.
    return (*first, *dict.fromkeys(each for each in fired if each.changes))


def _joined(real: Graph) -> Iterator[LayerChange]:
    """Ops that TensorFlow's converter made of several layers."""
    for op in real.main.ops:
        name = real.main.tensors[op.outputs[0]].name
        if ";" in name:
            yield LayerChange(name, tuple(name.split(";")), (op.name,))


def _changes(rewrite: Rewrite) -> Iterator[LayerChange]:
    before, after = (_Ops(state) for state in (rewrite.before, rewrite.after))
    gone, new = before.keys - after.keys, after.keys - before.keys
    layers: dict[str, tuple[list[str], list[str]]] = {}
    for side, (ops, keys) in enumerate(((before, gone), (after, new))):
        for layer, kind, key in ops.entries:
            if keys[key] > 0:
                keys[key] -= 1
                layers.setdefault(layer, ([], []))[side].append(kind)
    yield from _merged(layers)
    for name, found in rewrite.after.ranges.items():
        if name in rewrite.before.ranges and found != rewrite.before.ranges[name]:
            yield LayerChange(_plain(name), (), ())


def _merged(layers: dict[str, tuple[list[str], list[str]]]) -> Iterator[LayerChange]:
    """The changes, with layers whose ops went into what a later one has now joined to it."""
    names: list[str] = []
    gone: list[str] = []
    for layer, (old, made) in layers.items():
        names, gone = [*names, layer], [*gone, *old]
        if made:
            yield LayerChange(", ".join(names), tuple(gone), tuple(made))
            names, gone = [], []
    if gone:
        yield LayerChange(", ".join(names), tuple(gone), ())


class _Ops:
    """The ops of a graph, told apart by all that they are."""

    def __init__(self, state: State) -> None:
        network = Network.unpack(state.data, "")
        self.entries = [
            (_layer(network, op), _kind(network, op, state), _key(network, op))
            for op in network.ops
        ]
        self.keys: Counter[Any] = Counter(key for _, _, key in self.entries)


def _kind(network: Network, op: Any, state: State) -> str:
    name = network.name(indices(op.outputs)[0])
    return "table" if name in state.tables and network.kind(op) == "CEIL" else network.kind(op)


def _layer(network: Network, op: Any) -> str:
    """The layer that an op belongs to: what passes add stands below it ("relu/table")."""
    return _plain(network.name(indices(op.outputs)[0])).split("/")[0]


def _plain(name: str) -> str:
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name


def _key(network: Network, op: Any) -> Any:
    """What an op is: its kind, settings, and the type, scale and values of what it touches."""
    settings = {} if op.builtinOptions is None else vars(op.builtinOptions)
    plain = tuple((k, str(v)) for k, v in sorted(settings.items()))
    touched = tuple(
        _tensor(network, i) for i in (*indices(op.inputs), *indices(op.outputs)) if i >= 0
    )
    return network.kind(op), plain, touched


def _tensor(network: Network, index: int) -> Any:
    tensor = network.graph.tensors[index]
    found = tensor.quantization
    scale = () if found is None or found.scale is None else tuple(np.atleast_1d(found.scale))
    value = network.model.buffers[tensor.buffer].data
    constant = 0 if value is None else hash(bytes(value))
    name = "" if constant else _plain(network.name(index))
    return name, network.dtype_of(index), network.shape(index), scale, constant


def _counted(kinds: tuple[str, ...]) -> str:
    """Kinds in order, with their number: "2 CONV_2D, RELU"."""
    counts = Counter(kinds)
    return ", ".join(kind if n == 1 else f"{n} {kind}" for kind, n in counts.items())
