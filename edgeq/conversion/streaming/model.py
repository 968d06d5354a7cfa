"""From a Keras model of windows to one of steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.conversion.layer_kinds import kind_of
from edgeq.conversion.streaming.builder import Builder, Refused, Value, Whole
from edgeq.conversion.streaming.form import Answer, StreamForm
from edgeq.conversion.streaming.frames import Frames
from edgeq.conversion.streaming.rules import RULES, WHY_NOT
from edgeq.conversion.streaming.rules.shared import Call, applied, replaced
from edgeq.conversion.tensorflow import first_line, import_tensorflow
from edgeq.errors import EdgeqError, UsageError

_MOST_BUILDS = 8


@dataclass(frozen=True, eq=False)
class Streaming:
    """A model of steps.

    Attributes:
        model: The keras.Model; its inputs have `form.step` frames, and batch 1.
        form: How it streams.
    """

    model: Any
    form: StreamForm


def to_streaming(model: Any, axis: int, step: int, where: str) -> Streaming:
    """The model of steps that gives what a model of windows gives, window after window.

    Args:
        model: A functional or sequential keras.Model of windows.
        axis: Axis of time in its inputs; 1 is the first behind the batch.
        step: Frames that a call brings.
        where: Name of the model for messages.

    Raises:
        EdgeqError: A layer cannot stream, named with the reason.
        UsageError: There is no such axis, or a window has fewer frames than a step.
    """
    _, keras = import_tensorflow()
    model = getattr(model, "_functional", None) or model
    if not hasattr(model, "_nodes_by_depth"):
        raise EdgeqError(
            "The model is not made of layers that edgeq can follow (it is subclassed).",
            where,
            "build it with keras.Sequential or keras.Model(inputs, outputs)",
        )
    length = _length(model, axis, step, where)
    waits, sizes = 0, dict[int, int]()
    for _ in range(_MOST_BUILDS):
        builder = Builder(keras, where, waits, sizes)
        built, outputs = _built(builder, model, axis, step, length)
        if not builder.lacking and builder.wanted == sizes:
            break
        waits, sizes = waits + builder.lacking, builder.wanted
    form = StreamForm(
        axis=axis,
        step=step,
        window=length,
        delays=tuple(_delay(output, waits * step) for output in outputs),
        answers=tuple(_answer(output, waits * step) for output in outputs),
        windows=tuple(tuple(tensor.shape[1:]) for tensor in model.inputs),
        cut=tuple(_streams(tensor, axis, length) for tensor in model.inputs),
        padded=tuple(dict.fromkeys(builder.padding)) if builder.sees_padding else (),
        carried=tuple(dict.fromkeys(builder.carried)),
    )
    return Streaming(built, form)


def _length(model: Any, axis: int, step: int, where: str) -> int:
    """Frames of a window, by the first input that has the axis."""
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    found = next((shape[axis] for shape in shapes if 0 < axis < len(shape)), None)
    if found is None:
        raise UsageError(
            f"--stream {axis}: the model's inputs have no such axis ({shapes[0][1:]} behind the "
            "batch).",
            hint="1 is the first axis behind the batch",
        )
    if axis == 0 or not isinstance(found, int):
        raise EdgeqError(
            f"Axis {axis} of the input is open; the length of a window must be known.",
            where,
            "build the model with a fixed input shape",
        )
    if not 1 <= step <= found:
        raise UsageError(f"--stream-step {step}: a window has {found} frames.")
    return found


def _streams(tensor: Any, axis: int, length: int) -> bool:
    """Whether an input has the axis, with as many frames as the first that has it."""
    return axis < len(tensor.shape) and tensor.shape[axis] == length


def _built(
    builder: Builder, model: Any, axis: int, step: int, length: int
) -> tuple[Any, list[Value]]:
    keras = builder.keras
    inputs, values = [], []
    for tensor in model.inputs:
        shape = [1, *tensor.shape[1:]]
        streams = _streams(tensor, axis, length)
        if streams:
            shape[axis] = step
        made = keras.Input(batch_shape=shape, dtype=tensor.dtype, name=builder.name(tensor.name))
        inputs.append(made)
        newest = length - 1 + builder.waits * step
        values.append(
            Frames(made, axis, length, 1, newest, step, 1, np.zeros(length, bool))
            if streams
            else Whole(made, streamed=False)
        )
    outputs = [_aligned(builder, value) for value in _followed(builder, model, values)]
    return keras.Model(inputs, [value.tensor for value in outputs], name=model.name), outputs


def _aligned(builder: Builder, value: Value) -> Value:
    """An output whose newest frame is no newer than the window's last."""
    if isinstance(value, Frames):
        builder.sees(value.padded[_place(value) :][:1])
    if isinstance(value, Frames) and value.newest > value.last:
        return builder.delayed(value, value.last, "output")
    return value


