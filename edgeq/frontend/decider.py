"""Decisions in Python: the events that the C makes of the same answers.

The C takes one answer after the other; here whole recordings are decided at once, by going from one
possible event to the next, so that many thresholds can be tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeq.model.decision import Event, Rules
from edgeq.support.array import Array

_NONE = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, eq=False)
class Sums:
    """What does not depend on thresholds: of each answer and class.

    Attributes:
        sums: Sum of the last scores.
        leading: Whether the class is among those with the highest sums.
    """

    sums: NDArray[np.int64]
    leading: NDArray[np.bool_]


def sums_of(scores: Array, rules: Rules) -> Sums:
    """The sums of the last scores, and which of them lead.

    Args:
        scores: int16, shape (answers, classes).
        rules: How many answers are averaged, how many classes lead, and which do not count.
    """
    counted = np.array(scores, np.int64)
    counted[: rules.settling] = 0
    total = np.cumsum(counted, axis=0)
    sums = total.copy()
    sums[rules.average :] -= total[: -rules.average]
    order = np.argsort(-sums, axis=1, kind="stable")
    leading = np.zeros(sums.shape, bool)
    np.put_along_axis(leading, order[:, : rules.top_k], values=True, axis=1)
    return Sums(sums, leading)


def decide(scores: Array, rules: Rules) -> list[Event]:
    """The events that one recording's scores make, from the initial state.

    Args:
        scores: int16 in 1/32768, shape (answers, classes); `edgeq.model.scores.scores_of` makes
            them of answers.
        rules: The decision.

    Returns:
        Events in the order in which `NAME_decision` gives them, if they are taken after each
        answer.
    """
    return decide_sums(sums_of(scores, rules), rules)


def decide_sums(found: Sums, rules: Rules) -> list[Event]:
    """`decide`, of sums that are there already."""
    return _Decider(found, rules).events()


class _Decider:
    """The course of one recording; answers are known by their numbers."""

    def __init__(self, found: Sums, rules: Rules) -> None:
        self._rules = rules
        self._sums = found.sums
        self._lines = {c: _Line(found, rules, c) for c in rules.firing}
        self._next = {c: line.following() for c, line in self._lines.items()}
        self._made: list[tuple[int, Event]] = []

    def events(self) -> list[Event]:
        wait = self._rules.suppression
        best: tuple[int, int] | None = None  # answer and class
        while True:
            at, c = min(((n, c) for c, n in self._next.items()), default=(_NONE, -1))
            if best is not None and at > best[0] + wait:
                if best[0] + wait >= len(self._sums):
                    break
                self._emit(*best)
                best = None
                continue
            if at == _NONE:
                break
            self._lines[c].fired(at)
            if not wait:
                self._emit(at, c)
                continue
            self._next[c] = self._lines[c].following()
            if best is None or self._score(at, c) > self._score(*best):
                best = (at, c)
        return self._kept()

    def _emit(self, at: int, c: int) -> None:
        rules, line = self._rules, self._lines[c]
        decided = at + rules.suppression
        event = Event(c, self._score(at, c), self._sample(at), self._sample(decided))
        self._made.append((decided, event))
        line.free = at + rules.refractory
        self._next[c] = line.following()

    def _kept(self) -> list[Event]:
        """The events without those that a full queue has lost."""
        kept: list[Event] = []
        for number, (answer, event) in enumerate(self._made):
            later = self._made[number + self._rules.queue :][:1]
            if not later or later[0][0] != answer:
                kept.append(event)
        return kept

    def _score(self, at: int, c: int) -> int:
        return int(self._sums[at, c]) // self._rules.average

    def _sample(self, at: int) -> int:
        return (self._rules.first + at * self._rules.step) & 0xFFFFFFFF


class _Line:
    """One class: where it could make an event, and where it falls."""

    def __init__(self, found: Sums, rules: Rules, c: int) -> None:
        sums = found.sums[:, c]
        above = found.leading[:, c] & (sums >= rules.thresholds[c] * rules.average)
        numbers = np.arange(len(sums))
        below = np.maximum.accumulate(np.where(above, -1, numbers)) if len(sums) else numbers
        self._high = np.flatnonzero(above & (numbers - below >= rules.min_count))
        self._low = np.flatnonzero(sums < rules.releases[c] * rules.average)
        self._armed = 0
        self.free = 0  # the first answer behind the refractory period

    def fired(self, at: int) -> None:
        """An event was possible at `at`; the class must fall before the next one."""
        self._armed = _following(self._low, at + 1)

    def following(self) -> int:
        """The next answer that can make an event."""
        return _following(self._high, max(self._armed, self.free))


def _following(places: NDArray[np.intp], least: int) -> int:
    """The first of the places that is not before `least`."""
    at = int(np.searchsorted(places, least))
    return int(places[at]) if at < len(places) else _NONE


def with_thresholds(rules: Rules, thresholds: Sequence[int]) -> Rules:
    """The rules with other thresholds; each release keeps its ratio to its threshold."""
    releases = [
        min(release * limit // max(old, 1), limit)
        for release, old, limit in zip(rules.releases, rules.thresholds, thresholds, strict=True)
    ]
    return replace(rules, thresholds=tuple(thresholds), releases=tuple(releases))
