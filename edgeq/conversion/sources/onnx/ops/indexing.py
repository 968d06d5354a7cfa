"""Parts of values, and values made of parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.folding import bounded, slices
from edgeq.conversion.sources.onnx.graph import Node
from edgeq.conversion.sources.onnx.layout import Value, in_place, without
from edgeq.support.array import Array


def known(net: Builder, node: Node, value: Value | None, what: str) -> Array:
    """The numbers of an input that must be known."""
    if value is None or value.constant is None:
        raise net.refuse(node, f"{what} is computed by the model", "export with fixed shapes")
    return value.constant


def sliced(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """A range of each axis."""
    value = net.dense(inputs[0])
    # One that is left out keeps its place: steps may come without axes.
    given = (None if v is None else known(net, node, v, "the range") for v in inputs[1:])
    arrays = [None, *given]
    ranges = slices(node, arrays, value.rank)
    tensor = value.tensor
    turned = [axis for axis, part in enumerate(ranges) if (part.step or 1) < 0]
    for axis in turned:
        if ranges[axis] != slice(ranges[axis].start, None, -1) or ranges[axis].start not in (
            -1,
            value.shape[axis] - 1,
        ):
            raise net.refuse(node, "a part of an axis is taken backwards")
        tensor = net.ops.flip(tensor, axis=value.stored_axis(axis))
    left = tuple(slice(None) if axis in turned else ranges[axis] for axis in value.order)
    if any(part != slice(None) for part in left):
        tensor = tensor[left]
    if 0 in tensor.shape:
        raise net.refuse(node, "nothing is left of it")
    return net.like(value, tensor)


def gather(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Entries of an axis by their numbers: one, several, or a table's rows that the model picks."""
    value, numbers = inputs
    axis = node.get("axis", 0) % value.rank
    if value.constant is not None:
        return _looked_up(net, node, value.constant, numbers, axis)
    value = net.dense(value)
    stored = value.stored_axis(axis)
    if numbers.constant is None:
        picked = net.ops.take(net.stored(value), net.stored(numbers), axis=axis)
        return net.value(net.named(node, picked))
    index = numbers.constant
    size = value.shape[axis]
    if index.size and (index.max() >= size or index.min() < -size):
        raise net.refuse(node, f"entry {index.max()} of {size}")
    if index.ndim == 0:
        begin = int(index) % size
        part = net.part(value.tensor, {stored: slice(begin, begin + 1)})
        taken = net.like(value, net.named(node, part))
        return net.reshaped(taken, [n for i, n in enumerate(value.shape) if i != axis])
    tensor = net.named(
        node, net.ops.take(value.tensor, (index.ravel() % size).astype(np.int32), axis=stored)
    )
    taken = net.like(value, tensor)
    if index.ndim == 1:
        return taken
    return net.reshaped(taken, (*value.shape[:axis], *index.shape, *value.shape[axis + 1 :]))


def _looked_up(net: Builder, node: Node, table: Array, numbers: Value, axis: int) -> Value:
    if axis or table.ndim != 2:
        tensor = net.ops.take(net.tf.constant(table), net.stored(numbers), axis=axis)
        return net.value(net.named(node, tensor))
    layer = net.layer(
        node, "Embedding", net.stored(numbers), weights=[table.astype(np.float32)],
        input_dim=table.shape[0], output_dim=table.shape[1],
    )  # fmt: skip
    return net.value(layer)


