"""Layers that make a frame of several: convolutions and pools over time, padding, cropping."""

from __future__ import annotations

from typing import Any

from edgeq.conversion.layer_kinds import kind_of
from edgeq.conversion.streaming.builder import Builder, Refused, Value
from edgeq.conversion.streaming.frames import Frames, Reach, Taps, reach
from edgeq.conversion.streaming.rules.shared import Call, Rule
from edgeq.conversion.streaming.stream_layers import along

_PADS_OVER_TIME = ("same", "causal")


def convolution(builder: Builder, call: Call) -> Value:
    """Conv1D, Conv2D, DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D."""
    layer, source = call.operation, call.frames
    place = _place(layer, source)
    names = ("kernel_size", "strides", "dilation_rate")
    kernel, strides, dilation = (_pairs(getattr(layer, name), source) for name in names)
    taps = Taps(kernel[place], dilation[place], strides[place])
    source = _padded(builder, call.name, source, layer.padding, taps)
    found = _reach(source, taps)
    source = _padded_beside(builder, call.name, source, layer, place)
    single = found.results == 1
    depthwise = "Conv1D" not in kind_of(layer) and kind_of(layer) != "Conv2D"
    dilated = not single and found.rate > 1
    # Dilation and strides cannot be had together.
    stride = 1 if single or dilated else found.stride
    if depthwise and len(strides) == 2 and stride != strides[1 - place]:
        if not single and not (strides[1 - place] == 1 and found.stride > 1):
            raise Refused(
                "its strides over time and beside it would differ, which depthwise layers cannot",
                f"--stream-step {found.made.unit * found.made.spacing}, or a multiple of it",
            )
        stride = strides[1 - place]
    x = builder.recent(source, found.frames, found.behind, call.name, found.rate if single else 1)
    settings: dict[str, Any] = {
        "padding": "valid",
        "strides": _with(strides, place, stride),
        "dilation_rate": _with(dilation, place, found.rate if dilated else 1),
    }
    y = builder.copy(layer, **_plain(layer, settings))(x)
    return found.made.made(_every(builder, call.name, y, source, found, stride), source.axis)


def pool(builder: Builder, call: Call) -> Value:
    """MaxPooling and AveragePooling of one and two dimensions."""
    layer, source = call.operation, call.frames
    place = _place(layer, source)
    size, strides = (_pairs(getattr(layer, name), source) for name in ("pool_size", "strides"))
    taps = Taps(size[place], 1, strides[place])
    source = _padded(builder, call.name, source, layer.padding, taps)
    found = _reach(source, taps)
    single = found.results == 1
    x = builder.recent(source, found.frames, found.behind, call.name, found.rate if single else 1)
    if not single and found.rate > 1:
        raise Refused(
            "it would have to leave out frames between those it pools",
            f"--stream-step {found.made.unit * found.made.spacing}, or a multiple of it",
        )
    stride = found.stride if not single else size[place]
    # One result takes all frames there are, so "same" pads nothing over time.
    beside = layer.padding if single or size[place] == stride else "valid"
    if beside != layer.padding and len(size) == 2 and size[1 - place] > 1:
        raise Refused("it pads beside time, and its windows overlap", "padding='valid'")
    settings = {"strides": _with(strides, place, stride), "padding": beside}
    y = builder.copy(layer, **_plain(layer, settings))(x)
    return found.made.made(y, source.axis)


def zero_padding(builder: Builder, call: Call) -> Value:
    """ZeroPadding1D and ZeroPadding2D: what lies before the window is what came before it."""
    layer, source = call.operation, call.frames
    ends = [tuple(pair) for pair in _ends(layer.padding)]
    place = _place(layer, source)
    left, right = ends[place]
    if left or right:
        builder.padding.append(call.name)
    ends[place] = (0, 0)
    found = source.shifted(left, right)
    return found.made(_beside(builder, call, found, ends))


