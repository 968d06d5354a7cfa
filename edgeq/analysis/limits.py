"""Limits against what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeq.analysis.account import Account, how_to_measure
from edgeq.analysis.evaluation.evaluate import Evaluation
from edgeq.analysis.verification import Verification
from edgeq.boards.target import Target
from edgeq.errors import UsageError
from edgeq.firmware.account import ImageAccount
from edgeq.firmware.layout import APPLICATION_STACK_BYTES
from edgeq.support.figures import Figure, Kind, can_satisfy


@dataclass(frozen=True)
class Limits:
    """What the result must keep to; None where there is no limit.

    Attributes:
        accuracy: Least value of the metric (largest, where smaller is better).
        accuracy_drop: Most that the metric may be worse than the float model's.
        flash_bytes: Most flash of the program: code, weights and tables.
        ram_bytes: Most RAM that the program needs: arena, state, statics and stack.
        cycles: Most cycles of one inference.
        latency_ms: Most time of one inference at the target's clock.
        energy_uj: Most energy of one inference.
    """

    accuracy: float | None = None
    accuracy_drop: float | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    cycles: int | None = None
    latency_ms: float | None = None
    energy_uj: float | None = None

    def __post_init__(self) -> None:
        """Refuse limits that nothing can be held against.

        Raises:
            UsageError: One is not finite, or beyond all measure.
        """
        for name, value in vars(self).items():
            if value is not None and not abs(value) <= _LARGEST:
                raise UsageError(f"The limit {name} is {value:g}.", hint="a number that can be met")


_LARGEST = 1e15


@dataclass(frozen=True)
class LimitCheck:
    """One limit.

    Attributes:
        name: What is limited.
        limit: The bound.
        value: What was found; None if it could not be measured, which does not meet a limit.
        met: Whether the value keeps to the limit, and is of a kind that can show it.
        source: Who set it: "asked for", the target's name, or "always".
        kind: What kind of figure the value is (`edgeq.support.figures.KINDS`).
        note: Why a value within the limit does not meet it, and what would show it; or what else
            is to be known of the value.
        clock_hz: Of a time: the clock that it is at.
    """

    name: str
    limit: float
    value: float | None
    met: bool
    source: str
    kind: Kind = "measured"
    note: str = ""
    clock_hz: int | None = None


def check_limits(
    limits: Limits,
    target: Target,
    account: Account,
    accuracy: Evaluation | None = None,
    float_accuracy: Evaluation | None = None,
    verifications: Sequence[Verification] = (),
    *,
    accept_stand_in: bool = False,
) -> tuple[LimitCheck, ...]:
    """Every limit that was asked for, those of the target's memory, and equal bytes.

    Args:
        limits: What was asked for.
        target: The target.
        account: What the program takes there.
        accuracy: Of the integer model.
        float_accuracy: Of the float model.
        verifications: Bytes compared with the oracle.
        accept_stand_in: Whether figures of another core than the target's may meet a limit.
    """
    # An oracle that only stands in rounds some ops differently; its differences are only shown.
    checks = [
        LimitCheck(f"inputs that differ on {v.on}", 0, v.differing, v.equal, "always")
        for v in verifications
        if v.owned
    ]
    checks += _accuracy(limits, accuracy, float_accuracy)
    figures = account.figures
    asked = {
        "flash bytes": (limits.flash_bytes, figures["memory_bytes.flash_total"]),
        "RAM bytes": (limits.ram_bytes, figures["memory_bytes.ram_total"]),
        "cycles": (limits.cycles, figures["cycles"]),
        "latency ms": (limits.latency_ms, account.latency_ms),
        "energy uJ": (limits.energy_uj, figures.get("energy_uj", Figure(None, "unknown", "uJ"))),
    }
    for name, (limit, found) in asked.items():
        if limit is not None:
            checks.append(_at_most(name, limit, found, "asked for", target, accept_stand_in))
    return (*checks, *memory_checks(target, account, accept_stand_in=accept_stand_in))


def memory_checks(
    target: Target, account: Account, *, accept_stand_in: bool = False
) -> tuple[LimitCheck, ...]:
    """What the program takes against each memory of the target, which nobody had to ask for.

    Where the image of the bare-metal project is known, that image is judged, byte for byte; else
    the model's program and what the target's usual system takes.

    Args:
        target: The target.
        account: What the program takes there.
        accept_stand_in: Whether the sizes of a stand-in's code count.
    """
    image = account.image
    if image is None:
        return tuple(_program_checks(target, account, accept_stand_in))
    stack = account.figures["memory_bytes.stack"]
    kept = _stack_checks(target, image, stack, accept_stand_in)
    return (*_image_checks(target, image), *kept)


def _image_checks(target: Target, image: ImageAccount) -> Iterator[LimitCheck]:
    several = sum(region.kind == "ram" for region in image.regions) > 1
    for region in image.regions:
        name = "flash bytes" if region.kind == "flash" else "RAM bytes"
        if several and region.kind == "ram":
            name += f" in {region.name}"
        met = region.left_bytes >= 0
        yield LimitCheck(name, region.size_bytes, region.used_bytes, met, target.name)


def _stack_checks(
    target: Target, image: ImageAccount, stack: Figure, accept_stand_in: bool
) -> Iterator[LimitCheck]:
    """The stack, where one call takes more than the linker script keeps: it has what is left."""
    needed = (stack.value or 0) + APPLICATION_STACK_BYTES
    if needed <= image.stack_bytes:
        return
    first = next(region for region in image.regions if region.kind == "ram")
    room = image.stack_bytes + first.left_bytes
    note = f"a call's and {APPLICATION_STACK_BYTES} of the application's own"
    shows = can_satisfy(stack.kind, accept_stand_in=accept_stand_in)
    met = needed <= room and shows
    if needed <= room and not shows:
        note += f"; {_lets_count(stack, target)}"
    yield LimitCheck("stack bytes", room, needed, met, target.name, stack.kind, note)


def _program_checks(
    target: Target, account: Account, accept_stand_in: bool
) -> Iterator[LimitCheck]:
    system = target.system
    flash = account.figures["memory_bytes.flash_total"]
    if flash.value is not None and target.flash_bytes is not None:
        room = target.flash_bytes - system.flash_bytes
        yield _at_most("flash bytes", room, flash, target.name, target, accept_stand_in)
    # Only one block of RAM counts: an arena cannot be spread over several.
    ram = account.figures["memory_bytes.ram_total"]
    if ram.value is not None and target.largest_ram_bytes is not None:
        room = target.largest_ram_bytes - system.ram_bytes
        yield _at_most("RAM bytes", room, ram, target.name, target, accept_stand_in)


def _at_most(
    name: str, limit: float, found: Figure, source: str, target: Target, accept_stand_in: bool
) -> LimitCheck:
    timed_only = name in ("latency ms", "energy uJ") and target.kind == "host"
    met = found.satisfies(limit, accept_stand_in=accept_stand_in, timed_only=timed_only)
    note = found.provenance.note
    if found.value is None:
        meter = "a meter (edgeq profile --power)" if name == "energy uJ" else how_to_measure(target)
        note = f"not measured; {meter} would"
        if name == "latency ms" and "says that it is" in found.provenance.note:
            note = f"not measured: {found.provenance.note}"
    elif found.kind == "stand-in" and not met and found.value <= limit:
        note = _lets_count(found, target)
    clock_hz = found.provenance.clock_hz
    return LimitCheck(name, limit, found.value, met, source, found.kind, note, clock_hz)


def _lets_count(found: Figure, target: Target) -> str:
    return (
        f"{found.provenance.note}: --accept-stand-in lets it count, "
        f"{how_to_measure(target)} measures"
    )


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
