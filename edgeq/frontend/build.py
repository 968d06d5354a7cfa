"""From a description to a graph: one op a stage, from a window of samples to a frame."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.compiler.ops.signal.signal_fft import first_order
from edgeq.errors import EdgeqError
from edgeq.frontend.description import PRECISIONS, Described, Description, read_described
from edgeq.frontend.image import Image, image_stages, image_stream
from edgeq.frontend.micro import micro_stages
from edgeq.frontend.motion import Motion, motion_stages, motion_stream
from edgeq.frontend.stages import Stages
from edgeq.frontend.tables import bands, cosines, log_factor, window
from edgeq.model.graph import Graph
from edgeq.model.joining import FrontEnd
from edgeq.model.stream import Stream

_SAMPLE_BITS, _EMPHASIS_BITS = 30, 28


def front_end(
    source: str | Path | Mapping[str, Any] | Described, precision: str | None = None
) -> FrontEnd:
    """A front end that can stand before a model.

    Args:
        source: A built-in name, a TOML file, a mapping of its keys, or what was read from one.
        precision: "int16" or "float32", if not what the description says or suits the core.

    Raises:
        EdgeqError: It makes no sense.
    """
    d, decision = (source, None) if isinstance(source, Described) else read_described(source)
    if not isinstance(d, Description):
        form = "float32" if isinstance(d, Motion) else "int16"
        front = FrontEnd(d.name, {form: graph_of(d, form)}, precision, decision=decision)
        front.graph(fpu=True)
        return front
    forms = ("int16",) if d.kind == "micro" else PRECISIONS
    graphs = {form: graph_of(d, form) for form in forms}
    front = FrontEnd(d.name, graphs, precision or d.precision, d.frames, d.stride, decision)
    front.graph(fpu=False)  # says so now if there is no such form
    return front


def graph_of(d: Described, precision: str) -> Graph:
    """The graph of one precision: int16 samples of a window in, a frame of features out."""
    digest = hashlib.sha256(repr((astuple(d), precision)).encode()).hexdigest()
    if isinstance(d, Motion):
        stream = motion_stream(d)
        stages = Stages(stream.window, d.unit)
        counter = motion_stages(d, stages)
        return stages.graph(d.name, digest, replace(stream, counter=counter))
    if isinstance(d, Image):
        stream = image_stream(d)
        stages = Stages(stream.window, stream.unit, stream.dtype)
        image_stages(d, stages)
        return stages.graph(d.name, digest, stream)
    lead = int(d.pre_emphasis != 0)
    centred = d.fft_length // 2 - (d.fft_length - d.frame_length) // 2 if d.center else 0
    stream = Stream(
        d.name,
        d.sample_rate,
        d.frame_length + lead,
        d.frame_step,
        zeros=lead + centred + d.silence,
        sound=True,
    )
    stages = Stages(stream.window)
    if d.kind == "micro":
        micro_stages(d, stages)
    elif precision == "float32":
        _float_stages(d, stages)
    else:
        _fixed_stages(d, stages)
    return stages.graph(d.name, digest, stream)


def _float_stages(d: Description, s: Stages) -> None:
    bins = d.fft_length // 2 + 1
    options = {"weights": window(d), "pre_emphasis": float(d.pre_emphasis), "order": None}
    at = s.op("FRONTEND_WINDOW", (0,), ("windowed", (d.frame_length,), "float32"), options)
    at = s.custom("SignalRfft", (at,), ("spectrum", (2 * bins,), "float32"), {
        "T": 0, "fft_length": d.fft_length,
    })  # fmt: skip
    at = s.op("FRONTEND_BANDS", (at,), ("bands", (_size(d),), "float32"), _band_options(d))
    if d.log != "none":
        logs = {"floor": d.log_floor, "offset": d.log_offset, "factor": log_factor(d)}
        at = s.op("FRONTEND_LOG", (at,), ("log", (_size(d),), "float32"), logs)
    if d.kind == "mfcc":
        matrix = {"matrix": cosines(d)}
        s.op("FRONTEND_DCT", (at,), ("coefficients", (d.num_mfccs,), "float32"), matrix)


def _fixed_stages(d: Description, s: Stages) -> None:
    points = d.fft_length // 2
    options = {"weights": window(d), "pre_emphasis": d.pre_emphasis, "order": first_order(points)}
    at = s.op("FRONTEND_WINDOW", (0,), ("windowed", (d.fft_length,), "int32"), options)
    scaled = s.also(("scaled", (1,), "int32"))
    at = s.op("FRONTEND_FFT", (at,), ("spectrum", (d.fft_length,), "int32"))
    unit = _EMPHASIS_BITS if d.pre_emphasis else _SAMPLE_BITS
    wanted = {**_band_options(d), "exponent": int(math.log2(d.fft_length)) - unit}
    # The logarithm of a magnitude is half that of its power, which has more bits.
    halved = d.kind == "spectrogram" and d.power == 1 and d.log != "none" and not d.log_offset
    wanted["magnitude"] = wanted["magnitude"] and not halved
    at = s.op("FRONTEND_BANDS", (at, scaled), ("bands", (_size(d),), "uint64"), wanted)
    exponent = s.also(("exponent", (1,), "int32"))
    low, high = _range(d)
    most = max(abs(low), abs(high))
    if most == 0:  # which no scale is for
        raise EdgeqError(
            "The front end makes no sense: all that it can give is 0.",
            d.name,
            "a longer frame_length, whose window is more than zeros, or another log_floor or "
            "log_offset",
        )
    logs = {
        "floor": d.log_floor**2 if halved else d.log_floor,
        "offset": d.log_offset,
        "factor": log_factor(d) / 2 if halved else log_factor(d),
        "norms": wanted["norms"],
        "log": d.log != "none",
    }
    if d.kind != "mfcc":
        frame = ("features", (_size(d),), "int16", most / 32767)
        s.op("FRONTEND_LOG", (at, exponent), frame, logs)
        return
    at = s.op("FRONTEND_LOG", (at, exponent), ("log", (_size(d),), "int32"), logs)
    matrix = cosines(d)
    most *= float(np.abs(matrix).sum(axis=1).max())
    frame = ("coefficients", (d.num_mfccs,), "int16", most / 32767)
    s.op("FRONTEND_DCT", (at,), frame, {"matrix": matrix, "factor": log_factor(d)})


def _size(d: Description) -> int:
    return d.fft_length // 2 + 1 if d.kind == "spectrogram" else d.num_mel_bins


def _band_options(d: Description) -> dict[str, Any]:
    magnitude = d.power == 1
    if d.kind == "spectrogram":
        one = np.ones(_size(d))
        return {"first": 0, "magnitude": magnitude, "weights": None, "widths": None, "norms": one}
    found = bands(d)
    return {
        "first": found.first,
        "magnitude": magnitude,
        "weights": found.weights,
        "widths": found.widths,
        "norms": found.norms,
    }


def _range(d: Description) -> tuple[float, float]:
    """The least and the largest value that a frame before the cosine transform can hold."""
    largest = float(window(d).sum()) * (1 + d.pre_emphasis)
    power = largest**d.power
    if d.kind != "spectrogram":
        power *= float(bands(d).matrix(d.fft_length // 2 + 1).sum(axis=1).max())
    if d.log == "none":
        return 0.0, power
    factor = log_factor(d)
    least = max(d.log_floor, d.log_offset)
    return factor * math.log(least), factor * math.log(max(power + d.log_offset, least))
