"""What computes each frame by itself, and what joins frames of one time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgeq.conversion.streaming.builder import Builder, Refused, Value, Whole
from edgeq.conversion.streaming.frames import Frames
from edgeq.conversion.streaming.rules.shared import Call, Rule, applied, axes_of

_ALONG_THE_LAST = frozenset({"softmax", "log_softmax", "sparsemax", "glu"})


def pointwise(builder: Builder, call: Call) -> Value:
    """Layers and functions that do the same to every frame."""
    source = call.frames
    return source.made(applied(builder, call))


def activation(builder: Builder, call: Call) -> Value:
    """Activation, whose function may work along the last axis."""
    source = call.frames
    name = getattr(call.operation.activation, "__name__", "")
    if source.axis == source.rank - 1 and name in _ALONG_THE_LAST:
        raise Refused("it works along time, of which a step has too little")
    return source.made(applied(builder, call))


def rescaling(builder: Builder, call: Call) -> Value:
    """Rescaling, whose factors may be others at each place of its last axes."""
    source = call.frames
    for factors in (call.operation.scale, call.operation.offset):
        _check_shape(np.shape(factors), source)
    return source.made(applied(builder, call))


def over_axes(builder: Builder, call: Call) -> Value:
    """The same, of those that work along axes: none of them may be time."""
    source, layer = call.frames, call.operation
    axis = getattr(layer, "axis", -1)
    if source.axis in axes_of(axis, source.rank):
        raise Refused("it works along time, of which a step has too little")
    return source.made(applied(builder, call))


def prelu(builder: Builder, call: Call) -> Value:
    """PReLU, whose slopes must be the same at all times."""
    source = call.frames
    if source.axis not in set(call.operation.shared_axes or ()):
        raise Refused(
            "it has other slopes at each place of the window",
            f"PReLU(shared_axes=[{source.axis}])",
        )
    return source.made(applied(builder, call))


def dense(builder: Builder, call: Call) -> Value:
    """Dense, along the last axis."""
    source = call.frames
    if source.axis == source.rank - 1:
        raise Refused("it takes the frames of a window for features")
    return source.made(applied(builder, call))


def idle(builder: Builder, call: Call) -> Value:  # noqa: ARG001
    """Dropout and noise, which do nothing outside of training."""
    return call.frames


def each_time(builder: Builder, call: Call) -> Value:
    """TimeDistributed."""
    source = call.frames
    if source.axis != 1:
        raise Refused("the axis that it goes along is not time")
    return source.made(applied(builder, call))


def join(builder: Builder, call: Call) -> Value:
    """Sums, products, extremes and so on of frames of one time, delayed until all are there."""
    return _joined(builder, call)


def concatenation(builder: Builder, call: Call) -> Value:
    """Concatenation along any axis but time."""
    (first, *_) = (value for value in call.values if isinstance(value, Frames))
    if first.axis in axes_of(call.operation.axis, first.rank):
        raise Refused("it puts windows one after the other")
    return _joined(builder, call)


def _joined(builder: Builder, call: Call) -> Value:
    streams = [value for value in call.values if isinstance(value, Frames)]
    for value in call.values:
        if isinstance(value, Whole) and value.streamed:
            raise Refused(
                "it joins frames that have gone by with what a whole window gives",
                "such gates (squeeze and excite over time) see the future of a frame; pool over "
                "the other axes only",
            )
    _check_constants(call, streams[0])
    if len({(s.axis, s.length, s.spacing, s.hop, s.unit) for s in streams}) > 1:
        raise Refused("it joins frames of different rates, or windows of different lengths")
    newest = min(stream.newest for stream in streams)
    aligned = {id(s): builder.delayed(s, newest, call.name) for s in streams}
    made = applied(builder, call, lambda value: aligned.get(id(value), value).tensor)
    padded = np.any([stream.padded for stream in streams], axis=0)
    return replace(aligned[id(streams[0])], tensor=made, padded=padded)


def _check_constants(call: Call, stream: Frames) -> None:
    """Refuse constants that are others at each place of the window."""
    for part in (*call.arguments, *call.options.values(), *call.values):
        if isinstance(part, Frames | list | tuple | str) or part is None:
            continue
        _check_shape(part.tensor.shape if isinstance(part, Whole) else np.shape(part), stream)


def _check_shape(shape: Sequence[int], stream: Frames) -> None:
    """Refuse constants of a shape that has the axis of time."""
    place = stream.axis - stream.rank + len(shape)
    if place >= 0 and shape[place] != 1:
        raise Refused("it has other constants at each place of the window")


def _unary(*names: str) -> dict[str, Rule]:
    return dict.fromkeys(names, pointwise)


POINTWISE: dict[str, Rule] = {
    **_unary(
        "ReLU", "LeakyReLU", "ELU", "Embedding", "Identity",
        # keras.ops
        "Relu", "Relu6", "Sigmoid", "Tanh", "Silu", "Gelu", "Elu", "Selu", "LeakyRelu",
        "HardSigmoid", "HardSilu", "HardTanh", "Softplus", "Softsign", "Swish", "Celu",
        "LogSigmoid", "Absolute", "Abs", "Exp", "Log", "Log1p", "Sqrt", "Rsqrt", "Square",
        "Negative", "Clip",
        "Cast", "Sign", "Floor", "Round", "Sin", "Cos", "Reciprocal",
    ),
    **dict.fromkeys(
        ("BatchNormalization", "LayerNormalization", "RMSNormalization", "Normalization",
         "UnitNormalization", "Softmax", "LogSoftmax"),
        over_axes,
    ),
    **dict.fromkeys(
        ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout", "GaussianDropout",
         "GaussianNoise", "ActivityRegularization"),
        idle,
    ),
    **dict.fromkeys(
        ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Divide", "TrueDivide",
         "Power", "SquaredDifference"),
        join,
    ),
    "Activation": activation,
    "Concatenate": concatenation,
    "PReLU": prelu,
    "Rescaling": rescaling,
    "Dense": dense,
    "TimeDistributed": each_time,
}  # fmt: skip
"""Rules by the name of the class of a layer or of an operation of keras.ops."""
