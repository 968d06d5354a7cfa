"""The Keras model of an ONNX graph: from here on, an ONNX file is as any Keras file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from edgeq.conversion.sources.imported import Imported
from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.folding import bounded, fold
from edgeq.conversion.sources.onnx.graph import Graph, Input, Node
from edgeq.conversion.sources.onnx.layout import (
    Order,
    Value,
    channels_last,
    constant,
    in_place,
    long_axes,
)
from edgeq.conversion.sources.onnx.names import plain
from edgeq.conversion.sources.onnx.ops import OPS
from edgeq.conversion.sources.onnx.rewriting import simplified
from edgeq.conversion.sources.onnx.wishes import input_orders
from edgeq.conversion.tensorflow import first_line, import_tensorflow, quiet
from edgeq.errors import EdgeqError
from edgeq.support.reasons import plain_words, reason_of

_REASONS = {
    "If": "it decides by a value which ops run", "Loop": "it loops", "Scan": "it loops",
    "NonMaxSuppression": "how many boxes it gives is known only when it runs",
    "NonZero": "how much it gives is known only when it runs",
    "QuantizeLinear": "the model is quantized already", "QLinearConv": "it is quantized already",
    "DynamicQuantizeLinear": "it is quantized already",
}  # fmt: skip


# Ops that take more than a few steps for each number that they read or make; and those that make
# more numbers than they read.
_LABORIOUS = frozenset(
    {"AveragePool", "Conv", "ConvTranspose", "Einsum", "GRU", "Gemm", "LSTM", "MaxPool", "RNN"}
)
_GROWING = frozenset({"Pad", "Resize", "Upsample"})

_MOST_LAYERS = 5_000
"""Ops that are made layers of: so many in a row take 15 s and 1 GB to convert."""
_MOST_FRAMES = 8_000  # of Python's stack: before Python 3.11 each took some of C's 8 MB


def keras_model(graph: Graph) -> Imported:
    """The Keras model that computes what the graph does, channels last.

    Raises:
        EdgeqError: An op that no device has, or shapes that only the running model knows.
    """
    tf, keras = import_tensorflow()
    given_graph = graph
    with quiet():
        graph = simplified(graph)
        if len(graph.nodes) > _MOST_LAYERS:
            raise EdgeqError(
                f"The model has {len(graph.nodes):,} ops; {_MOST_LAYERS:,} are converted at most.",
                graph.source,
                "export a smaller model: a loop over steps may have been unrolled",
            )
        net = Builder(tf, keras, graph)
        values = {name: constant(array) for name, array in graph.constants.items()}
        orders = input_orders(graph)
        taken = {}
        for each in graph.inputs:
            order = _with_batch(graph, each, orders[each.name])
            name = net.unique(plain(each.name))
            tensor = keras.Input(
                batch_shape=tuple(each.shape[axis] for axis in order), dtype=each.dtype, name=name
            )
            values[each.name] = net.value(tensor, order)
            taken[name] = (tensor, order)
        for node in graph.nodes:
            _run(net, node, values)
        given = {plain(name): _output(net, name, values[name]) for name in graph.outputs}
        with _deep_stack(graph.source):
            model = keras.Model(
                [tensor for tensor, _ in taken.values()],
                {name: tensor for name, (tensor, _) in given.items()},
            )
    _name_operations(keras, model, net)
    return Imported(
        model,
        {name: order for name, (_, order) in taken.items()},
        {name: order for name, (_, order) in given.items()},
        frozenset(net.silent),
        given_graph,
    )


@contextmanager
def _deep_stack(source: str) -> Iterator[None]:
    """Room on Python's stack for Keras, which goes through layers in a row by calling itself."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(max(usual, _MOST_FRAMES))
    try:
        yield
    except RecursionError as error:
        raise EdgeqError("The model has too many layers in a row for Keras.", source) from error
    finally:
        sys.setrecursionlimit(usual)


