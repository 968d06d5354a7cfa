"""The kind `motion`: windows of several axes, filters, statistics and the power of bands.

All of it is float32: at the rates of accelerometers that costs little on cores without an FPU too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.frontend.frontend_motion import STATISTICS
from edgeq.errors import EdgeqError, first_few
from edgeq.frontend.stages import Stages
from edgeq.model.stream import STACK, Stream

_MOST_ROWS = 4096
# Below any power that a sensor tells from nothing.
_LEAST_POWER = 1e-12
# b0, b1, b2, a1 and a2 in a row of scipy's, all in parts of a0.
_PARTS = (0, 1, 2, 4, 5)
# Of values that powers are taken of in float32, and deviations that are divided by.
_LEAST, _MOST = 1e-12, 1e12
# A pole may be as far outside the unit circle, by rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Motion:
    """A front end for accelerometers and the like.

    Attributes:
        sample_rate: Hz.
        axes: Values at a time, which stand beside each other in the samples.
        unit: Real value of a sample's step, such as g or rad/s.
        frame_length, frame_step: Times in a window, a multiple of the step; and from one window to
            the next.
        sos: Second-order sections as scipy.signal gives them, run over the whole recording.
        statistics: Names of `STATISTICS`, of every axis.
        bands: Edges in Hz of neighbouring bands, whose power (as scipy.signal.welch's density with
            one segment, integrated) is given for every axis; none for no spectrum.
        log_power: Whether the natural logarithm of powers is given.
        mean, std: Of each feature over the data to train on; what is given is (feature - mean) /
            std. None for features as they are. A model's input has one scale for all features, so
            that those of a small range are lost without it.
    """

    name: str
    sample_rate: int = 100
    axes: int = 3
    unit: float = 1.0
    frame_length: int = 200
    frame_step: int = 100
    sos: tuple[tuple[float, ...], ...] = ()
    statistics: tuple[str, ...] = ()
    bands: tuple[float, ...] = ()
    log_power: bool = True
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def features(self) -> int:
        """Values of a frame."""
        count = len(self.statistics) + max(len(self.bands) - 1, 0)
        return (count or self.frame_length) * self.axes


def read_motion(given: Mapping[str, Any], name: str, where: str) -> Motion:
    """The front end that a file of kind `motion` describes.

    Raises:
        EdgeqError: It makes no sense: all of it at once.
    """
    known = {field.name for field in fields(Motion)} | {"kind", "frames", "stride", "precision"}
    problems = [f"{key} is unknown" for key in sorted(set(given) - known)]
    problems += [f"{key} has no meaning for motion" for key in ("frames", "stride") if key in given]
    if given.get("precision", "float32") != "float32":
        problems.append(f"precision is {given['precision']!r}: motion is float32")
    values = {k: v for k, v in given.items() if k not in ("kind", "frames", "stride", "precision")}
    limits = {
        "sample_rate": (1, 1 << 20),
        "axes": (1, 64),
        "frame_length": (2, _MOST_ROWS),
        "frame_step": (1, _MOST_ROWS),
    }
    for key, (low, high) in limits.items():
        value = values.get(key, getattr(Motion, key))
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            problems.append(f"{key} is {value!r}, no integer from {low} to {high}")
    if not problems:
        problems += _lists(values)
    if not problems:
        made = Motion(**{"name": name, **values})
        problems += _contradictions(made)
        if not problems:
            return made
    raise EdgeqError(f"The front end makes no sense: {'; '.join(first_few(problems))}.", where)


def _lists(values: dict[str, Any]) -> list[str]:
    """Numbers and names in lists, made tuples; what is wrong with them."""
    problems = []
    unit = values.get("unit", 1.0)
    if not _is_number(unit) or not _LEAST <= unit <= _MOST:
        problems.append(f"unit is {unit!r}, no number from {_LEAST:g} to {_MOST:g}")
    if not isinstance(values.get("name", ""), str):
        problems.append(f"name is {values['name']!r:.100}, no text")
    if not isinstance(values.get("log_power", True), bool):
        problems.append("log_power is neither true nor false")
    rows = values.get("sos", ())
    if not isinstance(rows, list | tuple) or not all(
        isinstance(row, list | tuple) and len(row) == 6 and all(map(_is_number, row))
        for row in rows
    ):
        problems.append("sos has no rows of six numbers (b0, b1, b2, a0, a1, a2)")
    elif any(row[3] == 0 for row in rows):
        problems.append("an a0 in sos is 0")
    else:
        values["sos"] = tuple(tuple(float(v) for v in row) for row in rows)
    names = values.get("statistics", ())
    if not isinstance(names, list | tuple) or not set(map(str, names)) <= set(STATISTICS):
        problems.append(f"statistics are {names!r}, not some of {', '.join(STATISTICS)}")
    else:
        values["statistics"] = tuple(names)
    for key in ("mean", "std"):
        of_each = values.get(key, ())
        if not isinstance(of_each, list | tuple) or not all(map(_is_number, of_each)):
            problems.append(f"{key} is {of_each!r}, no list of a number for each feature")
        else:
            values[key] = tuple(float(value) for value in of_each)
    edges = values.get("bands", ())
    if not isinstance(edges, list | tuple) or not all(map(_is_number, edges)):
        problems.append(f"bands are {edges!r}, no frequencies")
    else:
        values["bands"] = tuple(float(edge) for edge in edges)
    return problems


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _contradictions(d: Motion) -> list[str]:
    found = []
    if d.frame_length % d.frame_step:
        found.append(f"frame_length {d.frame_length} is no multiple of frame_step {d.frame_step}")
    if d.frame_length * d.axes > 1 << 16:
        found.append(f"{d.frame_length} times {d.axes} axes are too many")
    if len(d.bands) == 1 or sorted(set(d.bands)) != list(d.bands):
        found.append("bands are no rising frequencies, two at the least")
    elif d.bands and (d.bands[0] < 0 or d.bands[-1] > d.sample_rate / 2):
        found.append(f"bands lie outside 0 to {d.sample_rate / 2:g} Hz")
    elif d.bands:
        found += _empty_bands(d)
    found += _unsound_filters(d)
    found += _unsound_features(d)
    return found


def _unsound_features(d: Motion) -> list[str]:
    """What is wrong with the means and deviations of features."""
    found = []
    if any(abs(value) > _MOST for value in d.mean):
        found.append(f"a mean is beyond {_MOST:g}")
    for key, of_each in (("mean", d.mean), ("std", d.std)):
        if of_each and len(of_each) != d.features:
            found.append(f"{key} has {len(of_each)} numbers and a frame {d.features} features")
    if any(value <= 0 for value in d.std):
        found.append("a std is not above 0 (take 1 for a feature that never changes)")
    elif any(not _LEAST <= value <= _MOST for value in d.std):
        found.append(f"a std is not from {_LEAST:g} to {_MOST:g}")
    return found


def _empty_bands(d: Motion) -> list[str]:
    """Bands that no bin of the spectrum lies in: their power would be nothing for ever."""
    edges = _bins_of(d)
    return [
        f"no bin, {d.sample_rate / _fft_length(d):g} Hz apart, lies between {low:g} and {high:g} Hz"
        for low, high, first, end in zip(d.bands, d.bands[1:], edges, edges[1:], strict=False)
        if first == end
    ]


def _unsound_filters(d: Motion) -> list[str]:
    """Sections that float32 does not hold, or whose answers grow without end."""
    found = []
    for number, row in enumerate(d.sos):
        b0, b1, b2, a1, a2 = (row[i] / row[3] if abs(row[3]) > _LEAST else math.inf for i in _PARTS)
        if not all(abs(value) <= _MOST for value in (b0, b1, b2, a1, a2)):
            found.append(f"sos[{number}] has a coefficient beyond {_MOST:g} times its a0")
        # The poles lie inside the unit circle where (a1, a2) lies in this triangle.
        elif abs(a2) > 1 + _ROUNDING or abs(a1) > 1 + a2 + _ROUNDING:
            found.append(f"sos[{number}] is not stable: a pole lies outside the unit circle")
    return found


def motion_stream(d: Motion) -> Stream:
    """How its samples reach it: a step of them at a time; windows are put together inside."""
    return Stream(
        d.name,
        d.sample_rate,
        d.frame_step * d.axes,
        d.frame_step * d.axes,
        frames=d.frame_length // d.frame_step,
        frame_step=1,
        axes=d.axes,
        unit=d.unit,
    )


def motion_stages(d: Motion, s: Stages) -> int | None:
    """Add all stages to `s`; returns the tensor that counts steps, if it is needed."""
    values = d.frame_length * d.axes
    # Without a filter one section that changes nothing turns samples into real values.
    rows = d.sos or ((1.0, 0.0, 0.0, 1.0, 0.0, 0.0),)
    sections = np.asarray([np.asarray(row)[list(_PARTS)] / row[3] for row in rows])
    state = s.variable("filters", (2 * len(rows) * d.axes,), "float32")
    at = s.op(
        "FRONTEND_BIQUAD",
        (0, state),
        ("filtered", (d.frame_step * d.axes,), "float32"),
        {"sections": sections, "axes": d.axes, "unit": d.unit},
    )
    counter = None
    if d.frame_length > d.frame_step:
        counter = s.variable("steps counted", (2,), "int32")
        window = s.variable("window", (values,), "float32")
        s.op(STACK, (at, counter), None, {"step": 1}, into=window)
        at = s.op("COPY", (window,), ("windowed", (values,), "float32"))
    parts = []
    if d.statistics:
        shape = (len(d.statistics) * d.axes,)
        options = {"statistics": d.statistics, "axes": d.axes}
        made = s.op("FRONTEND_STATISTICS", (at,), ("statistics", shape, "float32"), options)
        parts.append((made, shape))
    if d.bands:
        parts.append(_spectrum(d, s, at))
    if parts:
        at = parts[0][0]
    if len(parts) == 2:
        at = s.op("CONCATENATION", (at, parts[1][0]), ("features", (d.features,), "float32"), {
            "axis": 0, "fused_activation_function": 0,
        })  # fmt: skip
    _normalized(d, s, at)
    return counter


def _normalized(d: Motion, s: Stages, at: int) -> None:
    """The features with the same range for each, where their mean or deviation is known."""
    plain = {"fused_activation_function": 0}
    if d.mean:
        mean = s.constant("mean", np.asarray(d.mean, np.float32))
        at = s.op("SUB", (at, mean), ("centred", (d.features,), "float32"), plain)
    if d.std:
        factor = s.constant("1 / std", np.asarray(1 / np.asarray(d.std), np.float32))
        s.op("MUL", (at, factor), ("normalized", (d.features,), "float32"), plain)


def _spectrum(d: Motion, s: Stages, at: int) -> tuple[int, tuple[int]]:
    weights = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(d.frame_length) / d.frame_length)
    length = _fft_length(d)
    bins = length // 2 + 1
    shape = ((len(d.bands) - 1) * d.axes,)
    rows = (d.axes, d.frame_length)
    split = {"weights": weights, "axes": d.axes}
    at = s.op("FRONTEND_AXES", (at,), ("axes", rows, "float32"), split)
    at = s.custom("SignalRfft", (at,), ("spectrum", (d.axes, 2 * bins), "float32"), {
        "T": 0, "fft_length": length,
    })  # fmt: skip
    options = {**_density(d, weights, length), "axes": d.axes}
    at = s.op("FRONTEND_BAND_POWERS", (at,), ("powers", shape, "float32"), options)
    if d.log_power:
        logs = {"floor": _LEAST_POWER, "offset": 0.0, "factor": 1.0}
        at = s.op("FRONTEND_LOG", (at,), ("log powers", shape, "float32"), logs)
    return at, shape


def _density(d: Motion, weights: NDArray[np.float64], length: int) -> dict[str, Any]:
    """Weights of squared bins: power density times the distance of bins, one-sided.

    Source: scipy.signal.welch(nperseg=frame_length, nfft=length, scaling="density").
    """
    bins = np.full(length // 2 + 1, 2.0)
    bins[0] = bins[-1] = 1.0
    density = bins / (d.sample_rate * (weights**2).sum())
    return {"weights": density * d.sample_rate / length, "edges": _bins_of(d)}


def _fft_length(d: Motion) -> int:
    return 1 << max(d.frame_length - 1, 3).bit_length()


def _bins_of(d: Motion) -> NDArray[np.int64]:
    """The first bin of each band, and the one behind the last."""
    length = _fft_length(d)
    frequencies = np.arange(length // 2 + 1) * d.sample_rate / length
    return np.searchsorted(frequencies, np.asarray(d.bands), "left")
