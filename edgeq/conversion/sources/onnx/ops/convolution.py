"""Convolutions of one to three dimensions, depthwise and transposed ones among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.graph import Node
from edgeq.conversion.sources.onnx.layout import Value, channels_last
from edgeq.conversion.sources.onnx.ops.windows import Window, pad_zeros, window_of
from edgeq.support.array import Array


def conv(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """A convolution; one that sees each channel alone becomes a depthwise layer."""
    value = inputs[0]
    kernel, bias = _weights(net, node, inputs)
    window = window_of(net, node, value.shape[2:], kernel.shape[2:])
    groups = int(node.get("group", 1))
    if groups < 1 or kernel.shape[1] * groups != value.shape[1] or kernel.shape[0] % groups:
        raise net.refuse(node, f"{groups} groups do not fit {value.shape[1]} channels")
    order = channels_last(value.rank)
    both = max(window.strides) > 1 and max(window.dilations) > 1
    # Keras has no such layer: every place is computed, and the strides are taken of them.
    made = replace(window, strides=(1,) * window.rank, counts=window.places) if both else window
    padding, tensor = _padded(net, made, net.stored(value, order))
    options: dict[str, Any] = {
        "kernel_size": window.sizes,
        "strides": made.strides,
        "dilation_rate": window.dilations,
        "padding": padding,
        "use_bias": bias is not None,
    }
    kind, own = _kind(kernel, groups, window)
    if kind.startswith("Depthwise"):
        options["depth_multiplier"] = kernel.shape[0] // groups
    else:
        options |= {"filters": kernel.shape[0], "groups": groups}
    tensor = net.layer(node, kind, tensor, weights=[own, *_some(bias)], **options)
    if both:
        steps = {axis: slice(None, None, s) for axis, s in enumerate(window.strides, 1)}
        tensor = net.part(tensor, steps)
    return net.value(tensor, order)


def _weights(net: Builder, node: Node, inputs: Sequence[Value]) -> tuple[Array, Array | None]:
    kernel = inputs[1].constant
    if kernel is None:
        raise net.refuse(node, "its weights are computed by the model")
    if kernel.ndim != inputs[0].rank or not 3 <= kernel.ndim <= 5:
        raise net.refuse(node, f"weights of shape {kernel.shape} for values {inputs[0].shape}")
    given = inputs[2] if len(inputs) > 2 else None
    bias = None if given is None else given.constant
    if given is not None and bias is None:
        raise net.refuse(node, "its bias is computed by the model")
    return kernel, bias if bias is not None and bias.any() else None


def _some(bias: Array | None) -> list[Array]:
    return [] if bias is None else [bias]


def _kind(kernel: Array, groups: int, window: Window) -> tuple[str, Array]:
    """The Keras layer, and the weights as it has them."""
    rank = window.rank
    places = tuple(range(2, rank + 2))
    one_stride = len(set(window.strides)) == 1
    if groups > 1 and kernel.shape[1] == 1 and rank < 3 and one_stride:
        split = kernel.reshape(groups, -1, *window.sizes)
        return f"DepthwiseConv{rank}D", np.transpose(split, (*places, 0, 1))
    return f"Conv{rank}D", np.transpose(kernel, (*places, 1, 0))


def _padded(net: Builder, window: Window, tensor: Any) -> tuple[str, Any]:
    """Keras's word for the padding, and the tensor with what that word does not say."""
    if window.is_valid:
        return "valid", tensor
    if window.is_same:
        return "same", tensor
    causal = window.begins == ((window.sizes[0] - 1) * window.dilations[0],)
    if window.rank == 1 and causal and not window.ends[0]:
        return "causal", tensor
    return "valid", pad_zeros(net, tensor, window.begins, window.ends)


