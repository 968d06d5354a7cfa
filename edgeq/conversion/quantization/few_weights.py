"""Layers that stay at 8 bits where a scheme has 4: those with so few weights that it costs little.

What 4 bits add to the outputs of a net hangs on its layers, hardly on their sizes: the first
convolution, shortcuts and the classifier matter as much as a layer with fifty times their weights.
So the smallest layers keep their 8 bits, as many as together have a small share of all weights.
"""

from __future__ import annotations

import numpy as np

from edgeq.model.graph import Graph, Op
from edgeq.support.array import Array

# Of the weights that could have 4 bits; the file grows by half a byte for each.
_SHARE = 1 / 8
_NARROW = ("CONV_2D", "FULLY_CONNECTED")
_LARGEST = 7
_ON_THE_GRID = 1e-3


def layers_with_few_weights(graph: Graph) -> list[Op]:
    """The smallest of the layers that could have 4-bit weights, the smallest first.

    Weights that several layers share count once, and the layers go together. Those that training
    has made 4-bit integers of would win nothing.
    """
    sharers: dict[int, list[Op]] = {}
    for op in graph.main.ops:
        if op.name in _NARROW and graph.main.tensors[op.inputs[1]].is_constant:
            sharers.setdefault(op.inputs[1], []).append(op)
    sizes = {index: graph.main.tensors[index].elements for index in sharers}
    room = _SHARE * sum(sizes.values())
    found: list[Op] = []
    for index in sorted(sizes, key=lambda index: sizes[index]):
        room -= sizes[index]
        if room < 0:
            break
        if not _trained(graph.main.tensors[index].data, sharers[index][0].name):
            found.extend(sharers[index])
    return found


def _trained(weights: Array | None, kind: str) -> bool:
    """Whether all weights are whole steps, seven to the largest of their scale."""
    if weights is None:
        return False
    scales = 1 if kind == "FULLY_CONNECTED" else len(weights)
    rows = np.asarray(weights, np.float64).reshape(scales, -1)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    steps = rows * _LARGEST / np.where(largest > 0, largest, 1.0)
    return bool((np.abs(steps - np.round(steps)) < _ON_THE_GRID).all())


def kept_at_eight_bits(made: Graph) -> dict[str, str]:
    """The layers of a model of 4-bit weights that have 8, and that scheme, by their outputs."""
    tensors = made.main.tensors
    return {
        tensors[op.outputs[0]].name: "int8"
        for op in made.main.ops
        if op.name in _NARROW and tensors[op.inputs[1]].dtype == "int8"
    }
