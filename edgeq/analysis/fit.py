"""Does a model fit a target: flash, RAM and latency against what its usual system leaves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgeq.analysis.limits import LimitCheck, Limits, check_limits, latency_ms
from edgeq.analysis.profiling import Profile, profile
from edgeq.boards.target import Target, load_target
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import Memory, ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import MissingDependency, UsageError
from edgeq.support.resources import resource_dir

# The emulated core that comes nearest to one that is not emulated, and whose code is as large.
_STAND_INS = {
    "cortex-m0": "cortex-m0plus",
    "cortex-m23": "cortex-m0plus",
    "cortex-m55": "cortex-m33",
    "cortex-m85": "cortex-m33",
    "rv32imac": "rv32imc",
    "rv32imafc": "rv32imc",
    "xtensa-lx6": "rv32imc",
    "xtensa-lx7": "rv32imc",
}
# Of these the cycles are the same too.
_SAME_CYCLES = ("rv32imac", "rv32imafc")
_ADVICE = {
    "flash bytes": "--optimize size, --scheme int4, or edgeq compress prune or factorize",
    "RAM bytes": "--optimize ram, or a smaller input or fewer channels in the layers that hold "
    "the peak (edgeq inspect)",
}


@dataclass(frozen=True)
class Fit:
    """Whether a target holds a model, and how closely.

    Attributes:
        target: Name of the target.
        on: Where the figures were measured: the target's own core, or the one nearest to it.
        fits: Whether all checks are met.
        memory_bytes: What the model takes.
        checks: The target's limits, less what its usual system takes; empty where its memory is
            unknown or plentiful.
        flash_margin_bytes, ram_margin_bytes: What is left over; negative is missing; None without
            a limit.
        latency_ms: Of one inference at the highest clock; estimated from cycles where it cannot be
            timed; None if unknown.
        advice: What would make it fit, a line for each check that is not met.
    """

    target: str
    on: str
    fits: bool
    memory_bytes: Memory
    checks: tuple[LimitCheck, ...]
    flash_margin_bytes: int | None
    ram_margin_bytes: int | None
    latency_ms: float | None
    advice: tuple[str, ...]


def address_for(target: Target, name: str) -> str:
    """The device that stands for a target: its emulator, or this machine.

    Args:
        target: The target.
        name: What the user called it, a name or a TOML file.
    """
    if target.kind == "host":
        return "local"
    for address in (f"sim:{name}", f"qemu:{target.cpu}"):
        try:
            open_device(address)
        except UsageError:
            continue
        return address
    return "c"


def fit(model: str | Path, target: str, options: CompileOptions | None = None) -> Fit:
    """Whether the generated C of an integer model fits a target's flash and RAM.

    Raises:
        EdgeqError: There is no generated C for this model, or no such target.
    """
    loaded = load_target(target)
    return _judge(loaded, _measure(model, loaded, target, options))


def fits(
    model: str | Path, targets: Iterable[Target], options: CompileOptions | None = None
) -> list[Fit]:
    """As `fit`, for many targets; each kind of core is measured once.

    Hosts are left out, since memory is no question there.
    """
    measured: dict[object, Profile] = {}
    found = []
    for target in targets:
        if target.kind == "host":
            continue
        core = (target.cpu, target.isa)
        if core not in measured:
            measured[core] = _measure(model, target, _name(target), options)
        found.append(_judge(target, measured[core]))
    return found


def _name(target: Target) -> str:
    """What `load_target` takes for a target: its name, or the user's own file."""
    mine = target.file is not None and target.file.parent != resource_dir("targets")
    return str(target.file) if mine else target.name


def _measure(
    model: str | Path, target: Target, name: str, options: CompileOptions | None
) -> Profile:
    """One call on the core itself, or on the nearest one that can be had here."""
    how = ProfileOptions(runs=1, ops=False)
    address = address_for(target, name)
    stand_in = _STAND_INS.get(target.cpu)
    if address == "c" and stand_in:
        address = f"sim:{stand_in}"
    try:
        return profile(model, on=address, profile_options=how, options=options)
    except MissingDependency:
        if stand_in is None:
            raise
        return profile(model, on=f"sim:{stand_in}", profile_options=how, options=options)


def _judge(target: Target, found: Profile) -> Fit:
    measurement = found.measurement
    checks = check_limits(Limits(), target, found)
    left = {check.name: int(check.limit - (check.value or 0)) for check in checks}
    # The cycles of another core say nothing about this one.
    own = measurement.device["cpu"] == target.cpu or target.cpu in _SAME_CYCLES
    return Fit(
        target=target.name,
        on=str(measurement.device["address"]),
        fits=all(check.met for check in checks),
        memory_bytes=measurement.memory_bytes,
        checks=checks,
        flash_margin_bytes=left.get("flash bytes"),
        ram_margin_bytes=left.get("RAM bytes"),
        latency_ms=latency_ms(target, found) if own or target.kind == "host" else None,
        advice=tuple(_advice(check) for check in checks if not check.met),
    )


def _advice(check: LimitCheck) -> str:
    taken = check.value or 0
    missing = taken - check.limit
    return (
        f"{missing:,.0f} {check.name} too few ({missing / max(taken, 1):.0%} of what the model "
        f"takes): {_ADVICE[check.name]}"
    )