def transposed(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """A transposed convolution, cut to the size that the file says."""
    value = inputs[0]
    kernel, bias = _weights(net, node, inputs)
    rank = kernel.ndim - 2
    if node.get("group", 1) != 1 and value.shape[1] != 1:
        raise net.refuse(node, "transposed convolutions in groups have no op on devices")
    window = window_of(net, node, value.shape[2:], kernel.shape[2:])
    if max(window.dilations) > 1:
        raise net.refuse(node, "transposed convolutions with dilation have no op on devices")
    narrow = any(k < s for k, s in zip(window.sizes, window.strides, strict=True))
    if narrow and not node.get("output_shape") and node.get("auto_pad", "").startswith("SAME"):
        raise net.refuse(
            node, "runtimes differ in where they pad for strides above the kernel's size",
            "export with pads and output_padding in place of auto_pad",
        )  # fmt: skip
    begins, ends, sizes = _cuts(node, window, value.shape[2:])
    order = channels_last(value.rank)
    tensor = net.stored(value, order)
    strides = window.strides
    total = [max(k - s, 0) for k, s in zip(window.sizes, strides, strict=True)]
    whole = all(n == i * s for n, i, s in zip(sizes, value.shape[2:], strides, strict=True))
    same = whole and list(begins) == [t // 2 for t in total]
    kind = f"Conv{rank}DTranspose"
    options: dict[str, Any] = {
        "kernel_size": window.sizes,
        "strides": strides,
        "filters": kernel.shape[1],
    }
    own = np.transpose(kernel, (*range(2, rank + 2), 1, 0))
    plain = same or min(ends) >= 0
    tensor = net.layer(
        node, kind, tensor, padding="same" if same else "valid",
        weights=[own, *(_some(bias) if plain else [])],
        use_bias=plain and bias is not None, **options,
    )  # fmt: skip
    if not same:
        made = tensor.shape[1:-1]
        cut = {a: slice(b, b + n) for a, (b, n) in enumerate(zip(begins, sizes, strict=True), 1)}
        if any(b or n < m for b, n, m in zip(begins, sizes, made, strict=True)):
            tensor = net.part(tensor, cut)
        short = [n - (m - b) for n, m, b in zip(sizes, made, begins, strict=True)]
        if max(short) > 0:
            tensor = pad_zeros(net, tensor, (0,) * rank, tuple(max(0, n) for n in short))
        if not plain and bias is not None:
            tensor = net.ops.add(tensor, bias)
    return net.value(tensor, order)


def _cuts(
    node: Node, window: Window, places: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """What is cut off at the beginning and the end (negative: added), and the size left."""
    rank = window.rank
    more = node.get("output_padding", (0,) * rank)
    full = [(n - 1) * s + k for n, s, k in zip(places, window.strides, window.sizes, strict=True)]
    wanted = node.get("output_shape")
    if wanted:
        total = [f + m - w for f, m, w in zip(full, more, wanted[-rank:], strict=True)]
        upper = node.get("auto_pad", "NOTSET") == "SAME_UPPER"
        begins = tuple(t // 2 if upper else t - t // 2 for t in total)
        ends = tuple(t - b for t, b in zip(total, begins, strict=True))
    elif node.get("auto_pad", "NOTSET").startswith("SAME"):
        total = [max(k - s, 0) for k, s in zip(window.sizes, window.strides, strict=True)]
        upper = node.get("auto_pad") == "SAME_UPPER"
        begins = tuple(t // 2 if upper else t - t // 2 for t in total)
        ends = tuple(
            f - b - n * s for f, b, n, s in zip(full, begins, places, window.strides, strict=True)
        )
    else:
        begins, ends = window.begins, window.ends
    sizes = tuple(f - b - e + m for f, b, e, m in zip(full, begins, ends, more, strict=True))
    return begins, tuple(e - m for e, m in zip(ends, more, strict=True)), sizes


def pool(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Maxima or means of windows."""
    value = inputs[0]
    window = window_of(net, node, value.shape[2:], node.get("kernel_shape", ()))
    if max(window.dilations) > 1:
        raise net.refuse(node, "pools with dilation have no op on devices")
    if len(node.outputs) > 1 and node.outputs[1]:
        raise net.refuse(node, "the places of the maxima are read")
    order = channels_last(value.rank)
    tensor = net.stored(value, order)
    kind = f"{'Max' if node.op == 'MaxPool' else 'Average'}Pooling{window.rank}D"
    mean = node.op == "AveragePool"
    counted = bool(node.get("count_include_pad", 0))
    padding, scale = "valid", None
    if window.is_same and not window.is_valid and not (mean and counted):
        padding = "same"
    elif not window.is_valid and mean:
        scale = _shares(window, value.shape[2:], counted)
        tensor = pad_zeros(net, tensor, window.begins, window.ends)
    elif not window.is_valid:
        tensor = _repeat_edges(net, tensor, window)
    tensor = net.layer(
        node, kind, tensor, pool_size=window.sizes, strides=window.strides, padding=padding
    )
    if scale is not None:
        tensor = net.ops.multiply(tensor, scale)
    return net.value(tensor, order)


def _shares(window: Window, places: Sequence[int], counted: bool) -> Array | None:
    """How much larger a mean is when padding does not count; None where all of it does."""
    result = np.ones((1,) * window.rank)
    for axis, size in enumerate(places):
        first = -window.begins[axis]
        low, high = (first, size + window.declared[axis]) if counted else (0, size)
        starts = first + np.arange(window.counts[axis]) * window.strides[axis]
        inside = np.minimum(starts + window.sizes[axis], high) - np.maximum(starts, low)
        shape = [1] * window.rank
        shape[axis] = -1
        result = result * (window.sizes[axis] / inside).reshape(shape)
    return None if np.allclose(result, 1) else result.astype(np.float32)[..., None]


def _repeat_edges(net: Builder, tensor: Any, window: Window) -> Any:
    """Padding that no maximum sees: the edge again, which stays within the range of the values."""
    if max(*window.begins, *window.ends) == 1:
        pads = [(0, 0), *zip(window.begins, window.ends, strict=True), (0, 0)]
        return net.ops.pad(tensor, pads, mode="symmetric")
    for axis, (begin, end) in enumerate(zip(window.begins, window.ends, strict=True), 1):
        first = net.part(tensor, {axis: slice(0, 1)})
        last = net.part(tensor, {axis: slice(-1, None)})
        parts = [first] * begin + [tensor] + [last] * end
        if len(parts) > 1:
            tensor = net.ops.concatenate(parts, axis=axis)
    return tensor


def over_all(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """The maximum or mean of all places."""
    value = inputs[0]
    order = channels_last(value.rank)
    kind = "Max" if node.op == "GlobalMaxPool" else "Average"
    tensor = net.layer(
        node, f"Global{kind}Pooling{value.rank - 2}D", net.stored(value, order), keepdims=True
    )
    return net.value(tensor, order)


def shuffled(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Channels to places, or places to channels."""
    value, size = inputs[0], int(node.get("blocksize", 1))
    if value.rank != 4 or size < 1 or math.prod(value.shape) % (size * size):
        raise net.refuse(node, f"blocks of {size} do not fit {value.shape}")
    order = channels_last(4)
    tensor = net.stored(value, order)
    if node.op == "DepthToSpace" and node.get("mode", "DCR") == "CRD":
        channels = np.arange(value.shape[1]).reshape(-1, size * size).T.ravel()
        tensor = net.ops.take(tensor, channels, axis=3)
    function = "depth_to_space" if node.op == "DepthToSpace" else "space_to_depth"
    return net.value(_tensorflow(net, node, function, size)(tensor), order)


def _tensorflow(net: Builder, node: Node, function: str, size: int) -> Any:
    """An operation that Keras has no function for."""

    class Rearranged(net.keras.Operation):  # type: ignore[name-defined,misc]
        def call(self, x: Any) -> Any:
            return getattr(net.tf.nn, function)(x, size)

        def compute_output_spec(self, x: Any) -> Any:
            _, height, width, channels = x.shape
            by = size if function == "depth_to_space" else 1 / size
            shape = (x.shape[0], int(height * by), int(width * by), int(channels / by / by))
            return net.keras.KerasTensor(shape, x.dtype)

    return Rearranged(name=net.unique(node.name))


OPS = {
    "AveragePool": pool,
    "Conv": conv,
    "ConvTranspose": transposed,
    "DepthToSpace": shuffled,
    "GlobalAveragePool": over_all,
    "GlobalMaxPool": over_all,
    "MaxPool": pool,
    "SpaceToDepth": shuffled,
}
