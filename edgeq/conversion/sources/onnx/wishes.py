"""In which order the inputs should lie: as what reads them first wants it."""

from __future__ import annotations

from edgeq.conversion.sources.onnx.graph import Graph, Node
from edgeq.conversion.sources.onnx.layout import Order, channels_last, in_place, without

_LAST: Order = (-1,)  # channels last, of whatever rank
_PLACES = frozenset({
    "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace",
    "GlobalAveragePool", "GlobalMaxPool", "GroupNormalization", "InstanceNormalization", "MaxPool",
    "Resize", "SpaceToDepth", "Upsample",
})  # fmt: skip
_STEPS = frozenset({"GRU", "LSTM", "RNN"})
_SILENT = frozenset({"Shape", "Size"})
_SAME = frozenset({
    "Abs", "Add", "Cast", "Clip", "Concat", "Div", "Dropout", "Elu", "Exp", "Gelu", "HardSigmoid",
    "HardSwish", "Identity", "LeakyRelu", "Log", "Max", "Min", "Mul", "Neg", "PRelu", "Pad", "Pow",
    "Relu", "Sigmoid", "Slice", "Softplus", "Split", "Sqrt", "Sub", "Sum", "Swish", "Tanh",
})  # fmt: skip


def input_orders(graph: Graph) -> dict[str, Order]:
    """The order of each input: channels last for convolutions, batch first for recurrent layers."""
    wished: dict[str, Order] = {}
    for node in reversed(graph.nodes):
        own = _wish(graph, node, wished)
        readable = node.inputs if node.op in _SAME else node.inputs[:1]
        for name in readable:
            if own is not None:
                wished[name] = own
            elif node.op not in _SILENT:
                wished.pop(name, None)
    found = {}
    for taken in graph.inputs:
        rank = len(taken.shape)
        order = wished.get(taken.name, in_place(rank))
        order = channels_last(rank) if order == _LAST else order
        found[taken.name] = order if len(order) == rank else in_place(rank)
    return found


def _wish(graph: Graph, node: Node, wished: dict[str, Order]) -> Order | None:
    """How a node wants its first input; None if as the file has it."""
    if node.op in _PLACES:
        return _LAST
    if node.op in _STEPS and not node.get("layout", 0):
        return (1, 0, 2)
    after = wished.get(node.outputs[0]) if node.outputs else None
    if after is None:
        return None
    if node.op in _SAME:
        return after
    if node.op == "Transpose" and node.get("perm"):
        permutation = node.get("perm")
        after = channels_last(len(permutation)) if after == _LAST else after
        fits = len(after) == len(permutation) and max(permutation) < len(permutation)
        return tuple(permutation[axis] for axis in after) if fits else None
    if node.op == "Unsqueeze" and after != _LAST:
        return _without_axes(graph, node, after)
    return None


def _without_axes(graph: Graph, node: Node, after: Order) -> Order | None:
    given = node.get("axes")
    if given is None and len(node.inputs) > 1 and node.inputs[1] in graph.constants:
        given = graph.constants[node.inputs[1]].ravel().tolist()
    if given is None or any(not -len(after) <= axis < len(after) for axis in given):
        return None
    return without(after, [axis % len(after) for axis in given])
