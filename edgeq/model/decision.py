"""Decisions: what the answers of a model are taken for, and which of them become events."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgeq.errors import EdgeqError, first_few
from edgeq.model.fixedpoint import round_half_away
from edgeq.support.text import twice_named

DECISION = "FRONTEND_DECISION"
ONE = 1 << 15
"""A score of 1."""

NEVER = ONE
"""A threshold above every score: of classes that make no events."""

_DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Decision:
    """How events are made of a model's answers, as a file says it.

    Attributes:
        labels: Names of the classes in the model's order; those of the model's metadata, or their
            numbers, where none are given.
        background: Classes that make no events.
        full_scale: The real value that is a score of 1.
        average: Answers whose mean counts.
        threshold: Score that makes an event: one for all, or by label.
        release: Score that a class must fall below before it makes another event; the threshold
            where None, and for labels that are left out.
        min_count: Answers in a row above the threshold that an event takes.
        refractory: Answers from one event of a class to its next, at the least.
        suppression: Of all events that are at most so many answers apart the strongest stays.
        top_k: How many classes with the highest means can make events.
        queue: Events that wait to be taken; the oldest is lost where there are more.
        times_ms: Values of `average`, `min_count`, `refractory` and `suppression` that were given
            in milliseconds.
    """

    labels: tuple[str, ...] = ()
    background: tuple[str, ...] = ()
    full_scale: float = 1.0
    average: int = 1
    threshold: float | Mapping[str, float] = _DEFAULT_THRESHOLD
    release: float | Mapping[str, float] | None = None
    min_count: int = 1
    refractory: int = 0
    suppression: int = 0
    top_k: int = 1
    queue: int = 8
    times_ms: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Rules:
    """A decision for one model: integers only.

    Attributes:
        labels: One a class.
        thresholds, releases: One a class, in 1/32768.
        average, min_count, refractory, suppression: In answers.
        first, step: Samples until the first answer, and from one answer to the next.
        full_scale: The real value that is a score of 1.
        settling: Answers at the beginning that count as scores of 0: a model that streams has not
            seen a whole window then.
        state: The tensor that holds what is remembered.
    """

    labels: tuple[str, ...]
    thresholds: tuple[int, ...]
    releases: tuple[int, ...]
    average: int
    min_count: int
    refractory: int
    suppression: int
    top_k: int
    queue: int
    first: int
    step: int
    full_scale: float = 1.0
    settling: int = 0
    state: int = -1

    @property
    def state_words(self) -> int:
        """Numbers that are remembered, besides the scores of the last answers."""
        return 8 + 3 * self.queue + 4 * len(self.labels)

    @property
    def event_words(self) -> int:
        """Numbers of an event: label, score, sample."""
        return 3

    @property
    def most_of_answer(self) -> int:
        """Events that one answer can make."""
        return min(self.queue, len(self.labels))

    @property
    def firing(self) -> tuple[int, ...]:
        """The classes that can make events."""
        return tuple(c for c, limit in enumerate(self.thresholds) if limit < NEVER)


@dataclass(frozen=True)
class Event:
    """One decision.

    Attributes:
        label: Number of the class.
        score: Mean score, in 1/32768.
        sample: Samples taken when the answer that made it was ready.
        decided: Samples taken when it could be had: later where neighbours are waited for.
        box: Of a detector: (xmin, ymin, xmax, ymax) in 1/32768 of the picture.
    """

    label: int
    score: int
    sample: int
    decided: int
    box: tuple[int, int, int, int] | None = None


def rules_of(
    decision: Decision,
    classes: int,
    first: int,
    step: int,
    answer_s: float,
    *,
    labels: Sequence[str] = (),
    where: str = "decision",
) -> Rules:
    """A decision for a model with so many classes.

    Args:
        decision: What the file says.
        classes: Values of an answer.
        first, step: Samples until the first answer, and from one answer to the next.
        answer_s: Seconds from one answer to the next; 0 where there is no rate.
        labels: Of the model's metadata.
        where: What to blame.

    Raises:
        EdgeqError: It does not fit: all of it at once.
    """
    problems = []
    names = decision.labels or (tuple(labels) if len(labels) == classes else ())
    names = names or tuple(str(number) for number in range(classes))
    if len(names) != classes:
        problems.append(f"{len(names)} labels stand there and the model has {classes} classes")
    thresholds = decision.threshold
    releases = thresholds if decision.release is None else decision.release
    named = [*decision.background, *_names(thresholds), *_names(releases)]
    if twice := twice_named(names):
        problems.append(f"several classes of the model are called {', '.join(twice)}: labels = ...")
    unknown = sorted(set(named) - set(names))
    if unknown:
        problems.append(f"{', '.join(unknown)}: no label of {', '.join(names)}")
    counts = {}
    for key in ("average", "min_count", "refractory", "suppression"):
        counts[key] = _in_answers(decision, key, answer_s, problems)
    if problems:
        raise EdgeqError(
            f"The decision does not fit the model: {'; '.join(first_few(problems))}.", where
        )
    limits = [
        NEVER if name in decision.background else score_units(thresholds, name, decision.full_scale)
        for name in names
    ]
    if isinstance(releases, Mapping):
        releases = {name: releases.get(name, limit_of(thresholds, name)) for name in names}
    lower = [score_units(releases, name, decision.full_scale) for name in names]
    return Rules(
        names,
        tuple(limits),
        tuple(min(low, limit) for low, limit in zip(lower, limits, strict=True)),
        **counts,
        top_k=min(decision.top_k, classes),
        queue=decision.queue,
        first=first,
        step=step,
        full_scale=decision.full_scale,
    )


def _names(values: float | Mapping[str, float]) -> Iterable[str]:
    return values if isinstance(values, Mapping) else ()


def score_units(values: float | Mapping[str, float], name: str, full_scale: float) -> int:
    """One class's threshold in 1/32768; at most what a score can be."""
    return min(round_half_away(limit_of(values, name) / full_scale * ONE), ONE - 1)


def limit_of(values: float | Mapping[str, float], name: str) -> float:
    """One class's threshold, real; the usual one for labels that are left out."""
    return float(values.get(name, _DEFAULT_THRESHOLD) if isinstance(values, Mapping) else values)


def _in_answers(decision: Decision, key: str, answer_s: float, problems: list[str]) -> int:
    given = (decision.times_ms or {}).get(key)
    if given is None:
        return int(getattr(decision, key))
    if not answer_s:
        problems.append(f"{key}_ms: this front end has no sample rate; give {key} in answers")
        return 1
    # A little less, so that 300 ms are 15 answers of 20 ms whatever floats make of that.
    least = 1 if key in ("average", "min_count") else 0
    return max(math.ceil(given / 1000 / answer_s - 1e-6), least)
