"""Normalizations: of batches, of the last axes, of groups of channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.graph import Node
from edgeq.conversion.sources.onnx.layout import Value, channels_last, with_last
from edgeq.support.array import Array


def _known(net: Builder, node: Node, inputs: Sequence[Value]) -> list[Array]:
    """The learned numbers behind the first input."""
    found = [value.constant for value in inputs[1:] if value is not None]
    known = [array for array in found if array is not None]
    if len(known) < len(found):
        raise net.refuse(node, "its scale or bias is computed by the model")
    return known


def batch(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Batch normalization with the statistics of training."""
    value = inputs[0]
    weights = _known(net, node, inputs)
    if node.get("training_mode", 0):
        raise net.refuse(node, "it is in training mode", "model.eval() before the export")
    if len(weights) != 4 or any(array.size != value.shape[1] for array in weights):
        raise net.refuse(node, "four numbers for each channel are needed")
    order = channels_last(value.rank)
    tensor = net.layer(
        node, "BatchNormalization", net.stored(value, order), weights=weights,
        epsilon=float(node.get("epsilon", 1e-5)),
    )  # fmt: skip
    return net.value(tensor, order)


def layer(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Layer normalization over the last axes."""
    value = inputs[0]
    axis = node.get("axis", -1) % value.rank
    axes = list(range(axis, value.rank))
    if len(node.outputs) > 1 and any(node.outputs[1:]):
        raise net.refuse(node, "its mean or deviation is read")
    value = net.dense(value)
    order = with_last(value.order, axes)
    shape = [value.shape[a] for a in axes]
    gamma, *rest = (np.broadcast_to(w, shape) for w in _known(net, node, inputs))
    tensor = net.layer(
        node, "LayerNormalization", net.stored(value, order), weights=[gamma, *rest],
        axis=list(range(axis, value.rank)), center=bool(rest),
        epsilon=float(node.get("epsilon", 1e-5)),
    )  # fmt: skip
    return net.value(tensor, order)


def rms(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Division by the root of the mean square of the last axis."""
    value = net.dense(inputs[0])
    axis = node.get("axis", -1) % value.rank
    if axis != value.rank - 1:
        raise net.refuse(node, "it runs over several axes")
    order = with_last(value.order, [axis])
    tensor = net.layer(
        node, "RMSNormalization", net.stored(value, order), weights=_known(net, node, inputs),
        epsilon=float(node.get("epsilon", 1e-5)),
    )  # fmt: skip
    return net.value(tensor, order)


def group(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Normalization of each group of channels, or of each channel (instance)."""
    value, weights = inputs[0], _known(net, node, inputs)
    channels = value.shape[1]
    groups = channels if node.op == "InstanceNormalization" else int(node.get("num_groups", 0))
    if groups < 1 or channels % groups:
        raise net.refuse(node, f"{groups} groups of {channels} channels")
    if any(array.size not in (groups, channels) for array in weights):
        raise net.refuse(node, f"its scale and bias do not fit {channels} channels")
    # Before opset 21 there is one number for each group, later one for each channel.
    own = [np.repeat(array.ravel(), channels // array.size) for array in weights]
    order = channels_last(value.rank)
    tensor = net.layer(
        node, "GroupNormalization", net.stored(value, order), weights=own, groups=groups,
        epsilon=float(node.get("epsilon", 1e-5)),
    )  # fmt: skip
    return net.value(tensor, order)


def unit(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Division by the length along an axis."""
    value = net.dense(inputs[0])
    if node.get("p", 2) != 2:
        raise net.refuse(node, f"the norm of order {node.get('p')}")
    order = with_last(value.order, [node.get("axis", -1) % value.rank])
    tensor = net.layer(node, "UnitNormalization", net.stored(value, order), axis=-1)
    return net.value(tensor, order)


def mean_variance(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Zero mean and unit variance over axes."""
    value = net.dense(inputs[0])
    axes = [value.stored_axis(axis) for axis in node.get("axes", (0, 2, 3))]
    centred = net.ops.subtract(value.tensor, net.ops.mean(value.tensor, axis=axes, keepdims=True))
    power = net.ops.mean(net.ops.square(centred), axis=axes, keepdims=True)
    tensor = net.ops.multiply(centred, net.ops.rsqrt(net.ops.add(power, 1e-9)))
    return net.like(value, net.named(node, tensor))


OPS = {
    "BatchNormalization": batch,
    "GroupNormalization": group,
    "InstanceNormalization": group,
    "LayerNormalization": layer,
    "LpNormalization": unit,
    "MeanVarianceNormalization": mean_variance,
    "RMSNormalization": rms,
}
