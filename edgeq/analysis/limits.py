"""Limits against what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeq.analysis.evaluation.evaluate import Evaluation
from edgeq.analysis.profiling import Profile
from edgeq.analysis.verification import ORACLE, Verification
from edgeq.boards.target import Target


@dataclass(frozen=True)
class Limits:
    """What the result must keep to; None where there is no limit.

    Attributes:
        accuracy: Least value of the metric (largest, where smaller is better).
        accuracy_drop: Most that the metric may be worse than the float model's.
        flash_bytes: Most flash of model and kernels.
        ram_bytes: Most RAM: arena, statics and stack.
        cycles: Most cycles of one inference.
        latency_ms: Most time of one inference at the target's clock.
    """

    accuracy: float | None = None
    accuracy_drop: float | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    cycles: int | None = None
    latency_ms: float | None = None


@dataclass(frozen=True)
class LimitCheck:
    """One limit.

    Attributes:
        name: What is limited.
        limit: The bound.
        value: What was found; None if it could not be measured, which does not meet a limit.
        met: Whether the value keeps to the limit.
        source: Who set it: "asked for", the target's name, or "always".
    """

    name: str
    limit: float
    value: float | None
    met: bool
    source: str


def check_limits(
    limits: Limits,
    target: Target,
    profile: Profile,
    accuracy: Evaluation | None = None,
    float_accuracy: Evaluation | None = None,
    verifications: Sequence[Verification] = (),
) -> tuple[LimitCheck, ...]:
    """Every limit that was asked for, those of the target's memory, and equal bytes."""
    found = profile.measurement
    memory = found.memory_bytes
    # Other oracles than TFLM round some ops differently; their differences are only shown.
    checks = [
        LimitCheck(f"inputs that differ on {v.on}", 0, v.differing, v.equal, "always")
        for v in verifications
        if v.against == ORACLE
    ]
    checks += _accuracy(limits, accuracy, float_accuracy)
    checks += _at_most("flash bytes", limits.flash_bytes, memory.flash_total, "asked for")
    checks += _at_most("RAM bytes", limits.ram_bytes, memory.ram_total, "asked for")
    checks += _at_most("cycles", limits.cycles, found.cycles, "asked for")
    checks += _at_most("latency ms", limits.latency_ms, latency_ms(target, profile), "asked for")
    if memory.flash_total is not None and target.flash_bytes is not None:
        room = target.flash_bytes - target.system.flash_bytes
        checks += _at_most("flash bytes", room, memory.flash_total, target.name)
    # Only one block of RAM counts: an arena cannot be spread over several.
    if memory.ram_total is not None and target.largest_ram_bytes is not None:
        room = target.largest_ram_bytes - target.system.ram_bytes
        checks += _at_most("RAM bytes", room, memory.ram_total, target.name)
    return tuple(checks)


def _at_most(
    name: str, limit: float | None, value: float | None, source: str
) -> Iterator[LimitCheck]:
    if limit is not None:
        yield LimitCheck(name, limit, value, value is not None and value <= limit, source)


def latency_ms(target: Target, profile: Profile) -> float | None:
    """Typical latency where the target itself was timed, else its cycles at its clock."""
    found = profile.measurement
    scheme = str(found.device["address"]).partition("?")[0]
    here = scheme in ("local", "c", "tflm") and target.kind != "host"
    if found.latency_us is not None and not here:
        return found.latency_us.typical / 1000
    if found.cycles is None or target.clock_hz is None:
        return None
    return found.cycles / target.clock_hz * 1000


def _accuracy(
    limits: Limits, accuracy: Evaluation | None, real: Evaluation | None
) -> Iterator[LimitCheck]:
    if accuracy is None:
        return
    score = accuracy.score
    sign = 1 if score.larger_is_better else -1
    if limits.accuracy is not None:
        met = sign * score.value >= sign * limits.accuracy
        yield LimitCheck(score.metric, limits.accuracy, score.value, met, "asked for")
    if limits.accuracy_drop is not None:
        drop = None if real is None else sign * (real.score.value - score.value)
        # A drop of exactly the limit is fine, whatever the last bit of a float says.
        met = drop is not None and drop <= limits.accuracy_drop + 1e-9
        yield LimitCheck(f"{score.metric} drop", limits.accuracy_drop, drop, met, "asked for")
