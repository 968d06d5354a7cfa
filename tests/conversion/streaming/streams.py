"""What tests of streaming ask: the float model of steps beside the model of windows."""

import numpy as np

from edgeq.conversion.float_model import float_model
from edgeq.conversion.streaming.model import to_streaming
from tests.conversion.nets import run


def recording(model, frames, axis=1, seed=0):
    """Random frames, as many as asked for, along the axis of time."""
    shape = list(model.inputs[0].shape[1:])
    shape[axis - 1] = frames
    random = np.random.default_rng(seed)
    return random.normal(0, 1, shape).astype(np.float32)


def part(frames, start, stop, axis=1):
    return frames[(slice(None),) * (axis - 1) + (slice(start, stop),)]


def answers(data, frames, step, axis=1):
    """The first output of a model of steps, call after call."""
    calls = frames.shape[axis - 1] // step
    steps = [part(frames, i * step, (i + 1) * step, axis) for i in range(calls)]
    return run(data, [np.stack(steps)])[0]


def beside_windows(model, step=1, axis=1, more=40):
    """Answers of the float model of steps and of the model of windows, and how it streams.

    Every answer from the first whole window on is compared with that of the window it is for.
    """
    streaming = to_streaming(model, axis, step, model.name)
    form = streaming.form
    frames = recording(model, form.first_answer + more * step, axis)
    found = answers(float_model(streaming.model).data, frames, step, axis)
    answer = form.answers[0]
    ends = [(call + 1) * step - answer.delay for call in range(len(found))]
    first = form.first_answer // step - 1
    windows = [part(frames, end - form.window, end, axis) for end in ends[first:]]
    wanted = model.predict(np.stack(windows), verbose=0)
    if isinstance(wanted, list):
        wanted = wanted[0]
    got = found[first:, 0]
    if answer.axis is not None:
        wanted, got = wanted.take(answer.place, answer.axis), got.take(-1, answer.axis)
    return got, wanted, form
