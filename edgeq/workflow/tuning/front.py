"""Which trials are worth having, and which one to take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgeq.errors import UsageError
from edgeq.workflow.tuning.trial import Trial

PREFERENCES = ("balanced", "accuracy", "flash", "ram", "speed")


@dataclass(frozen=True)
class TuneLimits:
    """What a model must keep to; None where there is no limit.

    Attributes:
        drop: Most that the metric may lose against the float model.
        flash_bytes, ram_bytes: Memory in all.
        cycles: Of one inference.
        latency_us: Median of one inference.
    """

    drop: float | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    cycles: int | None = None
    latency_us: float | None = None

    def __post_init__(self) -> None:
        if self.drop is not None and not math.isfinite(self.drop):
            raise UsageError(f"The metric may not lose {self.drop:g}.", hint="--max-drop 0.01")
        for name, value in (
            ("flash", self.flash_bytes), ("ram", self.ram_bytes),
            ("cycles", self.cycles), ("latency", self.latency_us),
        ):  # fmt: skip
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"A limit of {value:g} for {name} is none.", hint="above 0")


@dataclass(frozen=True)
class Judge:
    """Compares trials.

    Attributes:
        limits: What must be kept to.
        real: The metric of the float model.
        larger_is_better: Which way of the metric is good.
    """

    limits: TuneLimits
    real: float
    larger_is_better: bool

    def loss(self, trial: Trial) -> float:
        """What is lost against the float model; negative where something is won."""
        return (self.real - trial.score) * (1 if self.larger_is_better else -1)

    def costs(self, trial: Trial) -> tuple[float, ...]:
        """What is to be small: loss, flash, RAM, time."""
        return (self.loss(trial), trial.flash_bytes, trial.ram_bytes, trial.time)

    def front(self, trials: Iterable[Trial]) -> list[Trial]:
        """The trials that no other beats in everything, fastest first."""
        good = [trial for trial in trials if not trial.error]
        costs = {trial.candidate.key: self.costs(trial) for trial in good}
        found: dict[tuple[float, ...], Trial] = {}
        for trial in good:
            mine = costs[trial.candidate.key]
            beaten = any(other != mine and _dominates(other, mine) for other in costs.values())
            if not beaten:
                found.setdefault(mine, trial)
        return sorted(found.values(), key=lambda trial: (trial.time, trial.flash_bytes))

    def excess(self, trial: Trial) -> float:
        """How far limits are missed, as the sum of shares of the limits; 0 when all are met."""
        limits = self.limits
        pairs: list[tuple[float | None, float | None]] = [
            (trial.flash_bytes, limits.flash_bytes),
            (trial.ram_bytes, limits.ram_bytes),
            (trial.cycles, limits.cycles),
            (trial.latency_us, limits.latency_us),
        ]
        # What cannot be measured does not meet its limit.
        total = sum(
            1.0 if value is None else max(0.0, value / limit - 1)
            for value, limit in pairs
            if limit is not None
        )
        if limits.drop is not None:
            # Ten points too much weigh as much as twice the memory.
            total += 10 * max(0.0, self.loss(trial) - limits.drop - 1e-9)
        return total

    def choose(self, trials: Iterable[Trial], prefer: str) -> Trial | None:
        """The trial to take: the best that keeps to all limits, else the one that comes nearest."""
        front = self.front(trials)
        if not front:
            return None
        meeting = [trial for trial in front if not self.excess(trial)]
        if not meeting:
            return min(front, key=self.excess)
        return min(meeting, key=lambda trial: self._rank(trial, prefer, meeting))

    def _rank(self, trial: Trial, prefer: str, among: Sequence[Trial]) -> tuple[float, ...]:
        loss, flash, ram, time = self.costs(trial)
        # A loss counts by itself and beside the smallest sizes; ties go to the balanced one.
        balanced = sum(
            math.log(max(cost, 1.0) / max(min(self.costs(other)[axis] for other in among), 1.0))
            for axis, cost in ((1, flash), (2, ram), (3, time))
        ) + 10 * max(loss, 0.0)
        first = {
            "balanced": balanced,
            "accuracy": loss,
            "flash": flash,
            "ram": ram,
            "speed": time,
        }[prefer]
        return first, balanced


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))
