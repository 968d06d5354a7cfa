"""Images made larger or smaller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.folding import bounded
from edgeq.conversion.sources.onnx.graph import Node
from edgeq.conversion.sources.onnx.layout import Value, channels_last
from edgeq.support.array import Array

_HALF = ("half_pixel", "pytorch_half_pixel")
_NEAR = 1e-4
"""Of a place: less is rounding of a scale that the file holds as a float32."""


@dataclass(frozen=True)
class _Axis:
    """An axis that is resized.

    Attributes:
        old, new: Its size before and after.
        scale: As the file gives it, or its sizes do; `new` need not be `old` times that.
    """

    old: int
    new: int
    scale: float

    @property
    def fraction(self) -> float:
        """The size after, before it was cut to a whole number."""
        found = self.old * self.scale
        return self.new if abs(found - self.new) < _NEAR else found

    @property
    def times(self) -> int:
        """How often each number stands after, if the size is a multiple; else 0."""
        return 0 if self.new % self.old else self.new // self.old


def resize(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """The nearest place, or a line between places."""
    value = inputs[0]
    if value.rank not in (3, 4):
        raise net.refuse(node, f"values of {value.rank} axes are not resized on devices")
    axes = _axes(net, node, inputs)
    if any(axis.old != axis.new or axis.fraction != axis.old for axis in axes[:2]):
        raise net.refuse(node, "batch or channels would be resized")
    order = channels_last(value.rank)
    tensor = net.stored(value, order)
    if value.rank == 3:  # a line is an image of one row
        tensor = net.ops.expand_dims(tensor, 1)
    places = ((_Axis(1, 1, 1.0),) * (4 - value.rank) + axes[2:])[-2:]
    tensor = _resized(net, node, tensor, places)
    if value.rank == 3:
        tensor = net.ops.squeeze(tensor, 1)
    return net.value(tensor, order)


def _axes(net: Builder, node: Node, inputs: Sequence[Value]) -> tuple[_Axis, ...]:
    """Every axis of the value, with the size after."""
    value = inputs[0]
    given = [None if x is None else x.constant for x in inputs[1:]]
    if node.op == "Upsample":
        scales, sizes = node.get("scales", given[0] if given else None), None
    else:
        scales = given[1] if len(given) > 1 else given[0] if net.graph.opset < 11 else None
        sizes = given[2] if len(given) > 2 else None
    axes = [a % value.rank for a in node.get("axes", range(value.rank))]
    found = [_Axis(n, n, 1.0) for n in value.shape]
    if sizes is not None and np.size(sizes):
        if node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise net.refuse(node, "the aspect ratio is kept")
        for axis, size in zip(axes, np.ravel(sizes), strict=True):
            old = value.shape[axis]
            found[axis] = _Axis(old, int(size), int(size) / old)
    elif scales is not None and np.size(scales):
        if not np.isfinite(scales).all():
            raise net.refuse(node, f"scales of {', '.join(map(str, np.ravel(scales)[:8]))}")
        for axis, scale in zip(axes, map(float, np.ravel(scales)), strict=True):
            old = value.shape[axis]
            found[axis] = _Axis(old, int(np.floor(old * scale + 1e-6)), scale)
    else:
        raise net.refuse(node, "the size is computed by the model", "export with fixed shapes")
    shape = [axis.new for axis in found]
    if min(shape) < 1:
        raise net.refuse(node, f"the size {shape}")
    bounded(shape)
    return tuple(found)


def _resized(net: Builder, node: Node, tensor: Any, axes: tuple[_Axis, ...]) -> Any:
    mode = node.get("mode", "nearest")
    lines = node.get(
        "coordinate_transformation_mode", "half_pixel" if node.op == "Resize" else "asymmetric"
    )
    if net.graph.opset < 11:
        lines = "asymmetric"
    if lines not in (*_HALF, "half_pixel_symmetric", "align_corners", "asymmetric"):
        raise net.refuse(node, f"places by {lines}")
    if lines == "align_corners" and any(axis.fraction != axis.new for axis in axes):
        raise net.refuse(node, _uncut(axes), _SIZES)  # runtimes divide by one or the other
    if mode == "nearest":
        return _nearest(net, node, tensor, axes, lines)
    if mode != "linear" or node.get("antialias", 0):
        raise net.refuse(
            node, f"resizing by '{mode}' has no op on devices", "mode bilinear or nearest"
        )
    size = tuple(axis.new for axis in axes)
    for how in ("half_pixel", "align_corners", "asymmetric"):
        near = (
            np.abs(_inside(replace(axis, scale=axis.new / axis.old), how)
                   - _inside(axis, lines)).max() < _NEAR
            for axis in axes
        )  # fmt: skip
        if not all(near):
            continue
        if how == "half_pixel" and all(axis.times for axis in axes):
            by = tuple(axis.times for axis in axes)
            return net.layer(node, "UpSampling2D", tensor, size=by, interpolation="bilinear")
        return _by_tensorflow(
            net, node, tensor, size, "bilinear",
            corners=how == "align_corners", half=how == "half_pixel",
        )  # fmt: skip
    raise net.refuse(node, _uncut(axes), _SIZES)


_SIZES = "export with sizes in place of scales (PyTorch: size=, or recompute_scale_factor=True)"


def _uncut(axes: Sequence[_Axis]) -> str:
    """What is wrong with sizes that the scales do not give, in words."""
    odd = next((axis for axis in axes if axis.fraction != axis.new), axes[0])
    return (
        f"{odd.old} places times {odd.scale:g} are {odd.fraction:g}, of which {odd.new} are made; "
        "devices take their places for a scale of "
        f"{odd.new}/{odd.old}, which gives other numbers"
    )


def _nearest(net: Builder, node: Node, tensor: Any, axes: tuple[_Axis, ...], lines: str) -> Any:
    """The numbers at the places that the file means, by the simplest op that takes them."""
    kind = node.get("nearest_mode", "round_prefer_floor")
    if net.graph.opset < 11:
        # What is nearest is not said there: all agree on whole factors alone.
        kind = "floor"
        if not all(axis.times for axis in axes):
            raise net.refuse(node, "before opset 11 it is not said which place is the nearest")
    if kind not in _ROUNDED:
        raise net.refuse(node, f"the nearest place by {kind}")
    wanted = [_taken(axis, lines, kind, np.float32) for axis in axes]
    exactly = [_taken(axis, lines, kind, np.float64) for axis in axes]
    if not all(map(np.array_equal, wanted, exactly)):
        raise net.refuse(node, "rounding of the scale alone decides which place is taken", _SIZES)
    if all(
        axis.times and (mine == np.arange(axis.new) // axis.times).all()
        for axis, mine in zip(axes, wanted, strict=True)
    ):
        by = tuple(axis.times for axis in axes)
        return net.layer(node, "UpSampling2D", tensor, size=by, interpolation="nearest")
    if all(
        (mine == np.floor(np.arange(axis.new) * np.float32(axis.old / axis.new))).all()
        for axis, mine in zip(axes, wanted, strict=True)
    ):
        size = tuple(axis.new for axis in axes)
        return _by_tensorflow(net, node, tensor, size, "nearest", corners=False, half=False)
    for number, (axis, mine) in enumerate(zip(axes, wanted, strict=True), 1):
        if not np.array_equal(mine, np.arange(axis.old)):
            tensor = net.named(node, net.ops.take(tensor, mine, axis=number))
    return tensor


_ROUNDED: Mapping[str, Callable[[Array], Array]] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "round_prefer_ceil": lambda places: np.floor(places + 0.5),
    "round_prefer_floor": lambda places: np.ceil(places - 0.5),
}


def _taken(axis: _Axis, lines: str, kind: str, dtype: Callable[[Any], Any]) -> Array:
    """The numbers of the nearest places, computed in a type."""
    found: Array = np.clip(_ROUNDED[kind](_places(axis, lines, dtype)), 0, axis.old - 1)
    return found.astype(np.int32)


def _places(axis: _Axis, lines: str, dtype: Callable[[Any], Any] = np.float64) -> Array:
    """Where each number after lies among those before; runtimes compute it in float32.

    Source: the operator Resize of ONNX, attribute coordinate_transformation_mode.
    """
    # np.float64 of an array of one number is no array.
    number, scale = np.atleast_1d(dtype(np.arange(axis.new))), dtype(axis.scale)
    found: Array
    if lines == "asymmetric":
        found = number / scale
    elif lines == "align_corners":
        # Runtimes divide by the size that is made, ONNX by what the scale gives.
        steps = axis.new if dtype is np.float32 else round(axis.old * axis.scale, 12)
        found = number * dtype(axis.old - 1) / dtype(1 if axis.new == 1 else steps - 1)
    else:
        found = (number + dtype(0.5)) / scale - dtype(0.5)
    if lines == "pytorch_half_pixel" and axis.new == 1:
        found[:] = -0.5
    if lines == "half_pixel_symmetric":
        found += dtype(axis.old / 2 * (1 - axis.new / axis.fraction))
    return found


def _inside(axis: _Axis, lines: str) -> Array:
    """The places that a line between two of them is taken at."""
    found: Array = np.clip(_places(axis, lines), 0, axis.old - 1)
    return found


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
