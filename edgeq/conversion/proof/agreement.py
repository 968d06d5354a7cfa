"""How far apart two models' values and answers are: sums over samples, and the figures of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
STEPS_THAT_TELL = 2.0
"""Differences below so many steps of the scale say nothing."""
NO_SIGNAL_DB = -100.0
_FEW_STEPS = 16.0
_FEW_DECIDED = 0.1


@dataclass
class Closeness:
    """Values of the float model beside those of the converted one, summed over samples.

    Attributes:
        signal, noise, dot, power: Energy of the float values, of the differences; the product of
            both models' values, and the energy of the converted ones.
        low, high: Least and greatest float value.
        largest: Largest difference.
        by_channel: The same by the last axis; None where that tells nothing.
    """

    signal: float = 0.0
    noise: float = 0.0
    dot: float = 0.0
    power: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    largest: float = 0.0
    by_channel: ByChannel | None = None

    def add(self, real: Array, converted: Array) -> None:
        """Take one sample's values in, both float64 and of one shape."""
        difference = converted - real
        self.signal += float((real**2).sum())
        self.noise += float((difference**2).sum())
        self.dot += float((real * converted).sum())
        self.power += float((converted**2).sum())
        self.low = min(self.low, float(real.min(initial=math.inf)))
        self.high = max(self.high, float(real.max(initial=-math.inf)))
        self.largest = max(self.largest, float(np.abs(difference).max(initial=0.0)))
        if self.by_channel is not None:
            self.by_channel.add(real, difference)

    @property
    def decibels(self) -> float | None:
        """Signal-to-noise ratio in dB; None without noise, `NO_SIGNAL_DB` for noise alone.

        Values that are no numbers, or beyond all numbers, are noise.
        """
        if self.noise <= 0:
            return None
        if self.signal <= 0 or not math.isfinite(self.signal) or not math.isfinite(self.noise):
            return NO_SIGNAL_DB
        return 10 * math.log10(self.signal / self.noise)

    @property
    def cosine(self) -> float:
        """Cosine between the values of both models; 1 where both are all zero."""
        both = math.sqrt(self.signal * self.power)
        if not both:
            return 1.0 if self.signal == self.power else 0.0
        return self.dot / both

    @property
    def span(self) -> float:
        """Greatest minus least float value."""
        return max(self.high - self.low, 0.0)


class ByChannel:
    """Signal, noise and range of each channel, which is the last axis."""

    def __init__(self, channels: int) -> None:
        self._signal, self._noise = np.zeros(channels), np.zeros(channels)
        self._low, self._high = np.full(channels, np.inf), np.full(channels, -np.inf)

    def add(self, real: Array, difference: Array) -> None:
        """Take one sample in."""
        rows, wrong = (x.reshape(-1, len(self._signal)) for x in (real, difference))
        self._signal += (rows**2).sum(axis=0)
        self._noise += (wrong**2).sum(axis=0)
        self._low = np.minimum(self._low, rows.min(axis=0))
        self._high = np.maximum(self._high, rows.max(axis=0))

    def bad(self, step: float, warn_db: float, fail_db: float) -> tuple[int, ...]:
        """Channels whose values are lost.

        Either their noise is too large for any use, or so few steps of the common scale are left
        to them that they are below what the whole output must keep.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            decibels = 10 * np.log10(self._signal / self._noise)
            span = (self._high - self._low) / step
        lost = decibels < fail_db
        coarse = (decibels < warn_db) & (span < _FEW_STEPS)
        return tuple(np.flatnonzero((lost | coarse) & (self._high > self._low)).tolist())


@dataclass
class Answers:
    """Which class each model puts first, row by row.

    Attributes:
        rows, same: Answers given, and those that are the same.
        decided, agreed: The same of the rows whose margin is at least two steps.
        margins: Least and greatest margin between first and second class of the float model.
    """

    rows: int = 0
    same: int = 0
    decided: int = 0
    agreed: int = 0
    margins: tuple[float, float] = (math.inf, -math.inf)
    _counts: dict[int, list[int]] = field(default_factory=dict)
    _first: set[int] = field(default_factory=set)

    def add(self, ours: Array, theirs: Array, margins: Array, step: float) -> None:
        """Take answers in.

        Args:
            ours, theirs: Classes that the float and the converted model put first.
            margins: By how much the float model puts its first class before its second.
            step: Of the scale that the margins are told apart with; 0 for float.
        """
        equal = ours == theirs
        clear = margins >= STEPS_THAT_TELL * step
        self._first.update(np.unique(ours).tolist())
        self.rows += equal.size
        self.same += int(equal.sum())
        self.decided += int(clear.sum())
        self.agreed += int((equal & clear).sum())
        low, high = self.margins
        self.margins = (
            min(low, float(margins.min(initial=math.inf))),
            max(high, float(margins.max(initial=-math.inf))),
        )
        for side, classes in enumerate((ours[clear], theirs[clear])):
            for number, count in zip(*np.unique(classes, return_counts=True), strict=True):
                self._counts.setdefault(int(number), [0, 0])[side] += int(count)

    @property
    def agreement(self) -> float | None:
        """Share of the rows with the same answer; None without rows."""
        return self.same / self.rows if self.rows else None

    @property
    def beyond_chance(self) -> float | None:
        """Agreement on clear rows, 0 for what chance makes of both models' habits, 1 for all.

        Source: Cohen's kappa. None where no row is clear.
        """
        if not self.decided:
            return None
        share = self.agreed / self.decided
        chance = sum(a * b for a, b in self._counts.values()) / self.decided**2
        return share if chance >= 1 else (share - chance) / (1 - chance)

    @property
    def only_class(self) -> int | None:
        """The class that the float model puts first in every row; None if there are more."""
        return int(next(iter(self._first))) if len(self._first) == 1 else None

    def too_close(self, step: float) -> bool:
        """Whether the float model's classes lie so close together that none can be told."""
        low, high = (margin / step for margin in self.margins)
        little = high - low < STEPS_THAT_TELL and high < _FEW_STEPS
        return self.decided < _FEW_DECIDED * self.rows or little
