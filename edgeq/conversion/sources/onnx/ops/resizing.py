"""Images made larger or smaller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.folding import bounded
from edgeq.conversion.sources.onnx.graph import Node
from edgeq.conversion.sources.onnx.layout import Value, channels_last

_HALF = ("half_pixel", "pytorch_half_pixel")


def resize(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """The nearest place, or a line between places."""
    value = inputs[0]
    if value.rank not in (3, 4):
        raise net.refuse(node, f"values of {value.rank} axes are not resized on devices")
    shape = _shape(net, node, inputs)
    if shape[:2] != value.shape[:2]:
        raise net.refuse(node, "batch or channels would be resized")
    order = channels_last(value.rank)
    tensor = net.stored(value, order)
    if value.rank == 3:  # a line is an image of one row
        tensor = net.ops.expand_dims(tensor, 1)
    size = ((1,) * (4 - value.rank) + shape[2:])[-2:]
    tensor = _resized(net, node, tensor, size)
    if value.rank == 3:
        tensor = net.ops.squeeze(tensor, 1)
    return net.value(tensor, order)


def _shape(net: Builder, node: Node, inputs: Sequence[Value]) -> tuple[int, ...]:
    """The size after."""
    value = inputs[0]
    given = [None if x is None else x.constant for x in inputs[1:]]
    if node.op == "Upsample":
        scales, sizes = node.get("scales", given[0] if given else None), None
    else:
        scales = given[1] if len(given) > 1 else given[0] if net.graph.opset < 11 else None
        sizes = given[2] if len(given) > 2 else None
    axes = [a % value.rank for a in node.get("axes", range(value.rank))]
    shape = list(value.shape)
    if sizes is not None and np.size(sizes):
        if node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise net.refuse(node, "the aspect ratio is kept")
        for axis, size in zip(axes, np.ravel(sizes), strict=True):
            shape[axis] = int(size)
    elif scales is not None and np.size(scales):
        if not np.isfinite(scales).all():
            raise net.refuse(node, f"scales of {', '.join(map(str, np.ravel(scales)[:8]))}")
        for axis, scale in zip(axes, np.ravel(scales), strict=True):
            shape[axis] = int(np.floor(value.shape[axis] * float(scale) + 1e-6))
    else:
        raise net.refuse(node, "the size is computed by the model", "export with fixed shapes")
    if min(shape) < 1:
        raise net.refuse(node, f"the size {shape}")
    return bounded(shape)


def _resized(net: Builder, node: Node, tensor: Any, size: tuple[int, ...]) -> Any:
    mode = node.get("mode", "nearest")
    lines = node.get(
        "coordinate_transformation_mode", "half_pixel" if node.op == "Resize" else "asymmetric"
    )
    if net.graph.opset < 11:
        lines = "asymmetric"
    times = [new / old for new, old in zip(size, tensor.shape[1:3], strict=True)]
    whole = all(t >= 1 and t == int(t) for t in times)
    if mode == "nearest":
        if not whole and not (lines == "asymmetric" and node.get("nearest_mode") == "floor"):
            raise net.refuse(node, f"nearest places by {lines} are none that devices take")
        if whole:
            by = tuple(int(t) for t in times)
            return net.layer(node, "UpSampling2D", tensor, size=by, interpolation="nearest")
        return _by_tensorflow(net, node, tensor, size, "nearest", corners=False, half=False)
    if mode != "linear" or node.get("antialias", 0):
        raise net.refuse(
            node, f"resizing by '{mode}' has no op on devices", "mode bilinear or nearest"
        )
    if lines in _HALF and whole:
        by = tuple(int(t) for t in times)
        return net.layer(node, "UpSampling2D", tensor, size=by, interpolation="bilinear")
    if lines not in (*_HALF, "align_corners", "asymmetric"):
        raise net.refuse(node, f"places by {lines}")
    return _by_tensorflow(
        net, node, tensor, size, "bilinear", corners=lines == "align_corners", half=lines in _HALF
    )


def _by_tensorflow(
    net: Builder,
    node: Node,
    tensor: Any,
    size: tuple[int, ...],
    how: str,
    *,
    corners: bool,
    half: bool,
) -> Any:
    """TensorFlow's op itself, with the corners that Keras does not offer."""
    name = "ResizeNearestNeighbor" if how == "nearest" else "ResizeBilinear"

    class Resized(net.keras.Operation):  # type: ignore[name-defined,misc]
        def call(self, x: Any) -> Any:
            op = getattr(net.tf.raw_ops, name)
            return op(images=x, size=size, align_corners=corners, half_pixel_centers=half)

        def compute_output_spec(self, x: Any) -> Any:
            return net.keras.KerasTensor((x.shape[0], *size, x.shape[3]), x.dtype)

    return Resized(name=net.unique(node.name))(tensor)


OPS = {"Resize": resize, "Upsample": resize}
