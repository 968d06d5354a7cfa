"""Which mel triangles a matrix holds: rate, edges, scale, slopes and norm, by its values alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.frontend.description import Description
from edgeq.frontend.tables import bands

Reals = NDArray[np.float64]

RATES = (16000, 8000, 22050, 44100, 48000, 32000, 11025, 24000)
# What tf.signal makes of mel in float32, with bands that are a few mel wide.
_SAME = 3e-4
_ROUNDS = 12
# A start that is worse after the first rounds is none; other starts are tried where one is better.
_FIRST_ROUNDS, _NEAR = 3, 0.3
_AS_GOOD = 2e-5
_KINDS = (
    ("htk", "mel", "none"),
    ("slaney", "hertz", "slaney"),
    ("htk", "hertz", "none"),
    ("slaney", "hertz", "none"),
    ("htk", "hertz", "slaney"),
    ("slaney", "mel", "none"),
    ("htk", "mel", "slaney"),
    ("slaney", "mel", "slaney"),
)


@dataclass(frozen=True)
class Bank:
    """Mel triangles in the words of a front end.

    Attributes:
        options: Rate, bands, edges, scale, slopes and norm.
        gain: The matrix is the triangles times this.
    """

    options: dict[str, Any]
    gain: float


def mel_bank(matrix: Reals, rates: Iterable[int] = RATES) -> Bank | None:
    """The triangles that a matrix holds; None where it holds something else.

    Args:
        matrix: Shape (bands, bins of a spectrum).
        rates: Sample rates to try, in Hz; of those that fit the first counts.
    """
    exact = np.asarray(matrix, np.float64)
    counted = np.flatnonzero(np.abs(exact).max(0) > 1e-7 * np.abs(exact).max())
    shared = (exact > 1e-7 * np.abs(exact).max()).sum(0).max()  # a bin is under two at the most
    if len(counted) < 2 or exact.min() < 0 or shared > 2:
        return None
    for scale, slopes, norm in _KINDS:
        for rate in dict.fromkeys(rates):
            plain = Description(
                "", "log-mel", sample_rate=rate, fft_length=2 * (exact.shape[1] - 1),
                num_mel_bins=len(exact), mel_scale=scale, mel_slopes=slopes, norm=norm,
            )  # fmt: skip
            for first, last in _starts(counted, rate / plain.fft_length):
                found, far = _fitted(exact, _between(plain, first, last))
                if far <= _SAME:
                    return _rounded(exact, found)
                if far > _NEAR:
                    break
    return None


def _starts(counted: NDArray[np.int64], apart: float) -> Iterator[tuple[float, float]]:
    """Edges between the bins that count and those that do not."""
    low, high = float(counted[0]), float(counted[-1])
    for before in (0.5, 0.9, 0.1):
        yield max(low - before, 0.0) * apart, (high + before) * apart


def _between(d: Description, low: float, high: float) -> Description:
    return replace(d, lower_edge_hertz=float(low), upper_edge_hertz=float(high))


def _compared(exact: Reals, d: Description) -> tuple[Reals, float]:
    """What the triangles lack of a matrix, in shares of its largest weight, and their gain."""
    ours = bands(d).matrix(exact.shape[1])
    gain = float((exact * ours).sum() / max((ours * ours).sum(), 1e-300))
    return (exact - gain * ours) / exact.max(), gain


def _fitted(exact: Reals, d: Description) -> tuple[Description, float]:
    """The edges that fit best from some that are near, and the largest difference."""
    now, _ = _compared(exact, d)
    for tried in range(_ROUNDS):
        if tried == _FIRST_ROUNDS and np.abs(now).max() > _NEAR:
            break
        apart = d.sample_rate / d.fft_length * 1e-4
        at = np.asarray([d.lower_edge_hertz, d.upper_edge_hertz])
        slopes = np.stack(
            [
                (_compared(exact, _between(d, *(at + move)))[0] - now).ravel() / apart
                for move in np.diag([apart, apart])
            ]
        )
        step = np.linalg.pinv(slopes @ slopes.T) @ (slopes @ -now.ravel())
        for part in (1.0, 0.5, 0.25, 0.05):
            low, high = at + part * step
            low, high = max(low, 0.0), min(high, d.sample_rate / 2)
            if low >= high:
                continue
            moved = _between(d, low, high)
            then, _ = _compared(exact, moved)
            if np.linalg.norm(then) < np.linalg.norm(now):
                break
        else:
            break
        d, now = moved, then
    return d, float(np.abs(now).max())


def _rounded(exact: Reals, d: Description) -> Bank:
    """The bank with edges that a person would write, where they fit as well."""
    for digits in (0, 1, 2, 3):
        near = _between(d, round(d.lower_edge_hertz, digits), round(d.upper_edge_hertz, digits))
        lacking, _ = _compared(exact, near)
        if np.abs(lacking).max() <= _AS_GOOD:
            d = near
            break
    _, gain = _compared(exact, d)
    names = (
        "sample_rate", "num_mel_bins", "lower_edge_hertz", "upper_edge_hertz", "mel_scale",
        "mel_slopes", "norm",
    )  # fmt: skip
    return Bank({name: getattr(d, name) for name in names}, gain)
