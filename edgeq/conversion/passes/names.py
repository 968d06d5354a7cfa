"""Tensor names that say which Keras layers an op came from, and are unique and reproducible.

The converter joins the names of everything it fused ("model/activation/Relu;model/batch_norm...")
and numbers what it cannot name, differently from run to run. Here an op's output is called after
its layers, "conv2d;batch_normalization;activation", and its constants "conv2d.../weights".
Quantizers match by these names, errors show them, and the bytes stay the same every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeq.conversion.flatbuffer import indices, op_kinds, set_signature
from edgeq.conversion.network import Network
from edgeq.conversion.sources.exported import Exported

_CALL = "StatefulPartitionedCall"
_INNER_SCOPES = frozenset({"batchnorm", "moments"})
_ROLES = {1: "weights", 2: "bias"}


def name_tensors(exported: Exported, source: str) -> Network:
    """The network with layer names for tensor names, a signature, and batch 1 for good."""
    network = Network.unpack(exported.data, source)
    model = network.model
    model.metadata = [m for m in model.metadata or [] if m.name != b"CONVERSION_METADATA"]
    model.description = None
    kinds = [kind.lower() for kind in op_kinds(model)]
    for number, graph in enumerate(model.subgraphs):
        found = _layers_of_ops(graph, exported.layers)
        names = _Names(graph, f"subgraph_{number}/" if number else "")
        if graph is model.subgraphs[0]:
            names.give_all(graph.inputs, (*exported.input_names, *exported.states))
            later = (f"{name}/next" for name in exported.states)
            names.give_all(graph.outputs, (*exported.output_names, *later))
        _name_ops(graph, names, kinds, found)
    # A tensor may be input and output at once, or two outputs, and still has one name.
    following = tuple(f"{name}/next" for name in exported.states)
    inputs = _numbered((*exported.input_names, *exported.states))
    outputs = _numbered((*exported.output_names, *following))
    set_signature(model, inputs, outputs, exported.signature)
    network.states = len(exported.states)
    network.answers = exported.answers
    return network


def _numbered(names: Sequence[str]) -> list[str]:
    """Names with a number behind those that were there before."""
    found: list[str] = []
    for name in names:
        number, free = 2, name
        while free in found:
            free, number = f"{name}:{number}", number + 1
        found.append(free)
    return found


class _Names:
    """Gives every tensor of a subgraph one name, and every name to one tensor."""

    def __init__(self, graph: Any, prefix: str) -> None:
        self._prefix = prefix
        self._tensors = graph.tensors
        self._taken: set[str] = set()
        self._named: set[int] = set()

    def give(self, index: int, *choices: str) -> None:
        """Name a tensor that has none yet with the first free choice, numbered if none is."""
        if index < 0 or index in self._named:
            return
        free = [name for name in choices if name not in self._taken]
        name, number = (free or [choices[-1]])[0], 2
        while name in self._taken:
            name = f"{choices[-1]}:{number}"
            number += 1
        self._taken.add(name)
        self._named.add(index)
        self._tensors[index].name = (self._prefix + name).encode()

    def give_all(self, tensors: Any, names: Sequence[str]) -> None:
        """Name several tensors, by position."""
        for index, name in zip(indices(tensors), names, strict=True):
            self.give(index, name)


def _layers_of_ops(graph: Any, layers: Sequence[str]) -> list[tuple[str, ...]]:
    """The layers behind each op, by the names that the converter gave."""
    outputs = [graph.tensors[indices(op.outputs)[0]] for op in graph.operators or []]
    found = [layers_of((t.name or b"").decode("utf-8", "replace"), layers) for t in outputs]
    return found if layers else _without_common_scope(found)


def _name_ops(
    graph: Any, names: _Names, kinds: list[str], found: Sequence[tuple[str, ...]]
) -> None:
    for op, own in zip(graph.operators or [], found, strict=True):
        kind = kinds[op.opcodeIndex]
        layer = ";".join(own) or kind
        outputs = indices(op.outputs)
        for index in outputs:
            names.give(index, layer, f"{layer}/{kind}")
        base = graph.tensors[outputs[0]].name.decode()
        for position, index in enumerate(indices(op.inputs)):
            names.give(index, f"{base}/{_ROLES.get(position, f'input_{position}')}")
    for index in range(len(graph.tensors)):
        names.give(index, f"tensor_{index}")


def _without_common_scope(found: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Layer paths without the model's own name in front, where all have it."""
    firsts = {path.split("/")[0] for own in found for path in own if "/" in path}
    if len(firsts) != 1 or any("/" not in path for own in found for path in own):
        return found
    return [tuple(path.partition("/")[2] for path in own) for own in found]


def layers_of(raw: str, layers: Sequence[str] = ()) -> tuple[str, ...]:
    """The layers behind one of the converter's tensor names.

    Args:
        raw: Op names joined by ";".
        layers: Known layer paths, in model order; empty to go by the scopes alone.

    Returns:
        Layer paths, each once, in the order they run.
    """
    found: list[str] = []
    known = {path: position for position, path in enumerate(layers)}
    for part in raw.split(";"):
        scopes = [scope for scope in part.split("/") if scope and scope != _CALL]
        layer = _known_layer(scopes, known) if known else "/".join(_outer_scopes(scopes))
        if layer and not layer.isdigit() and layer not in (*found, "Identity"):
            found.append(layer)
    # The converter puts what runs last first.
    return tuple(sorted(found, key=known.__getitem__) if known else reversed(found))


def _known_layer(scopes: list[str], known: dict[str, int]) -> str:
    for length in range(len(scopes), 0, -1):
        path = "/".join(scopes[:length])
        if path in known:
            return path
    return ""


def _outer_scopes(scopes: list[str]) -> list[str]:
    """The scopes of a layer: without the op's own name and the scopes that Keras opens inside."""
    outer = scopes[:-1] if len(scopes) > 1 else scopes
    while len(outer) > 1 and outer[-1] in _INNER_SCOPES:
        outer = outer[:-1]
    return outer