def _followed(builder: Builder, model: Any, given: list[Value]) -> list[Value]:
    """The outputs of a functional model for the values that its inputs have become."""
    known: dict[int, Value] = {
        id(tensor): value for tensor, value in zip(model.inputs, given, strict=True)
    }
    depths = model._nodes_by_depth
    for depth in sorted(depths, reverse=True):
        for node in depths[depth]:
            if node.is_input or node.operation is None:
                continue
            found = _result(builder, node, known)
            found = found if isinstance(found, list) else [found]
            for tensor, value in zip(node.outputs, found, strict=True):
                known[id(tensor)] = value
    return [known[id(tensor)] for tensor in model.outputs]


def _result(builder: Builder, node: Any, known: Mapping[int, Value]) -> Any:
    operation = node.operation
    arguments, options = builder.keras.tree.map_structure(
        lambda part: known.get(id(part), part),
        (tuple(node.arguments.args), dict(node.arguments.kwargs)),
    )
    call = Call(operation, operation.name, arguments, options)
    inner = getattr(operation, "_functional", None) or operation
    if hasattr(inner, "_nodes_by_depth"):
        found = _followed(builder, inner, call.values)
        return found if len(found) > 1 else found[0]
    try:
        if not any(isinstance(value, Frames) for value in call.values):
            return _whole(builder, call)
        kind = kind_of(operation)
        if kind not in RULES:
            why = WHY_NOT.get(kind, f"edgeq does not know how a {kind} treats time")
            raise Refused(why)
        return _with_its_frames(RULES[kind](builder, call))
    except Refused as refused:
        raise builder.fail(call.name, refused) from None
    except (ValueError, TypeError) as error:
        raise builder.fail(call.name, Refused(first_line(error).rstrip("."))) from error


def _with_its_frames(made: Any) -> Any:
    """What a rule made, if it has the frames of a step: constants may have made more of them."""
    for value in made if isinstance(made, list) else [made]:
        if isinstance(value, Frames) and value.tensor.shape[value.axis] != value.hop:
            raise Refused("it has other constants at each place of the window")
    return made


def _whole(builder: Builder, call: Call) -> Any:
    """What a call becomes that has nothing to do with time."""
    streamed = any(value.streamed for value in call.values if isinstance(value, Whole))
    try:
        made = applied(builder, call)
    except NotImplementedError:  # a layer of the user's own that cannot be copied is used itself
        arguments, options = replaced(
            (call.arguments, dict(call.options)), lambda value: value.tensor
        )
        made = call.operation(*arguments, **options)
    if isinstance(made, list | tuple):
        return [Whole(tensor, streamed) for tensor in made]
    return Whole(made, streamed)


def _place(output: Frames) -> int:
    """The last frame of the window that no padding reaches; the very last if there is none."""
    clean = np.flatnonzero(~output.padded)
    place = int(clean[-1]) if len(clean) else output.length - 1
    ahead = min(output.newest, output.last)
    return place if place * output.spacing >= ahead else output.length - 1


def _answer(output: Value, waited: int) -> Answer:
    """Where the newest answer of a call is found in a window."""
    if isinstance(output, Whole):
        return Answer(None, 0, waited)
    place = _place(output)
    late = (place * output.spacing - output.newest) * output.unit
    return Answer(output.axis, place, waited + late)


def _delay(output: Value, waited: int) -> int:
    """How many frames an answer comes after the last one of its window."""
    if isinstance(output, Whole):
        return waited
    return waited + (output.last - output.newest) * output.unit
