"""Ops that say where numbers lie; most of them are words only (see `layout`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.folding import axes_of, target_shape
from edgeq.conversion.sources.onnx.graph import Node
from edgeq.conversion.sources.onnx.layout import Value, constant, moved
from edgeq.support.array import Array


def _arrays(inputs: Sequence[Value]) -> list[Array | None]:
    return [None if value is None else value.constant for value in inputs]


def _check_axes(net: Builder, node: Node, inputs: Sequence[Value]) -> None:
    """Refuse axes that only the running model knows."""
    if len(inputs) > 1 and inputs[1] is not None and inputs[1].constant is None:
        raise net.refuse(node, "the axes are computed by the model", "export with fixed shapes")


def reshape(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Another shape, the same numbers."""
    value = inputs[0]
    wanted = inputs[1].constant if len(inputs) > 1 else np.asarray(node.get("shape", ()))
    if wanted is None:
        raise net.refuse(node, "the shape is computed by the model", "export with fixed shapes")
    return net.reshaped(value, target_shape(node, value.shape, wanted.ravel().tolist()))


def flatten(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Two axes: those before one axis, and the rest."""
    value = inputs[0]
    axis = node.get("axis", 1)
    axis = axis + value.rank if axis < 0 else axis
    return net.reshaped(value, (math.prod(value.shape[:axis]), math.prod(value.shape[axis:])))


def squeeze(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Without axes of length 1."""
    value = inputs[0]
    _check_axes(net, node, inputs)
    axes = axes_of(node, _arrays(inputs), value.rank)
    if axes is None:
        axes = tuple(axis for axis, n in enumerate(value.shape) if n == 1)
    if any(value.shape[axis] != 1 for axis in axes):
        raise net.refuse(node, f"axes {axes} of {value.shape} are not all of length 1")
    return net.reshaped(value, [n for axis, n in enumerate(value.shape) if axis not in axes])


def unsqueeze(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """With more axes of length 1."""
    value = inputs[0]
    _check_axes(net, node, inputs)
    given = node.get("axes")
    second = inputs[1].constant if given is None and len(inputs) > 1 else None
    count = len(given) if given is not None else 0 if second is None else second.size
    axes = axes_of(node, _arrays(inputs), value.rank + count) or ()
    left = iter(value.shape)
    shape = [1 if axis in axes else next(left) for axis in range(value.rank + count)]
    return net.reshaped(value, shape)


def transpose(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Axes in another order: the tensor stays as it is."""
    value = net.dense(inputs[0])
    permutation = node.get("perm", tuple(range(value.rank))[::-1])
    if sorted(permutation) != list(range(value.rank)):
        raise net.refuse(node, f"axes {permutation} of {value.rank}")
    shape = tuple(value.shape[axis] for axis in permutation)
    return Value(shape, value.tensor, moved(value.order, permutation))


def shape_of(_net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """The shape, which is known."""
    whole = inputs[0].shape
    if node.op == "Size":
        return constant(np.array(math.prod(whole), np.int64))
    return constant(np.array(whole[node.get("start", 0) : node.get("end")], np.int64))


OPS = {
    "Flatten": flatten,
    "Reshape": reshape,
    "Shape": shape_of,
    "Size": shape_of,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
