"""Activations that TensorFlow's converter knows as a whole, kept apart from a ReLU behind them.

GELU and hard SiLU come from TensorFlow as products of their parts, which the converter finds and
makes one op of. A ReLU behind the last product is fused into it before, and the rest is then a
dozen ops, or none that TensorFlow Lite has:

    Mul(x, ... erfc(x)), Relu     ->     Mul(x, ... erfc(x)), Maximum(lowest float), Relu

`drop_barriers` takes the Maximum out again. On the same way through the graph sums of integers that
TensorFlow Lite lacks in one form take another, and biases are put where TensorFlow adds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

LOWEST = float(np.finfo(np.float32).min)
"""What no value is below."""
_FUSED = frozenset({"Relu", "Relu6", "Maximum", "Minimum"})
_SAME = frozenset({"Identity", "StopGradient", "PreventGradient", "CheckNumerics", "Snapshot"})
_INSIDE = frozenset({"AddV2", "Add", "Mul", "RealDiv", "Sub"}) | _SAME
_GATES = frozenset({"Erf", "Erfc", "Relu6", "Tanh"})
_DEPTH = 4


def keep_apart(tf: Any, function: Any) -> Any:
    """A frozen function with a barrier behind each of these activations that needs one.

    Where BiasAdd takes integers it becomes a sum; of convolutions, see `turn_biases`.

    Args:
        tf: The module.
        function: A concrete function without variables; given back if there is nothing to do.
    """
    graph_def = function.graph.as_graph_def()
    makers = {node.name: node for node in graph_def.node}
    before: dict[str, str] = {}
    for node in list(graph_def.node):
        if node.op in _FUSED and node.attr["T"].type == tf.float32.as_datatype_enum:
            for place, source in enumerate(node.input):
                if _is_gated(makers, source):
                    if source not in before:
                        before[source] = _barrier(tf, graph_def, source)
                    node.input[place] = before[source]
    added = _add_integers(tf, graph_def)
    turned = turn_biases(graph_def.node, makers)
    if not before and not added and not turned:
        return function

    def build() -> None:
        tf.graph_util.import_graph_def(graph_def, name="")

    wrapped = tf.compat.v1.wrap_function(build, [])
    sides = ([t.name for t in side] for side in (function.inputs, function.outputs))
    inputs, outputs = ([wrapped.graph.as_graph_element(n) for n in names] for names in sides)
    for tensor, known in zip(inputs, function.inputs, strict=True):
        tensor.set_shape(known.shape)
    return wrapped.prune(inputs, outputs)


def turn_biases(nodes: Iterable[Any], makers: Mapping[str, Any]) -> bool:
    """Give biases of convolutions with channels first the convolutions' order of axes.

    Where pictures are as wide as they have channels, Keras 3 asks for the bias along the width.
    TensorFlow makes one op of Conv2D and BiasAdd in graphs, so in `fit` and `predict`, and takes
    the order of axes of the first for both. Of other kinds of convolutions it makes no such op;
    eagerly and by XLA neither, where the bias then is along the width.

    Args:
        nodes: Of a graph.
        makers: The same by name.

    Returns:
        Whether there were any.
    """
    found = []
    for node in nodes:
        if node.op == "BiasAdd" and node.attr["data_format"].s in (b"", b"NHWC"):
            source = makers.get(node.input[0])
            of_conv = source is not None and source.op == "Conv2D"
            if of_conv and source.attr["data_format"].s == b"NCHW":
                found.append(node)
    for node in found:
        node.attr["data_format"].s = b"NCHW"
    return bool(found)


def _add_integers(tf: Any, graph_def: Any) -> bool:
    """Make sums of BiasAdd where it takes integers, which TensorFlow Lite has for floats alone.

    Keras makes it of any tensor and a constant vector: of ids and the offsets of their fields.

    Returns:
        Whether there were any.
    """
    found = [
        node
        for node in graph_def.node
        if node.op == "BiasAdd"
        and tf.as_dtype(node.attr["T"].type).is_integer
        and node.attr["data_format"].s in (b"", b"NHWC")
    ]
    for node in found:
        node.op = "AddV2"
        del node.attr["data_format"]
    return bool(found)


def _barrier(tf: Any, graph_def: Any, source: str) -> str:
    """The name of what gives the same values as a node in a way that nothing is fused into."""
    name = source.replace(":", "_") + "/barrier"
    lowest = graph_def.node.add(op="Const", name=f"{name}/lowest")
    lowest.attr["dtype"].type = tf.float32.as_datatype_enum
    lowest.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(LOWEST)))
    made = graph_def.node.add(op="Maximum", name=name, input=[source, lowest.name])
    made.attr["T"].type = tf.float32.as_datatype_enum
    return name


def _is_gated(makers: dict[str, Any], source: str) -> bool:
    """Whether a value is a product one of whose factors is a gate such as erf."""
    node = makers.get(source)
    while node is not None and node.op in _SAME:
        node = makers.get(node.input[0])
    return node is not None and node.op == "Mul" and _holds_gate(makers, node, _DEPTH)


def _holds_gate(makers: dict[str, Any], node: Any, depth: int) -> bool:
    if node.op in _GATES:
        return True
    if depth == 0 or node.op not in _INSIDE:
        return False
    return any(
        name in makers and _holds_gate(makers, makers[name], depth - 1) for name in node.input
    )
