"""Which trials are worth having, and which one to take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgeq.errors import UsageError
from edgeq.workflow.tuning.trial import Trial

PREFERENCES = ("balanced", "accuracy", "flash", "ram", "speed")

_STEP = math.log(1.25)


@dataclass(frozen=True)
class TuneLimits:
    """What a model must keep to; None where there is no limit.

    Attributes:
        drop: Most that the metric may lose against the float model.
        flash_bytes, ram_bytes: Memory in all.
        cycles: Of one inference.
        latency_us: Median of one inference.
        energy_uj: Of one inference, on an emulated board whose currents are known.
    """

    drop: float | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    cycles: int | None = None
    latency_us: float | None = None
    energy_uj: float | None = None

    def __post_init__(self) -> None:
        if self.drop is not None and not math.isfinite(self.drop):
            raise UsageError(f"The metric may not lose {self.drop:g}.", hint="--max-drop 0.01")
        for name, value in (
            ("flash", self.flash_bytes), ("ram", self.ram_bytes),
            ("cycles", self.cycles), ("latency", self.latency_us),
            ("energy", self.energy_uj),
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

    def coarse_costs(self, trial: Trial) -> tuple[float, ...]:
        """The costs, those that were observed in steps that noise seldom crosses."""
        loss, flash, ram, time = self.costs(trial)
        if trial.ram_spread_bytes:
            ram = _coarse(ram)
        if trial.time_spread:
            time = _coarse(time)
        return loss, flash, ram, time

    def front(self, trials: Iterable[Trial]) -> list[Trial]:
        """The trials that no other beats in everything, fastest first.

        Times and memory that lie within what single runs differ by are equal. Of trials that are
        equal in everything the smallest stays, then the first by name. What keeps to the limits
        gives way only to what does, too: a limit may lie within what runs differ by.
        """
        good = sorted(
            (trial for trial in trials if not trial.error),
            key=lambda trial: (self.excess(trial) > 0, *_settled(trial)),
        )
        found: list[Trial] = []
        for trial in good:
            beaten = any(self._beats(other, trial) for other in good if other is not trial)
            if not beaten and not any(self._ties(other, trial) for other in found):
                found.append(trial)
        # Where everything is close, each may be beaten by another one.
        return sorted(found or good[:1], key=lambda trial: (trial.time, trial.flash_bytes))

    def _differences(self, one: Trial, other: Trial) -> tuple[float, ...]:
        """How much cheaper the first is, axis by axis; 0 within what single runs differ by."""
        spreads = (
            0.0,
            0.0,
            max(one.ram_spread_bytes, other.ram_spread_bytes),
            max(one.time_spread, other.time_spread),
        )
        pairs = zip(self.costs(one), self.costs(other), spreads, strict=True)
        return tuple(0.0 if abs(b - a) <= spread else b - a for a, b, spread in pairs)

    def _beats(self, one: Trial, other: Trial) -> bool:
        found = self._differences(one, other)
        return min(found) >= 0 and max(found) > 0 and self._may_replace(one, other)

    def _ties(self, one: Trial, other: Trial) -> bool:
        return not any(self._differences(one, other)) and self._may_replace(one, other)

    def _may_replace(self, one: Trial, other: Trial) -> bool:
        return not self.excess(one) or self.excess(other) > 0

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
            return min(front, key=lambda trial: (self.excess(trial), _settled(trial)))
        ranks = {trial.candidate.key: self._rank(trial, prefer, meeting) for trial in meeting}
        best = min(meeting, key=lambda trial: (ranks[trial.candidate.key], _settled(trial)))
        least, *_ = ranks[best.candidate.key]
        ties = [
            trial
            for trial in meeting
            if ranks[trial.candidate.key][0] - least <= _rank_spread(trial, best, prefer)
        ]
        if any(trial.time_spread or trial.ram_spread_bytes for trial in ties):
            return min(ties, key=_settled)
        # Counted figures: what ties in the one that matters most is told apart by all of them.
        return min(ties, key=lambda trial: (ranks[trial.candidate.key], _settled(trial)))

    def _rank(self, trial: Trial, prefer: str, among: Sequence[Trial]) -> tuple[float, float]:
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


def _coarse(cost: float) -> float:
    """A cost rounded to steps of a quarter."""
    return math.exp(round(math.log(max(cost, 1e-9)) / _STEP) * _STEP)


def _settled(trial: Trial) -> tuple[int, int, str]:
    """What settles a tie: size, counted before observed, then the name."""
    return trial.flash_bytes, 0 if trial.ram_spread_bytes else trial.ram_bytes, trial.candidate.key


def _rank_spread(trial: Trial, best: Trial, prefer: str) -> float:
    """What two ranks must differ by for the trials to be different."""
    time = max(trial.time_spread, best.time_spread)
    ram = max(trial.ram_spread_bytes, best.ram_spread_bytes)
    if prefer == "speed":
        return time
    if prefer == "ram":
        return float(ram)
    if prefer == "balanced":
        return math.log1p(time / max(best.time, 1.0)) + math.log1p(ram / max(best.ram_bytes, 1))
    return 0.0