def cropping(builder: Builder, call: Call) -> Value:
    """Cropping1D and Cropping2D: frames that are left out now are those of another call."""
    layer, source = call.operation, call.frames
    ends = [tuple(pair) for pair in _ends(layer.cropping)]
    place = _place(layer, source)
    left, right = ends[place]
    ends[place] = (0, 0)
    found = source.shifted(-left, -right)
    if found.length < 1:
        raise Refused("it leaves nothing of the window")
    return found.made(_beside(builder, call, found, ends))


def _beside(builder: Builder, call: Call, source: Frames, ends: list[Any]) -> Any:
    """The tensor padded or cropped along its other axes."""
    if not any(map(any, ends)):
        return source.tensor
    key = "padding" if hasattr(call.operation, "padding") else "cropping"
    return builder.copy(call.operation, **{key: ends})(source.tensor)


def _every(
    builder: Builder, name: str, tensor: Any, source: Frames, found: Reach, stride: int
) -> Any:
    """Every n-th of the frames made, where a stride could not leave the others out."""
    if found.results == 1 or stride == found.stride:
        return tensor
    return builder.part(tensor, along(source.axis, slice(None, None, found.stride)), name)


def _reach(source: Frames, taps: Taps) -> Reach:
    found = reach(source, taps)
    if found is None:
        raise Refused(f"its {taps.count} taps are more than the {source.length} frames there are")
    return found


def _padded(builder: Builder, name: str, source: Frames, padding: str, taps: Taps) -> Frames:
    """The window with what a layer's padding adds to it."""
    if padding not in _PADS_OVER_TIME:
        return source
    span = (taps.count - 1) * taps.rate
    left, right = span, 0
    if padding == "same":
        results = -(-source.length // taps.stride)
        total = max((results - 1) * taps.stride + span + 1 - source.length, 0)
        left, right = total // 2, total - total // 2
    if left or right:
        builder.padding.append(name)
    return source.shifted(left, right)


def _padded_beside(builder: Builder, name: str, source: Frames, layer: Any, place: int) -> Frames:
    """What a convolution with padding "same" adds along the axis that is not time."""
    if source.rank != 4 or layer.padding != "same":
        return source
    other = 1 - place
    size = source.tensor.shape[1 + other]
    stride = layer.strides[other]
    span = (layer.kernel_size[other] - 1) * layer.dilation_rate[other]
    total = max((-(-size // stride) - 1) * stride + span + 1 - size, 0)
    if not total:
        return source
    ends = [(0, 0), (0, 0)]
    ends[other] = (total // 2, total - total // 2)
    padding = builder.keras.layers.ZeroPadding2D(ends, name=builder.name(f"{name}_pad"))
    return source.made(padding(source.tensor))


def _place(layer: Any, source: Frames) -> int:
    """Which of a layer's spatial axes is time."""
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise Refused("its channels come first", "build the model with channels last")
    if source.axis >= source.rank - 1:
        raise Refused("time is the axis of its channels")
    return source.axis - 1


def _pairs(given: Any, source: Frames) -> tuple[int, ...]:
    """A setting for each spatial axis."""
    if isinstance(given, int):
        return (given,) * (source.rank - 2)
    return tuple(int(value) for value in given)


def _ends(given: Any) -> list[Any]:
    """The ends of each spatial axis, as ZeroPadding1D and 2D store them."""
    return [given] if isinstance(given[0], int) else list(given)


def _with(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return tuple(value if i == place else old for i, old in enumerate(values))


def _plain(layer: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as a layer of one dimension takes them."""
    if not kind_of(layer).endswith("1D"):
        return settings
    return {k: v[0] if isinstance(v, tuple) else v for k, v in settings.items()}


TAPS: dict[str, Rule] = {
    **dict.fromkeys(
        ("Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D",
         "SeparableConv2D"),
        convolution,
    ),
    **dict.fromkeys(
        ("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"), pool
    ),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D"), zero_padding),
    **dict.fromkeys(("Cropping1D", "Cropping2D"), cropping),
}  # fmt: skip
"""Rules by the name of the layer's class."""
