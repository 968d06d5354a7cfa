"""Ops that work on each element by itself, with one value or several."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.folding import numpy_type
from edgeq.conversion.sources.onnx.graph import Node
from edgeq.conversion.sources.onnx.layout import Value
from edgeq.support.array import Array

_LAYERS = {"Add": "Add", "Mul": "Multiply", "Sub": "Subtract", "Max": "Maximum", "Min": "Minimum"}
_FUNCTIONS = {
    "Add": "add", "And": "logical_and", "Div": "divide", "Equal": "equal", "Greater": "greater",
    "GreaterOrEqual": "greater_equal", "Less": "less", "LessOrEqual": "less_equal",
    "Max": "maximum", "Min": "minimum", "Mul": "multiply", "Or": "logical_or", "Pow": "power",
    "Sub": "subtract", "Xor": "logical_xor",
}  # fmt: skip
_UNARY = {
    "Abs": "abs", "Ceil": "ceil", "Cos": "cos", "Erf": "erf", "Exp": "exp", "Floor": "floor",
    "Log": "log", "Neg": "negative", "Not": "logical_not", "Round": "round", "Sign": "sign",
    "Sin": "sin", "Sqrt": "sqrt", "Tan": "tan", "Reciprocal": "reciprocal",
}  # fmt: skip


def several(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Values broadcast against each other."""
    if len(inputs) == 1:
        return inputs[0]
    if node.op in ("Max", "Min", "Add", "Mul"):  # one that is no constant comes first
        inputs = sorted(inputs, key=lambda value: value.constant is not None)
    tensors, order = net.aligned(inputs)
    dynamic = all(value.constant is None for value in inputs)
    # Keras's layers take the first axis for a batch, which does not broadcast.
    alike = len({tuple(tensor.shape[:1]) for tensor in tensors}) == 1
    if dynamic and alike and node.op in _LAYERS and len(tensors) == 2:
        return net.value(net.layer(node, _LAYERS[node.op], tensors), order)
    function = net.add if node.op == "Add" else getattr(net.ops, _FUNCTIONS[node.op])
    if node.op == "Div" and str(getattr(tensors[0], "dtype", "")).startswith("int"):
        function = partial(_whole_times, net)
    if node.op == "Pow" and inputs[1].constant is not None:
        return net.value(_power(net, node, *tensors), order)
    if node.op == "Div" and inputs[1].constant is not None and function is net.ops.divide:
        # A device multiplies faster than it divides.
        return net.value(net.named(node, net.ops.multiply(tensors[0], 1 / tensors[1])), order)
    return net.value(net.named(node, reduce(function, tensors)), order)


def _whole_times(net: Builder, left: Any, right: Any) -> Any:
    """How often an integer goes into another, rounded towards zero."""
    ops = net.ops
    times = ops.floor_divide(ops.abs(left), ops.abs(right))
    return ops.multiply(times, ops.multiply(ops.sign(left), ops.sign(right)))


def _power(net: Builder, node: Node, tensor: Any, power: Array) -> Any:
    """Squares, roots and cubes as ops that every runtime has."""
    if power.size == 1:
        known: dict[float, Callable[[Any], Any]] = {
            2.0: net.ops.square,
            0.5: net.ops.sqrt,
            -0.5: net.ops.rsqrt,
            3.0: lambda x: net.ops.multiply(net.ops.square(x), x),
        }
        if float(power.ravel()[0]) in known:
            return net.named(node, known[float(power.ravel()[0])](tensor))
    return net.named(node, net.ops.power(tensor, power))


def mean(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """The mean of several values."""
    inputs = sorted(inputs, key=lambda value: value.constant is not None)
    tensors, order = net.aligned(inputs)
    return net.value(net.named(node, reduce(net.add, tensors) * (1 / len(tensors))), order)


def one(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """A function of one value."""
    value = net.dense(inputs[0])
    function = getattr(net.ops, _UNARY[node.op])
    return net.like(value, net.named(node, function(value.tensor)))


def same(_net: Builder, _node: Node, inputs: Sequence[Value]) -> Value:
    """Nothing, when the model runs."""
    return inputs[0]


def dropout(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Nothing, unless the file is of training."""
    training = inputs[2] if len(inputs) > 2 else None
    if training is not None and (training.constant is None or training.constant.any()):
        raise net.refuse(node, "it is in training mode", "model.eval() before the export")
    return inputs[0]


def cast(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Another type; devices count in int32 where ONNX counts in int64."""
    value = net.dense(inputs[0])
    wanted = (
        numpy_type(node.get("to", 0)) if node.op == "Cast" else str(net.stored(inputs[1]).dtype)
    )
    wanted = {"int64": "int32", "float64": "float32"}.get(wanted, wanted)
    if not wanted:
        raise net.refuse(node, f"type {node.get('to')} is none that a device has")
    if str(value.tensor.dtype) == wanted:
        return value
    return net.like(value, net.named(node, net.ops.cast(value.tensor, wanted)))


def where(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """One of two values by a condition."""
    tensors, order = net.aligned(inputs)
    return net.value(net.named(node, net.ops.where(*tensors)), order)


def clip(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Values cut off at two ends."""
    value = net.dense(inputs[0])
    low, high = (_bound(net, node, inputs, i, name) for i, name in ((1, "min"), (2, "max")))
    if low is None and high is None:
        return value
    known = isinstance(low, float) and (high is None or isinstance(high, float))
    in_order = known and (high is None or low <= high)
    if in_order and low == 0.0 and str(value.tensor.dtype) == "float32":
        return net.like(value, net.layer(node, "ReLU", value.tensor, max_value=high))
    tensor = value.tensor
    if in_order and high is not None:
        tensor = net.ops.clip(tensor, low, high)
    else:
        # The upper end counts where both cross.
        tensor = tensor if low is None else net.ops.maximum(tensor, low)
        tensor = tensor if high is None else net.ops.minimum(tensor, high)
    return net.like(value, net.named(node, tensor))


def _bound(net: Builder, node: Node, inputs: Sequence[Value], position: int, name: str) -> Any:
    """One of the ends: a number, a tensor of one that the model computes, or None."""
    if name in node.attributes:
        found = float(node.get(name))
    elif len(inputs) > position and inputs[position] is not None:
        bound = inputs[position]
        if math.prod(bound.shape) != 1:
            raise net.refuse(node, f"its {name} has the shape {bound.shape}")
        if bound.constant is None:
            return net.ops.reshape(net.stored(bound), (1,) * inputs[0].rank)
        found = float(bound.constant.ravel()[0])
    else:
        return None
    return found if abs(found) < 1e30 else None


OPS = {
    **dict.fromkeys(_FUNCTIONS, several),
    **dict.fromkeys(_UNARY, one),
    "Cast": cast,
    "CastLike": cast,
    "Clip": clip,
    "Dropout": dropout,
    "Identity": same,
    "Mean": mean,
    "Sum": lambda net, node, inputs: several(
        net, Node("Add", node.name, node.inputs, node.outputs), inputs
    ),
    "Where": where,
}
