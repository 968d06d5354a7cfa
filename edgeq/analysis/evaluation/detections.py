"""Thresholds tried on recordings that were heard once: a DET curve, and the best ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgeq.analysis.clock import Clock
from edgeq.frontend.decider import Sums, decide_sums, sums_of, with_thresholds
from edgeq.metrics.events import Course, Found, Span, Tally, match, tallies
from edgeq.model.decision import NEVER, ONE, Event, Rules
from edgeq.support.array import Array

# Finer where scores crowd: near 0 and 1.
_STEPS = sorted(
    {round(ONE * k / 64) for k in range(1, 64)}
    | {round(ONE * 2.0**-k) for k in range(7, 13)}
    | {ONE - round(ONE * 2.0**-k) for k in range(7, 13)}
    | {1, ONE - 1}
)


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording after it was heard.

    Attributes:
        file: Its name below the folder.
        seconds: Its length.
        events: What the device decided.
        scores: int16, shape (answers, classes).
        happened: What is true of it.
        clock: When its samples were taken.
    """

    file: str
    seconds: float
    events: tuple[Event, ...]
    scores: Array
    happened: tuple[Span, ...]
    clock: Clock

    def found(self, events: Sequence[Event]) -> list[Found]:
        """Events in it, in seconds."""
        return [Found(e.label, self.clock.at(e.sample), self.clock.at(e.decided)) for e in events]

    def references(self, tolerance_s: float) -> tuple[int | None, ...]:
        """For each of its events the number of what that found."""
        return match(self.found(self.events), self.happened, tolerance_s).of


@dataclass(frozen=True)
class DetPoint:
    """One common threshold: what it lets pass, and what it misses.

    Attributes:
        threshold: Real value.
        false_accepts_per_hour: In an hour of recordings.
        miss_rate: Share of what happened that was not found; None where nothing happened.
    """

    threshold: float
    false_accepts_per_hour: float
    miss_rate: float | None


class Trials:
    """Recordings whose events are decided again and again, with other thresholds."""

    def __init__(self, recordings: Sequence[Recording], rules: Rules, tolerance_s: float) -> None:
        self._recordings = recordings
        self._sums: list[Sums] = [sums_of(each.scores, rules) for each in recordings]
        self._rules = rules
        self._tolerance_s = tolerance_s

    def events(self, rules: Rules) -> list[list[Event]]:
        """The events of each recording."""
        return [decide_sums(sums, rules) for sums in self._sums]

    def judged(self, rules: Rules) -> Tally:
        """All figures of some rules, together."""
        return self.by_class(rules)[0]

    def by_class(self, rules: Rules) -> tuple[Tally, dict[int, Tally]]:
        """All figures of some rules, together and by class."""
        courses = [
            Course(each.found(events), each.happened, each.seconds)
            for each, events in zip(self._recordings, self.events(rules), strict=True)
        ]
        whole, each = tallies(courses, rules.firing, self._tolerance_s)
        return whole, dict(each)

    def curve(self) -> list[DetPoint]:
        """The DET curve: all classes under one threshold, from the lowest to the highest."""
        points = []
        for limit in _STEPS:
            tally = self.judged(with_thresholds(self._rules, self._all_at(limit)))
            real = limit / ONE * self._rules.full_scale
            points.append(DetPoint(real, tally.false_accepts_per_hour, tally.miss_rate))
        return points

    def best(self, wanted_per_hour: float) -> Rules:
        """The rules whose thresholds miss least, of those with at most so many false accepts.

        Without suppression classes do not touch each other, so that the best combination of their
        thresholds is found exactly; with it, nearly always less passes. Where no thresholds are
        strict enough, the strictest are taken.
        """
        hours = sum(each.seconds for each in self._recordings) / 3600
        allowed = int(wanted_per_hour * hours + 1e-9)
        # By false accepts so far: least misses, and the thresholds that give them.
        ways: dict[int, tuple[int, tuple[int, ...]]] = {0: (0, ())}
        strictest = []
        for c in self._rules.firing:
            options = self._options(c)
            strictest.append(min(options, key=lambda o: (o[0], o[1], -o[2]))[2])
            wider: dict[int, tuple[int, tuple[int, ...]]] = {}
            for spent, (misses, chosen) in ways.items():
                for false, missed, limit in options:
                    total = (misses + missed, (*chosen, limit))
                    if spent + false > allowed:
                        continue
                    known = wider.get(spent + false)
                    if known is None or total[0] < known[0]:
                        wider[spent + false] = total
            ways = wider
        found = min(ways.items(), key=lambda way: (way[1][0], way[0]), default=None)
        limits = strictest if found is None else found[1][1]
        thresholds = list(self._rules.thresholds)
        for c, limit in zip(self._rules.firing, limits, strict=True):
            thresholds[c] = limit
        return with_thresholds(self._rules, thresholds)

    def _options(self, c: int) -> list[tuple[int, int, int]]:
        """False accepts, misses and threshold of one class alone; what others beat left out.

        Of thresholds that do the same the one in the middle is farthest from doing worse.
        """
        options: dict[tuple[int, int], list[int]] = {}
        for limit in _STEPS:
            limits = [limit if k == c else NEVER for k in range(len(self._rules.labels))]
            rules = replace(with_thresholds(self._rules, limits), suppression=0)
            tally = self.judged(rules)
            options.setdefault((tally.false_accepts, tally.misses), []).append(limit)
        kept: list[tuple[int, int, int]] = []
        for (false, missed), limits in sorted(options.items()):
            if not kept or missed < kept[-1][1]:
                kept.append((false, missed, limits[len(limits) // 2]))
        return kept

    def _all_at(self, limit: int) -> list[int]:
        return [NEVER if old == NEVER else limit for old in self._rules.thresholds]
