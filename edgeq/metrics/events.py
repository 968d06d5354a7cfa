"""What events are worth: which of those that happened were found, when, and what was made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Span:
    """Something that happened: class, and when it began and ended, in seconds."""

    label: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Found:
    """An event that was decided.

    Attributes:
        label: Number of the class.
        at_s: When its score was reached.
        decided_s: When it could be had.
    """

    label: int
    at_s: float
    decided_s: float


@dataclass(frozen=True)
class Matches:
    """The events of one recording against what happened.

    Attributes:
        of: For each event the number of what it found; None where it found nothing.
        repeats: Events that found nothing, but lie in what another one has found.
    """

    of: tuple[int | None, ...]
    repeats: int


def match(found: Sequence[Found], happened: Sequence[Span], tolerance_s: float) -> Matches:
    """Each event takes what happened at its time under its label; each of that is taken once.

    An event belongs to what began before it and ended at most `tolerance_s` before it. In order of
    time, each takes what ends first: no other way finds more.
    """
    taken: set[int] = set()
    of: list[int | None] = [None] * len(found)
    repeats = 0
    for number in sorted(range(len(found)), key=lambda i: found[i].at_s):
        event = found[number]
        around = [
            k
            for k, span in enumerate(happened)
            if span.label == event.label and span.start_s <= event.at_s <= span.end_s + tolerance_s
        ]
        free = [k for k in around if k not in taken]
        if free:
            of[number] = min(free, key=lambda k: (happened[k].end_s, k))
            taken.add(of[number])  # type: ignore[arg-type]
        else:
            repeats += bool(around)
    return Matches(tuple(of), repeats)


@dataclass(frozen=True)
class Latency:
    """Seconds from the beginning of what happened to the decision, and from its end."""

    n: int
    mean: float
    p50: float
    p90: float
    max: float
    after_end_p50: float
    after_end_max: float


@dataclass(frozen=True)
class Tally:
    """How good the events of a class, or of all, are.

    Attributes:
        happened: How often it happened.
        found: How often that was found.
        false_accepts: Events where nothing of their class happened, or that was found already.
        repeats: Those of them that are the latter.
        hours: Length of all recordings.
        latency_s: Of those found; None where none was.
    """

    happened: int
    found: int
    false_accepts: int
    repeats: int
    hours: float
    latency_s: Latency | None = None

    @property
    def misses(self) -> int:
        """How often it happened and was not found."""
        return self.happened - self.found

    @property
    def miss_rate(self) -> float | None:
        """Share of what happened that was not found; None where nothing happened."""
        return self.misses / self.happened if self.happened else None

    @property
    def false_accepts_per_hour(self) -> float:
        """False accepts in an hour of recordings."""
        return self.false_accepts / self.hours if self.hours else 0.0

    @property
    def precision(self) -> float | None:
        """Share of the events that found something; None where there are none."""
        made = self.found + self.false_accepts
        return self.found / made if made else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where nothing happened or was decided."""
        whole = 2 * self.found + self.false_accepts + self.misses
        return 2 * self.found / whole if whole else None

    def to_json(self) -> dict[str, object]:
        """All figures."""
        return {
            "happened": self.happened,
            "found": self.found,
            "misses": self.misses,
            "miss_rate": self.miss_rate,
            "false_accepts": self.false_accepts,
            "false_accepts_per_hour": self.false_accepts_per_hour,
            "repeats": self.repeats,
            "precision": self.precision,
            "recall": None if self.miss_rate is None else 1 - self.miss_rate,
            "f1": self.f1,
            "latency_s": self.latency_s,
        }


@dataclass(frozen=True)
class Course:
    """One recording: what was decided, what happened, and its length."""

    found: Sequence[Found]
    happened: Sequence[Span]
    seconds: float


def tallies(
    courses: Sequence[Course], classes: Sequence[int], tolerance_s: float
) -> tuple[Tally, Mapping[int, Tally]]:
    """The figures of all events together, and by class."""
    hours = sum(course.seconds for course in courses) / 3600
    by_class = {}
    everywhere: list[tuple[Found, Span]] = []
    for label in classes:
        pairs: list[tuple[Found, Span]] = []
        happened = false = repeats = 0
        for course in courses:
            found = [event for event in course.found if event.label == label]
            spans = [span for span in course.happened if span.label == label]
            matches = match(found, spans, tolerance_s)
            pairs += [(found[i], spans[k]) for i, k in enumerate(matches.of) if k is not None]
            false += sum(k is None for k in matches.of)
            happened, repeats = happened + len(spans), repeats + matches.repeats
        by_class[label] = Tally(happened, len(pairs), false, repeats, hours, _latency(pairs))
        everywhere += pairs
    each = by_class.values()
    total = Tally(
        sum(tally.happened for tally in each),
        sum(tally.found for tally in each),
        sum(tally.false_accepts for tally in each),
        sum(tally.repeats for tally in each),
        hours,
        _latency(everywhere),
    )
    return total, by_class


def _latency(pairs: Sequence[tuple[Found, Span]]) -> Latency | None:
    if not pairs:
        return None
    from_start = np.asarray([event.decided_s - span.start_s for event, span in pairs])
    after_end = np.asarray([event.decided_s - span.end_s for event, span in pairs])
    middle, high = np.percentile(from_start, (50, 90))
    return Latency(
        len(pairs),
        float(from_start.mean()),
        float(middle),
        float(high),
        float(from_start.max()),
        float(np.median(after_end)),
        float(after_end.max()),
    )
