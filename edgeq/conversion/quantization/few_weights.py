"""Layers that stay at 8 bits where a scheme has 4: those with so few weights that it costs little.

What 4 bits add to the outputs of a net hangs on its layers, hardly on their sizes: the first
convolution, shortcuts and the classifier matter as much as a layer with fifty times their weights.
So the smallest layers keep their 8 bits, as many as together have a small share of all weights.
"""

from __future__ import annotations

from edgeq.model.graph import Graph, Op

# Of the weights that could have 4 bits; the file grows by half a byte for each.
_SHARE = 0.05
_NARROW = ("CONV_2D", "FULLY_CONNECTED")


def layers_with_few_weights(graph: Graph) -> list[Op]:
    """The smallest of the layers that could have 4-bit weights, the smallest first.

    Weights that several layers share count once, and the layers go together.
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
        found.extend(sharers[index])
    return found


def kept_at_eight_bits(made: Graph) -> dict[str, str]:
    """The layers of a model of 4-bit weights that have 8, and that scheme, by their outputs."""
    tensors = made.main.tensors
    return {
        tensors[op.outputs[0]].name: "int8"
        for op in made.main.ops
        if op.name in _NARROW and tensors[op.inputs[1]].dtype == "int8"
    }
