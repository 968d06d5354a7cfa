"""What the ops are built with: Keras layers and functions with the names of the ONNX nodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeq.conversion.sources.onnx.folding import Room
from edgeq.conversion.sources.onnx.graph import Graph, Node
from edgeq.conversion.sources.onnx.layout import (
    Order,
    Value,
    channels_last,
    in_place,
    long_axes,
    reshaped,
)
from edgeq.errors import EdgeqError
from edgeq.support.array import Array


class Builder:
    """Makes the layers of one model.

    Attributes:
        keras: The module; `ops` its functions.
        tf: The module tensorflow, for what Keras has no function for.
        graph: What is read.
        current: The node that is made.
        read: Names of the values that anything reads.
        names: What layers are called already.
        room: What may still be computed while the model is made.
        silent: Names of layers that only say where numbers lie; ops are not called after them.
    """

    def __init__(self, tf: Any, keras: Any, graph: Graph) -> None:
        self.tf = tf
        self.keras = keras
        self.ops = keras.ops
        self.graph = graph
        self.current = Node("", "model", (), ())
        self.read = set(graph.readers())
        self.names: set[str] = set()
        self.silent: set[str] = set()
        self.room = Room()

    def refuse(self, node: Node, why: str, hint: str = "") -> EdgeqError:
        """The error for a node that cannot be converted."""
        return self.graph.refuse(node, why, hint)

    def unique(self, name: str) -> str:
        """A name that no layer has yet."""
        found, number = name, 1
        while found in self.names:
            found, number = f"{name}_{number}", number + 1
        self.names.add(found)
        return found

    def layer(
        self, node: Node, kind: str, tensor: Any, *, weights: Sequence[Array] = (), **options: Any
    ) -> Any:
        """What a new layer called after the node makes of a tensor, or of several.

        Args:
            node: Gives the name.
            kind: Class name in keras.layers.
            tensor: Input or list of inputs.
            weights: Its weights, in Keras's order.
            options: Of the constructor.
        """
        made = getattr(self.keras.layers, kind)(name=self.unique(node.name), **options)
        return self.call(made, tensor, weights)

    def call(self, layer: Any, tensor: Any, weights: Sequence[Array] = ()) -> Any:
        """What a layer makes of a tensor, with the weights given."""
        result = layer(tensor)
        if weights:
            layer.set_weights([np.asarray(array) for array in weights])
            if not any(map(self.keras.backend.is_keras_tensor, self.keras.tree.flatten(tensor))):
                return layer(tensor)  # of constants: it was computed with the weights before
        return result

    def named(self, node: Node, tensor: Any) -> Any:
        """The same tensor; the operation that made it is called after the node."""
        if hasattr(tensor, "_keras_history"):
            tensor._keras_history.operation.name = self.unique(node.name)
        return tensor

    def value(self, tensor: Any, order: Order | None = None) -> Value:
        """A tensor as a value; its axes lie as the file means them unless an order is given."""
        shape = tuple(int(n) for n in tensor.shape)
        order = in_place(len(shape)) if order is None else order
        meant = [0] * len(shape)
        for stored, axis in enumerate(order):
            meant[axis] = shape[stored]
        return Value(tuple(meant), tensor, order)

    def like(self, value: Value, tensor: Any) -> Value:
        """A tensor whose axes lie as those of another value."""
        return self.value(tensor, value.order)

    def stored(self, value: Value, order: Order | None = None) -> Any:
        """The value's tensor with its axes in an order; as the file means them if None."""
        order = in_place(value.rank) if order is None else order
        if value.constant is not None:
            return np.transpose(_narrow(value.constant), order)
        value = self.dense(value)
        if value.order == order:
            return value.tensor
        shape = [value.shape[axis] for axis in order]
        if long_axes(value.shape, value.order) == long_axes(value.shape, order):
            return self.reshape(value.tensor, shape)
        return self._transpose(value.tensor, [value.order.index(axis) for axis in order])

    def places(self, value: Value) -> Any:
        """The tensor with channels last."""
        return self.stored(value, channels_last(value.rank))

    def dense(self, value: Value) -> Value:
        """The value as a tensor whose numbers are in the sequence that the file means."""
        if value.constant is not None:
            known = self.tf.constant(_narrow(value.constant))
            return Value(value.shape, known, in_place(value.rank))
        if value.flattened is None:
            return value
        before = value.flattened
        return self.value(self.reshape(self.stored(before), value.shape))

    def reshaped(self, value: Value, shape: Sequence[int]) -> Value:
        """The value's numbers under another shape."""
        if value.constant is not None:
            return Value(tuple(shape), constant=value.constant.reshape(shape))
        value = self.dense(value)
        needed, order = reshaped(value.shape, value.order, shape)
        stored = [shape[axis] for axis in order]
        same = long_axes(value.shape, value.order) == long_axes(value.shape, needed)
        if not same and long_axes(shape, order) == [len(shape) - 1]:
            # Joined into one axis: a dense layer takes its weights in the other sequence instead.
            tensor = self.reshape(value.tensor, stored)
            return Value(tuple(shape), tensor, order, flattened=value)
        return self.value(self.reshape(self.stored(value, needed), stored), order)

    def add(self, left: Any, right: Any) -> Any:
        """The sum of a tensor and another, or known numbers.

        Keras, and TensorFlow's converter behind a product, take numbers with one axis longer than 1
        for a bias: they add them along the last axis if that is as long, else along the second,
        wherever their own axis lies. With two such axes they do not.
        """
        shape = right.shape if isinstance(right, np.ndarray) else ()
        longer = [axis for axis, length in enumerate(shape) if length != 1]
        if len(longer) == 1 and len(left.shape) > 1:
            length, place = shape[longer[0]], longer[0] - len(shape)
            second = 1 - len(left.shape)
            taken = -1 if length == left.shape[-1] else second if length == left.shape[1] else place
            if taken != place:
                right = np.repeat(right, left.shape[-1], axis=-1)
        return self.ops.add(left, right)

    def part(self, tensor: Any, parts: Mapping[int, slice]) -> Any:
        """A range of some axes of a tensor."""
        whole = slice(None)
        return tensor[tuple(parts.get(axis, whole) for axis in range(len(tensor.shape)))]

    def helper(self, kind: str, tensor: Any, *options: Any) -> Any:
        """What a layer without weights that stands beside the node's own makes of a tensor."""
        name = self.unique(f"{self.current.name}.{kind.lower()}")
        if kind in ("Permute", "Reshape"):
            self.silent.add(name)
        return getattr(self.keras.layers, kind)(*options, name=name)(tensor)

    def reshape(self, tensor: Any, shape: Sequence[int]) -> Any:
        """A tensor under another shape; nothing where it has it already."""
        if tuple(tensor.shape) == tuple(shape):
            return tensor
        if len(shape) > 1 and shape[0] == tensor.shape[0]:
            return self.helper("Reshape", tensor, tuple(shape[1:]))
        return self._beside("reshape", self.ops.reshape(tensor, tuple(shape)))

    def _transpose(self, tensor: Any, axes: Sequence[int]) -> Any:
        if axes[0] == 0 and len(axes) > 1:
            return self.helper("Permute", tensor, tuple(axes[1:]))
        return self._beside("permute", self.ops.transpose(tensor, tuple(axes)))

    def _beside(self, kind: str, tensor: Any) -> Any:
        """The same tensor, named as `helper` names what it makes."""
        if hasattr(tensor, "_keras_history"):
            name = self.unique(f"{self.current.name}.{kind}")
            tensor._keras_history.operation.name = name
            self.silent.add(name)
        return tensor

    def aligned(self, values: Sequence[Value]) -> tuple[list[Any], Order]:
        """The tensors of values that are broadcast against each other, axes in one order."""
        rank = max(value.rank for value in values)
        lead = max(
            (value for value in values if value.constant is None),
            key=lambda value: (value.rank, math.prod(value.shape)),
        )
        order = self._widened(lead, rank).order
        return [self._aligned(value, rank, order) for value in values], order

    def _aligned(self, value: Value, rank: int, order: Order) -> Any:
        if value.constant is None:
            return self.stored(self._widened(value, rank), order)
        shape = (1,) * (rank - value.rank) + value.shape
        array = np.transpose(_narrow(value.constant).reshape(shape), order)
        while array.ndim and array.shape[0] == 1:
            array = array[0]
        return array

    def _widened(self, value: Value, rank: int) -> Value:
        """The value with axes of length 1 in front, as broadcasting adds them."""
        if value.rank == rank:
            return self.dense(value)
        return self.reshaped(value, (1,) * (rank - value.rank) + value.shape)


def _narrow(array: Array) -> Array:
    """Numbers as devices have them: ONNX counts in int64."""
    narrow = {"int64": np.int32, "float64": np.float32}.get(array.dtype.name)
    if narrow is np.int32:
        limits = np.iinfo(np.int32)
        array = np.clip(array, limits.min, limits.max)
    return array if narrow is None else array.astype(narrow)
