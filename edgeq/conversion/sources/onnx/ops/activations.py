"""Activations: Keras's own where there is one, so that later steps know them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.graph import Node
from edgeq.conversion.sources.onnx.layout import Value, channels_last, with_last

_PLAIN = {
    "Mish": "mish", "Sigmoid": "sigmoid", "Softplus": "softplus", "Softsign": "softsign",
    "Tanh": "tanh", "HardSwish": "hard_silu", "Selu": "selu",
}  # fmt: skip
_SELU = (1.6732632, 1.0507010)


def plain(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """An activation without options."""
    value = net.dense(inputs[0])
    return net.like(value, net.layer(node, "Activation", value.tensor, activation=_PLAIN[node.op]))


def selu(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Gamma times the ELU of alpha; Keras's own where these are SELU's."""
    alpha, gamma = (float(node.get(n, d)) for n, d in zip(("alpha", "gamma"), _SELU, strict=True))
    if np.allclose((alpha, gamma), _SELU, atol=1e-5):
        return plain(net, node, inputs)
    value = net.dense(inputs[0])
    tensor = net.ops.elu(value.tensor, alpha)
    return net.like(value, net.named(node, net.ops.multiply(tensor, np.float32(gamma))))


def relu(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Negative values become 0."""
    value = net.dense(inputs[0])
    return net.like(value, net.layer(node, "ReLU", value.tensor))


def leaky(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Negative values shrink."""
    value = net.dense(inputs[0])
    slope = float(node.get("alpha", 0.01))
    return net.like(value, net.layer(node, "LeakyReLU", value.tensor, negative_slope=slope))


def elu(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """ELU and CELU, for which alpha stands in the exponent too."""
    value = net.dense(inputs[0])
    alpha = float(node.get("alpha", 1.0))
    if node.op == "Elu" or alpha == 1.0:
        return net.like(value, net.layer(node, "ELU", value.tensor, alpha=alpha))
    return net.like(value, net.named(node, net.ops.celu(value.tensor, alpha)))


def gelu(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """GELU, exact or by tanh."""
    value = net.dense(inputs[0])
    by_tanh = node.get("approximate", "none") == "tanh"
    return net.like(value, net.named(node, net.ops.gelu(value.tensor, approximate=by_tanh)))


def swish(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """X * sigmoid(alpha x)."""
    value = net.dense(inputs[0])
    alpha = float(node.get("alpha", 1.0))
    if alpha == 1.0:
        return net.like(value, net.layer(node, "Activation", value.tensor, activation="silu"))
    gate = net.ops.sigmoid(net.ops.multiply(value.tensor, alpha))
    return net.like(value, net.named(node, net.ops.multiply(value.tensor, gate)))


def hard_sigmoid(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Straight from 0 to 1."""
    value = net.dense(inputs[0])
    slope, middle = float(node.get("alpha", 0.2)), float(node.get("beta", 0.5))
    if abs(slope - 1 / 6) < 1e-6 and middle == 0.5:
        layer = net.layer(node, "Activation", value.tensor, activation="hard_sigmoid")
        return net.like(value, layer)
    line = net.ops.add(net.ops.multiply(value.tensor, np.float32(slope)), np.float32(middle))
    return net.like(value, net.named(node, net.ops.clip(line, 0.0, 1.0)))


def thresholded(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Values up to a threshold become 0."""
    value = net.dense(inputs[0])
    alpha = float(node.get("alpha", 1.0))
    return net.like(value, net.layer(node, "ReLU", value.tensor, threshold=alpha))


def softmax(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Softmax and its logarithm along one axis, which lies last on devices."""
    value = inputs[0]
    old = net.graph.opset < 13
    axis = node.get("axis", 1 if old else -1) % max(1, value.rank)
    if old and any(n != 1 for n in value.shape[axis + 1 :]):
        raise net.refuse(
            node, "before opset 13 it runs over several axes at once", "export with opset 13"
        )
    value = net.dense(value)
    order = with_last(value.order, [axis])
    tensor = net.stored(value, order)
    if node.op == "Softmax":
        return net.value(net.layer(node, "Softmax", tensor), order)
    return net.value(net.named(node, net.ops.log_softmax(tensor)), order)


def prelu(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Negative values times a learned slope."""
    value, slope = net.dense(inputs[0]), inputs[1].constant
    if slope is None:
        raise net.refuse(node, "its slope is computed by the model")
    if slope.size == 1:
        alpha = float(slope.ravel()[0])
        return net.like(value, net.layer(node, "LeakyReLU", value.tensor, negative_slope=alpha))
    shape = (*(1,) * value.rank, *slope.shape)[1 - value.rank :]
    if value.rank < 2 or math.prod(shape) != slope.size:
        raise net.refuse(node, f"a slope of shape {slope.shape} for {value.shape}")
    slope = slope.reshape(shape)
    order = channels_last(value.rank)
    own = np.transpose(slope, [axis - 1 for axis in order[1:]])
    shared = [axis + 1 for axis, n in enumerate(own.shape) if n == 1]
    layer = net.layer(
        node, "PReLU", net.stored(value, order), weights=[own], shared_axes=shared or None
    )
    return net.value(layer, order)


OPS = {
    **dict.fromkeys(_PLAIN, plain),
    "Selu": selu,
    "Celu": elu,
    "Elu": elu,
    "Gelu": gelu,
    "HardSigmoid": hard_sigmoid,
    "LeakyRelu": leaky,
    "LogSoftmax": softmax,
    "PRelu": prelu,
    "Relu": relu,
    "Softmax": softmax,
    "Swish": swish,
    "ThresholdedRelu": thresholded,
}
