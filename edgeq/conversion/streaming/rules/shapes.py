"""Reshapes, permutations and slices: where time is afterwards, or that it ends there."""

from __future__ import annotations

import math
from typing import Any

from edgeq.conversion.streaming.builder import Builder, Refused, Value, Whole
from edgeq.conversion.streaming.frames import Frames, Taps, reach
from edgeq.conversion.streaming.rules.shared import Call, Rule, applied, axes_of


def reshape(builder: Builder, call: Call) -> Value:
    """Reshape, ExpandDims, Squeeze, Flatten: time stays an axis of its own, or all becomes one."""
    source = call.frames
    whole = _window_shape(source)
    before = source.tensor.shape[1 : source.axis]
    with_time = tuple(_shape_of(builder, call, whole))
    axis = _axis_in(with_time, math.prod(before), source.length)
    if axis is None:
        if len(with_time) > 1:
            raise Refused("it mixes frames with other axes")
        return Whole(_on_window(builder, call, source), streamed=True)
    shape = list(with_time)
    shape[axis] = source.hop
    layer = builder.keras.layers.Reshape(shape, name=builder.name(call.name))
    return source.made(layer(source.tensor), axis + 1)


def permute(builder: Builder, call: Call) -> Value:
    """Permute and Transpose."""
    source, operation = call.frames, call.operation
    dims = getattr(operation, "dims", None)
    axes = getattr(operation, "axes", None)
    order = [0, *dims] if dims is not None else list(axes or reversed(range(source.rank)))
    if order[0] != 0:
        raise Refused("it moves the batch")
    return source.made(applied(builder, call), order.index(source.axis))


def get_item(builder: Builder, call: Call) -> Value:
    """x[...]: frames of the window, one frame, or parts of the other axes."""
    source = call.frames
    key = call.arguments[1] if len(call.arguments) > 1 else call.options["key"]
    parts = _full_key(key, source.rank)
    if any(not isinstance(part, int | slice) for part in parts) or parts[0] != slice(None):
        raise Refused("it picks frames in a way that edgeq does not know")
    over_time = parts[source.axis]
    others = list(parts)
    if isinstance(over_time, int):
        place = range(source.length)[over_time] * source.spacing
        behind = builder.behind_window(source, place)
        builder.sees(source.padded[over_time])
        one = builder.recent(source, 1, behind, call.name)
        others[source.axis] = 0
        return Whole(builder.part(one, tuple(others), call.name), streamed=True)
    start, stop, step = over_time.indices(source.length)
    places = range(start, stop, step)
    if step < 1 or not places:
        raise Refused("it takes frames backwards, or none")
    found = source.shifted(-start, -(source.length - 1 - places[-1]))
    if step > 1:
        reached = reach(found, Taps(1, 1, step))
        assert reached is not None
        every = reached.stride if reached.results > 1 else 1
        x = builder.recent(found, reached.frames, reached.behind, call.name, every)
        found = reached.made.made(x, source.axis)
    others[source.axis] = slice(None)
    if any(part != slice(None) for part in others):
        axis = source.axis - sum(isinstance(part, int) for part in others[: source.axis])
        found = found.made(builder.part(found.tensor, tuple(others), call.name), axis)
    return found


def reduction(builder: Builder, call: Call) -> Value:
    """Mean, Max, Min, Sum over other axes, or over the window."""
    source, operation = call.frames, call.operation
    axes = axes_of(operation.axis, source.rank)
    if source.axis not in axes:
        gone = sum(axis < source.axis for axis in axes) * (not operation.keepdims)
        return source.made(applied(builder, call), source.axis - gone)
    if 0 in axes:
        raise Refused("it reduces the batch")
    return Whole(_on_window(builder, call, source), streamed=True)


def global_pool(builder: Builder, call: Call) -> Value:
    """Global pools, whose window is kept."""
    source = call.frames
    channels_first = call.operation.data_format == "channels_first"
    if source.axis == (1 if channels_first else source.rank - 1):
        return _pooled_features(builder, call, source)
    return Whole(_on_window(builder, call, source), streamed=True)


def _pooled_features(builder: Builder, call: Call, source: Frames) -> Value:
    if call.operation.keepdims:
        return source.made(applied(builder, call))
    raise Refused("time is the axis of its channels")


def _on_window(builder: Builder, call: Call, source: Frames) -> Any:
    """What the operation makes of the whole window, as in the model of windows."""
    tensor = builder.window(source, call.name)
    return applied(builder, call, lambda value: tensor if value is source else value.tensor)


def _window_shape(source: Frames) -> tuple[int, ...]:
    shape = list(source.tensor.shape)
    shape[source.axis] = source.length
    return tuple(shape)


def _shape_of(builder: Builder, call: Call, given: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that an operation makes of a window's, without the batch."""
    spec = builder.keras.KerasTensor(given, dtype=call.frames.tensor.dtype)
    made = call.operation.compute_output_spec(spec)
    return tuple(int(size) for size in made.shape[1:])


def _axis_in(shape: tuple[int, ...], before: int, length: int) -> int | None:
    """Which axis has as many values before it as time had, and its length."""
    for axis, size in enumerate(shape):
        if size == length and math.prod(shape[:axis]) == before:
            return axis
    return None


def _full_key(key: Any, rank: int) -> list[Any]:
    """An index for each axis."""
    parts = list(key) if isinstance(key, tuple | list) else [key]
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        fill = [slice(None)] * (rank - len(parts) + 1)
        parts = [*parts[:place], *fill, *parts[place + 1 :]]
    return [*parts, *[slice(None)] * (rank - len(parts))]


SHAPES: dict[str, Rule] = {
    **dict.fromkeys(("Reshape", "Flatten", "ExpandDims", "Squeeze"), reshape),
    **dict.fromkeys(("Permute", "Transpose"), permute),
    "GetItem": get_item,
    **dict.fromkeys(("Mean", "Max", "Min", "Sum", "Amax", "Amin"), reduction),
    **dict.fromkeys(
        ("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D",
         "GlobalMaxPooling2D"),
        global_pool,
    ),
}  # fmt: skip
"""Rules by the name of the class of a layer or of an operation of keras.ops."""
