"""A model with a front end as its data sees it: one recording in, the answers out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph, Quantization
from edgeq.model.joining import FrontEnd, joined
from edgeq.model.settling import read_settling
from edgeq.model.stream import Stream
from edgeq.model.tflite.metadata import Described
from edgeq.support.array import Array

_LOUDEST = 8.0  # of floats: gains and resampling go beyond 1, and any int16 sound goes beyond this


def heard(front: FrontEnd, model: Graph) -> Graph:
    """The model as one that takes a recording just long enough for the answer to a whole window.

    Its input is int16 of scale 1/32768, shape (1, samples); its ops are the model's own.

    Raises:
        EdgeqError: The front end does not fit the model.
    """
    stream = joined(front, model, fpu=True).stream
    assert stream is not None
    return takes_recordings(model, stream)


def takes_recordings(model: Graph, stream: Stream) -> Graph:
    """The graph with the input of `heard`."""
    index = model.main.inputs[0]
    scale = Quantization(np.asarray([stream.unit], np.float32), np.zeros(1, np.int64))
    tensors = list(model.main.tensors)
    tensors[index] = replace(
        tensors[index],
        name="samples",
        shape=(1, *_shape(stream, samples_of_answer(model, stream))),
        dtype=stream.dtype,
        quantization=scale,
        dynamic_axes=(),
    )
    main = replace(model.main, tensors=tuple(tensors))
    described = Described("samples", sample_rate=stream.rate_hz)
    return replace(
        model,
        subgraphs=tuple(main if s.index == model.entry else s for s in model.subgraphs),
        info=replace(model.info, inputs=(described,)),
        stream=stream,
    )


def samples_of_answer(model: Graph, stream: Stream) -> int:
    """Samples until the first answer that counts: a model that streams has seen a window then."""
    return stream.first_answer + read_settling(model.metadata) * stream.step * stream.frame_step


def _shape(stream: Stream, samples: int) -> tuple[int, ...]:
    rows = samples // stream.axes
    return stream.shape or ((rows, stream.axes) if stream.axes > 1 else (rows,))


def answerable(samples: Array, stream: Stream, where: str) -> Array:
    """A recording that is nearly long enough for an answer with silence behind it.

    A layer of Keras that centres its windows takes less than the front end that was made of it.

    Args:
        samples: Shape (N,), as `whole_recording` gives them.
        stream: How the front end takes samples.
        where: What to blame.

    Raises:
        EdgeqError: It is shorter than a window, or lacks more than one.
    """
    missing = stream.first_answer - len(samples)
    if missing <= 0 or stream.shape:
        return samples
    whole_window = len(samples) >= stream.window - stream.zeros
    if stream.axes > 1 or missing > stream.window or not whole_window:
        raise EdgeqError(
            f"The recording has {len(samples) // stream.axes:,} samples; an answer needs "
            f"{stream.first_answer // stream.axes:,}.",
            where,
            "a longer one, or silence behind it",
        )
    return np.pad(samples, (0, missing))


def as_long(recordings: Array, model: Graph) -> Array:
    """Recordings of one answer each that are nearly as long as that with silence, or cut.

    Args:
        recordings: Shape (N, samples); what has another, or is off by more than a window, is given
            back as it is.
        model: As `heard` gives it.
    """
    stream = model.stream
    if stream is None or stream.shape or stream.axes > 1 or recordings.ndim != 2:
        return recordings
    wanted = model.main.tensors[model.main.inputs[0]].elements
    missing = wanted - recordings.shape[1]
    if abs(missing) > stream.window:
        return recordings
    return np.pad(recordings[:, :wanted], ((0, 0), (0, max(missing, 0))))


def whole_recording(samples: Array, stream: Stream, where: str) -> Array:
    """Samples in a row as int16; floats are in real units, sound from -1 to 1.

    Args:
        samples: Shape (N,), or (N, axes).

    Raises:
        EdgeqError: It is none, is empty, holds NaN, or holds int16 values as floats.
    """
    row = samples.reshape(-1)
    if stream.dtype == "uint8":
        if samples.dtype != np.uint8 or not row.size or row.size % stream.window:
            raise EdgeqError(
                f"{samples.dtype} {samples.shape} is no frame of {stream.window:,} bytes.",
                where,
                "uint8, as the camera gives them",
            )
        return row
    if samples.size != max(samples.shape, default=0) and samples.shape[1:] != (stream.axes,):
        raise EdgeqError(f"A recording of {stream.axes} axes has no shape {samples.shape}.", where)
    if not row.size:
        raise EdgeqError("The recording is empty.", where)
    if row.dtype.newbyteorder("=") == np.int16:
        return np.asarray(row, np.int16)
    if row.dtype.kind != "f":
        raise EdgeqError(f"Samples are int16, or floats from -1 to 1; not {row.dtype}.", where)
    if not np.isfinite(row).all():
        raise EdgeqError("The recording holds NaN or infinity.", where)
    if stream.sound and np.abs(row).max() > _LOUDEST * 32768 * stream.unit:
        raise EdgeqError(
            f"Samples go from {row.min():g} to {row.max():g}; as floats they go from -1 to 1.",
            where,
            "int16 samples as they are, or divided by 32768",
        )
    return np.asarray(np.clip(np.rint(row / stream.unit), -32768, 32767), np.int16)