def _with_batch(graph: Graph, taken: Input, order: Order) -> Order:
    """The order, if one sample at a time can be taken in it."""
    if not order or taken.shape[order[0]] == 1:
        return order
    units = [axis for axis in order if taken.shape[axis] == 1]
    if not units or taken.shape[0] == 1:
        raise EdgeqError(
            f"Input '{plain(taken.name)}' takes {taken.shape[0]} samples at once: {taken.shape}.",
            graph.source,
            "export it for one sample (a batch of 1), or with an open batch axis",
        )
    return (units[0], *(axis for axis in order if axis != units[0]))


def _run(net: Builder, node: Node, values: dict[str, Value]) -> None:
    """Put what a node gives among the values.

    Raises:
        EdgeqError: It cannot be converted.
    """
    net.current = node
    inputs = [values[name] if name else None for name in node.inputs]
    arrays = [None if value is None else value.constant for value in inputs]
    known = all(value is None or value.constant is not None for value in inputs)
    made: Any = fold(node, arrays, net.graph, net.room) if known else None
    if made is not None:
        made = [constant(array) for array in made]
    elif node.op not in OPS:
        why = _REASONS.get(node.op, "there is no such op on devices, or edgeq does not know it")
        raise net.refuse(node, why)
    else:
        try:
            if known:
                _check_cost(net, node, inputs)
            made = OPS[node.op](net, node, inputs)
        except EdgeqError:
            raise
        except Exception as error:
            ours = isinstance(error, LookupError | ArithmeticError)
            why = reason_of(error) if ours else plain_words(first_line(error))
            raise net.refuse(node, why) from error
    several = made if isinstance(made, list) else [made]
    if known:
        several = [_computed(net, value) for value in several]
    found = zip(node.outputs, several, strict=False)
    values.update({name: value for name, value in found if name and value is not None})


def _check_cost(net: Builder, node: Node, inputs: list[Value | None]) -> None:
    """Refuse what would be computed of constants, and might take any time or memory.

    Raises:
        EdgeqError: Its work grows faster than what it reads and makes.
        ValueError: What it makes is too large.
    """
    first = inputs[0] if inputs else None
    if node.op in _LABORIOUS or first is None or first.constant is None:
        raise net.refuse(node, "nothing of the model's inputs goes in; export it as a constant")
    net.room.take(node, [None if value is None else value.constant for value in inputs])
    if node.op in _GROWING:
        stand_in = net.keras.Input(batch_shape=first.shape, dtype=net.stored(first).dtype.name)
        made: Any = OPS[node.op](net, node, [net.value(stand_in), *inputs[1:]])
        bounded(made.shape)


def _computed(net: Builder, value: Value | None) -> Value | None:
    """What a layer makes of constants is one, whatever Keras computed it with."""
    if value is None or value.constant is not None:
        return value
    return constant(np.asarray(net.stored(value)))


def _output(net: Builder, name: str, value: Value) -> tuple[Any, Order]:
    """What the model gives under a name, and how its axes lie."""
    if value.constant is not None:
        raise EdgeqError(
            f"Output '{plain(name)}' is the same whatever goes in.",
            net.graph.source,
            "export the model without it",
        )
    net.current = Node("", plain(name), (), ())
    value = net.dense(value)
    last = channels_last(value.rank)
    pictures = value.rank > 2 and value.order == last
    moved = long_axes(value.shape, last) != long_axes(value.shape, in_place(value.rank))
    if pictures and moved:
        return value.tensor, last
    return net.stored(value), in_place(value.rank)


def _name_operations(keras: Any, model: Any, net: Builder) -> None:
    """Names that are the same every time, for functions that Keras numbers by itself."""
    for operation in model.operations:
        if not isinstance(operation, keras.layers.Layer) and operation.name not in net.names:
            operation.name = net.unique(f"{type(operation).__name__.lower()}")
