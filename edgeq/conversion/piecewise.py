"""A function of one value as straight lines over int16, and what lines cannot follow.

Pieces are of one width, so a line is found by a division. A function that is too steep for any of
these widths, as 1/x is near 0 or one with a jump, has its thousand values around there looked up
one by one: what they add is what the lines lack there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.network import LIMITS, Function, Range
from edgeq.model.fixedpoint import multiply_by_quantized_multiplier, quantize_multiplier

AROUND = 1023
"""Values to each side of a steep place that are looked up one by one."""
# A function may be steep at both ends of its range.
_MOST_PLACES = 2
# Widths of a piece as powers of two, the widest first: 257, 513 or 1025 of them.
_WIDTHS = (8, 7, 6)
# A step for the lines themselves, half of one for rounding where they start.
_GOOD_STEPS = 1.5
_LEAST, _MOST = LIMITS["int16"]
_INTEGERS = np.arange(_LEAST, _MOST + 1)


@dataclass(frozen=True)
class Lines:
    """Straight lines over equal pieces of what an int16 can hold, in integers.

    Attributes:
        power: The pieces are two to that power wide, each around a multiple of that width.
        shift: What is taken off the source first, so that pieces meet at 0.
        starts: The line in the middle of each piece, in steps of the result.
        slopes: Its rise per unit of the source, in steps of `slope`.
        slope: Scale of the slopes.
    """

    power: int
    shift: int
    starts: NDArray[np.int16]
    slopes: NDArray[np.int16]
    slope: float

    @property
    def width(self) -> int:
        """Of a piece, in steps of the source."""
        return 1 << self.power

    def values(self, source: float, result: float) -> NDArray[np.float64]:
        """What they give for each integer, as the kernels compute it, by the two scales."""
        shifted = np.clip(_INTEGERS - self.shift, _LEAST, _MOST)
        numbers = multiply_by_quantized_multiplier(shifted, *quantize_multiplier(1 / self.width))
        rests, pieces = shifted - numbers * self.width, numbers + (1 << (15 - self.power))
        risen = self.slopes[pieces] * (self.slope * source) * rests
        total = self.starts[pieces] * result + risen
        return np.asarray(np.clip(total, _LEAST * result, _MOST * result))


@dataclass(frozen=True)
class Segments:
    """A function as straight lines, and what they lack of it.

    Attributes:
        lines: As they are computed.
        missing: What to add for each integer; 0 where the source was not seen.
        error: The largest of `missing` in steps of the result, steep places left out.
        steep: Middles of the places whose values are looked up one by one.
    """

    lines: Lines
    missing: NDArray[np.float64]
    error: float
    steep: tuple[int, ...] = ()


def segments(function: Function, source: float, result: float, seen: Range) -> Segments:
    """The fewest straight lines that follow a function to a step; the most if none do.

    Args:
        function: Of real values.
        source, result: Scales.
        seen: Where to follow it.
    """
    plain = straight(function, source, result, seen)
    if plain.error < _GOOD_STEPS:
        return plain
    mended = straight(function, source, result, seen, _MOST_PLACES)
    return mended if mended.error < plain.error / 2 else plain


def straight(
    function: Function, source: float, result: float, seen: Range, places: int = 0
) -> Segments:
    """`segments` that have that many steep places at most."""
    room = (1 << _WIDTHS[0]) + 1  # the last piece's end, and the largest shift
    reals = source * np.arange(_LEAST - room, _MOST + 1 + room, dtype=np.float64)
    values = np.clip(evaluated(function, reals), _LEAST * result, _MOST * result)
    fit = _Fit(values, (reals >= seen[0] - source) & (reals <= seen[1] + source), source, result)
    found = None
    for power in _WIDTHS:
        # Many functions have a corner at 0, which is the middle of a piece unless it is shifted.
        for shift in (0, 1 << (power - 1), -(1 << (power - 1))):
            tried = fit.tried(power, shift, places)
            if found is None or tried.error < _GOOD_STEPS or tried.error < found.error / 2:
                found = tried
            if found.error < _GOOD_STEPS:
                return found
    assert found is not None
    return found


@dataclass(frozen=True)
class _Fit:
    """Values to be followed.

    Attributes:
        values, seen: At each integer, and as far beyond both ends as pieces reach: the function,
            and whether it matters.
        source, result: Scales.
    """

    values: NDArray[np.float64]
    seen: NDArray[np.bool_]
    source: float
    result: float

    def tried(self, power: int, shift: int, places: int) -> Segments:
        """Lines over pieces of one width, with some steep places at most."""
        inside = np.zeros(self.values.shape, bool)
        found = self._lines(power, shift, inside, ())
        steep: list[int] = []
        while len(steep) < places and found.error >= _GOOD_STEPS:
            errors = np.where(inside[self._own], 0.0, np.abs(found.missing) / self.result)
            total = np.cumsum([0.0, *np.where(errors >= _GOOD_STEPS, errors, 0.0)])
            first = int((total[2 * AROUND + 1 :] - total[: -2 * AROUND - 1]).argmax())
            inside[first + self._room : first + self._room + 2 * AROUND + 1] = True
            steep.append(first + AROUND + _LEAST)
            tried = self._lines(power, shift, inside, tuple(steep))
            if tried.error > found.error / 2:
                break
            found = tried
        return found

    @property
    def _room(self) -> int:
        return (self.values.size - _INTEGERS.size) // 2

    @property
    def _own(self) -> slice:
        return slice(self._room, self._room + _INTEGERS.size)

    def _lines(
        self, power: int, shift: int, inside: NDArray[np.bool_], steep: tuple[int, ...]
    ) -> Segments:
        """Straight lines of least largest error, steep ones left out inside of some places."""
        half = 1 << (power - 1)
        middles = np.arange(_LEAST, _MOST + 2, 1 << power)
        steps = np.arange(-half, half + 1)
        places = middles[:, None] + steps + shift - _LEAST + self._room
        pieces = self.values[places]
        slopes = (pieces[:, -1] - pieces[:, 0]) / (2 * half * self.source)
        slopes[inside[places].all(1)] = 0.0
        rests = pieces - slopes[:, None] * steps * self.source
        starts = (rests.max(1) + rests.min(1)) / 2
        # What lies beyond what was seen may be steeper than what is looked up.
        steepest = slopes[(self.seen & ~inside)[places].any(1)] if steep else slopes
        # Slopes so small that their product with the rest is an int16 as it is: rounding it is
        # where runtimes differ. Kernels round twice, so a piece may reach a value further.
        largest = _MOST // (half + 1)
        slope = max(float(np.abs(steepest).max(initial=0.0)), 1e-30) / largest
        lines = Lines(
            power,
            shift,
            np.clip(np.round(starts / self.result), _LEAST, _MOST).astype(np.int16),
            np.clip(np.round(slopes / slope), -largest, largest).astype(np.int16),
            slope,
        )
        told = lines.values(self.source, self.result)
        missing = np.where(self.seen[self._own], self.values[self._own] - told, 0.0)
        errors = np.where(inside[self._own], 0.0, np.abs(missing))
        return Segments(lines, missing, float(errors.max()) / self.result, steep)


def around(values: NDArray[np.float64], places: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Those of each integer's values that are around each place; 0 where they were given before."""
    left, found = np.pad(values, 2 * AROUND), []
    for place in places:
        first = place - _LEAST + AROUND
        found.append(left[first : first + 2 * AROUND + 1].copy())
        left[first : first + 2 * AROUND + 1] = 0.0
    return found


def evaluated(function: Function, reals: NDArray[np.float64]) -> NDArray[np.float64]:
    """A function's values; where it has none, that of the nearest place where it has."""
    with np.errstate(all="ignore"):
        values = np.asarray(function(reals.astype(np.float32)), np.float64)
    sound = np.isfinite(values)
    if sound.all() or not sound.any():
        return np.nan_to_num(values)
    return np.asarray(np.interp(reals, reals[sound], values[sound]), np.float64)
