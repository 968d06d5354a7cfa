"""How a model cuts samples into windows, found by what it makes of a few of them.

All that stands before a Fourier transform is linear in the samples: ones show the window's weights,
a ramp which sample stands where, alternating ones what stood before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.frontend.description import Description
from edgeq.frontend.keras_options import Unlike
from edgeq.frontend.tables import window

Reals = NDArray[np.float64]
Run = Callable[[Reals], Reals]
"""Windowed frames, shape (frames, fft_length), of a row of samples."""

_NOTHING = 1e-6  # of the largest weight
_TELLS = 1e-3
_SAME = 2e-5
_WINDOWS = ("hann", "hamming", "rectangular", "povey")


@dataclass(frozen=True)
class Framing:
    """Windows over samples.

    Attributes:
        options: Length, step, transform, window, silence and pre-emphasis, as a front end has them.
        frames: How many of a recording.
        gain: The weights are the window's times this.
        whole: Which frames hold samples, and silence before the first one, and nothing else.
        mirrored: Whether others hold samples in another order.
    """

    options: dict[str, Any]
    frames: int
    gain: float
    whole: NDArray[np.bool_]
    mirrored: bool


def framing(run: Run, samples: int) -> Framing:
    """How a model cuts so many samples.

    Raises:
        Unlike: No front end cuts them so.
    """
    row = np.arange(samples, dtype=np.float64)
    ones, alternating = run(np.ones(samples)), run(1 - 2 * (row % 2))
    if len(ones) < 2:
        raise Unlike("it has one window only")
    middle = len(ones) // 2 - 1
    most = int(np.abs(ones[middle]).argmax())
    if np.abs(run(np.zeros(samples))).max() > 0 or not ones[middle, most]:
        raise Unlike("what stands before its transform is more than windows")
    ratio = abs(float(alternating[middle, most] / ones[middle, most]))
    before = round((ratio - 1) / (ratio + 1), 5) if ratio > 1 + _TELLS else 0.0
    weights = ones[middle] / (1 - before)
    places = _places(run(row / samples) * samples, ones, before)
    told = np.flatnonzero(np.abs(weights) > _TELLS * np.abs(weights).max())
    start, step = _progression(places[middle], places[middle + 1], told)
    options, first, gain = _window(weights)
    expected = np.arange(len(ones))[:, None] * step + (start - middle * step) + told
    inside = (expected >= 0) & (expected < samples)
    # Pre-emphasis takes silence for what stands before the first sample.
    same = (np.abs(places[:, told] - expected) <= (1 if before else 0)) | (expected == 0)
    silent = np.abs(ones[:, told]) <= _NOTHING * np.abs(weights).max()
    if not np.all(same[inside] & ~silent[inside]):
        raise Unlike("its windows are not all the same")
    lead = start - middle * step + first
    if lead > 0:
        raise Unlike(f"its first window begins {lead} samples after the first one")
    mirrored = np.any(~inside & ~silent, axis=1)
    after = np.any((expected >= samples), axis=1)
    options |= {"frame_step": step, "fft_length": ones.shape[1]}
    options |= {"silence": -lead} if lead else {}
    options |= {"pre_emphasis": before} if before else {}
    return Framing(options, len(ones), gain, ~(mirrored | after), bool(mirrored.any()))


def _places(ramp: Reals, ones: Reals, before: float) -> NDArray[np.int64]:
    """The number of the sample at each place of each window; -1 where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = ramp / ones - before / (1 - before)
    return np.where(np.isfinite(found), np.rint(found), -1).astype(np.int64)


def _progression(
    one: NDArray[np.int64], next_: NDArray[np.int64], told: NDArray[np.int64]
) -> tuple[int, int]:
    """Sample at the beginning of a window, and those from there to the next window."""
    starts, steps = one[told] - told, next_[told] - one[told]
    if len({*starts.tolist()}) > 1 or len({*steps.tolist()}) > 1 or steps[0] < 1:
        raise Unlike("its windows are no rows of samples at even distances")
    return int(starts[0]), int(steps[0])


def _window(weights: Reals) -> tuple[dict[str, Any], int, float]:
    """The window's name and length, where it begins, and its gain."""
    for options, first in _candidates(weights):
        length = options["frame_length"]
        shape = window(Description("", "spectrogram", fft_length=len(weights), **options))
        found = weights[first : first + length]
        gain = float(found @ shape / (shape @ shape))
        if np.abs(found - gain * shape).max() <= _SAME * abs(gain):
            return options, first, gain
    raise Unlike(f"its window is none of {', '.join(_WINDOWS)}")


def _candidates(weights: Reals) -> Iterator[tuple[dict[str, Any], int]]:
    """Names and lengths, with zeros of the window itself at one or both ends."""
    counted = np.flatnonzero(np.abs(weights) > _NOTHING * np.abs(weights).max())
    first, length = int(counted[0]), int(counted[-1] - counted[0] + 1)
    for before, after in ((0, 0), (1, 0), (1, 1)):
        start, whole = first - before, length + before + after
        if start < 0 or start + whole > len(weights):
            continue
        for name in _WINDOWS:
            for periodic in (True, False):
                yield {"frame_length": whole, "window": name, "periodic": periodic}, start