def split(net: Builder, node: Node, inputs: Sequence[Value]) -> list[Value]:
    """An axis in parts."""
    value = net.dense(inputs[0])
    axis = node.get("axis", 0) % value.rank
    second = inputs[1] if len(inputs) > 1 else None
    sizes = node.get("split")
    if sizes is None and second is not None:
        sizes = tuple(known(net, node, second, "the sizes of the parts").ravel().tolist())
    if sizes is None:
        each = -(-value.shape[axis] // len(node.outputs))
        sizes = (each,) * (len(node.outputs) - 1)
        sizes = (*sizes, value.shape[axis] - sum(sizes))
    if sum(sizes) != value.shape[axis] or min(sizes) < 1:
        raise net.refuse(node, f"{value.shape[axis]} in parts of {sizes}")
    stored = value.stored_axis(axis)
    ends = np.cumsum(sizes).tolist()
    parts = [
        net.part(value.tensor, {stored: slice(end - size, end)})
        for size, end in zip(sizes, ends, strict=True)
    ]
    return [net.like(value, part) for part in parts]


def concat(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Values one after the other along an axis."""
    rank = inputs[0].rank
    axis = node.get("axis", 1) % rank
    lead = max((v for v in inputs if v.constant is None), key=lambda v: np.prod(v.shape))
    order = net.dense(lead).order
    tensors: list[Any] = [net.stored(value, order) for value in inputs]
    if len(tensors) == 1:
        return net.value(tensors[0], order)
    stored = order.index(axis)
    if all(value.constant is None for value in inputs):
        return net.value(net.layer(node, "Concatenate", tensors, axis=stored), order)
    return net.value(net.named(node, net.ops.concatenate(tensors, axis=stored)), order)


def pad(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Numbers around a value."""
    value = net.dense(inputs[0])
    given = node.get("pads")
    if given is None:
        given = (
            known(net, node, inputs[1] if len(inputs) > 1 else None, "the padding").ravel().tolist()
        )
    fill = inputs[2] if len(inputs) > 2 else None
    number = (
        node.get("value", 0.0) if fill is None else known(net, node, fill, "the filling").ravel()[0]
    )
    axes = list(range(value.rank))
    if len(inputs) > 3 and inputs[3] is not None:
        axes = [int(a) % value.rank for a in known(net, node, inputs[3], "the axes").ravel()]
    if len(given) != 2 * len(axes) or any(not isinstance(n, int) for n in given):
        raise net.refuse(node, f"the padding {given[:16]} for {len(axes)} axes")
    pads = dict.fromkeys(range(value.rank), (0, 0))
    half = len(given) // 2
    pads |= {axis: (given[i], given[half + i]) for i, axis in enumerate(axes)}
    cut = tuple(
        slice(max(0, -pads[a][0]), value.shape[a] - max(0, -pads[a][1])) for a in value.order
    )
    tensor = value.tensor[cut] if any(min(p) < 0 for p in pads.values()) else value.tensor
    stored = [tuple(max(0, n) for n in pads[axis]) for axis in value.order]
    bounded([n + sum(p) for n, p in zip(tensor.shape, stored, strict=True)])
    if not any(map(any, stored)):
        return net.like(value, tensor)
    mode = node.get("mode", "constant")
    if mode == "constant":
        tensor = net.ops.pad(tensor, stored, constant_values=float(number) or None)
    elif mode == "reflect":
        if any(max(p) >= n for n, p in zip(tensor.shape, stored, strict=True)):
            raise net.refuse(
                node, f"{max(map(max, stored))} places are mirrored where fewer stand",
                "padding smaller than the axis",
            )  # fmt: skip
        tensor = net.ops.pad(tensor, stored, mode="reflect")
    elif mode == "edge":
        for axis, (begin, end) in enumerate(stored):
            parts = [net.part(tensor, {axis: slice(0, 1)})] * begin + [tensor]
            parts += [net.part(tensor, {axis: slice(-1, None)})] * end
            tensor = net.ops.concatenate(parts, axis=axis) if len(parts) > 1 else tensor
    else:
        raise net.refuse(node, f"padding of mode '{mode}'")
    return net.like(value, net.named(node, tensor))


def expand(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """The same numbers again along axes of length 1."""
    value = net.dense(inputs[0])
    wanted = known(net, node, inputs[1], "the shape").ravel().tolist()
    rank = max(value.rank, len(wanted))
    wide = net.dense(net.reshaped(value, (1,) * (rank - value.rank) + value.shape))
    shape = bounded(np.broadcast_shapes(wide.shape, tuple(wanted)))
    if shape == wide.shape:
        return wide
    repeats = [shape[axis] // wide.shape[axis] for axis in wide.order]
    return net.like(wide, net.named(node, net.ops.tile(wide.tensor, repeats)))


def tile(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """The whole again and again."""
    value = net.dense(inputs[0])
    repeats = known(net, node, inputs[1], "the number of repeats").ravel().tolist()
    bounded([n * many for n, many in zip(value.shape, repeats, strict=True)])
    stored = [int(repeats[axis]) for axis in value.order]
    return net.like(value, net.named(node, net.ops.tile(value.tensor, stored)))


def extreme_place(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """The number of the largest or smallest entry of an axis."""
    value = net.dense(inputs[0])
    axis = node.get("axis", 0) % value.rank
    if node.get("select_last_index", 0):
        raise net.refuse(node, "it takes the last of equal entries")
    keep = bool(node.get("keepdims", 1))
    function = net.ops.argmax if node.op == "ArgMax" else net.ops.argmin
    tensor = net.named(node, function(value.tensor, axis=value.stored_axis(axis), keepdims=keep))
    return net.value(tensor, value.order if keep else without(value.order, [axis]))


def cumulated(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Sums so far along an axis."""
    value = net.dense(inputs[0])
    axis = int(known(net, node, inputs[1], "the axis").ravel()[0]) % value.rank
    if node.get("exclusive", 0) or node.get("reverse", 0):
        raise net.refuse(node, "it is exclusive or runs backwards")
    return net.like(
        value, net.named(node, net.ops.cumsum(value.tensor, axis=value.stored_axis(axis)))
    )


def triangle(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """One half of each matrix; zeros in the other."""
    value = net.dense(inputs[0])
    offset = int(known(net, node, inputs[1], "the diagonal").ravel()[0]) if len(inputs) > 1 else 0
    cut = np.triu if node.get("upper", 1) else np.tril
    mask = cut(np.ones(value.shape[-2:], np.float32), offset)
    tensor = net.ops.multiply(net.stored(value), mask)
    return net.value(net.named(node, tensor), in_place(value.rank))


OPS = {
    "ArgMax": extreme_place,
    "ArgMin": extreme_place,
    "Concat": concat,
    "CumSum": cumulated,
    "Expand": expand,
    "Gather": gather,
    "Pad": pad,
    "Slice": sliced,
    "Split": split,
    "Tile": tile,
    "Trilu": triangle,
}
