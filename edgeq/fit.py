"""Does a model fit a target?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeq.config import Limits
from edgeq.devices.base import CompileOptions, Memory, ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import UsageError
from edgeq.limits import LimitCheck, check_limits, latency_ms
from edgeq.profiling import profile
from edgeq.target import Target, load_target

_ADVICE = {
    "flash bytes": "flash: --optimize size, --scheme int4, or edgeq compress prune or factorize",
    "RAM bytes": "RAM: --optimize ram, or a smaller input or fewer channels in the first layers",
}


@dataclass(frozen=True)
class Fit:
    """What a model takes of a target's memory.

    Attributes:
        target: Name of the target.
        on: Where the figures were measured.
        memory_bytes: What the model takes.
        checks: The target's limits, less what its usual system takes; empty where its memory is
            unknown or plentiful.
        latency_ms: Of one inference; estimated from cycles where it cannot be timed.
        fits: Whether all checks are met.
        advice: What would make it fit; empty if it does.
    """

    target: str
    on: str
    memory_bytes: Memory
    checks: tuple[LimitCheck, ...]
    latency_ms: float | None
    fits: bool
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
    address = address_for(loaded, target)
    found = profile(
        model, on=address, profile_options=ProfileOptions(runs=1, ops=False), options=options
    )
    checks = check_limits(Limits(), loaded, found)
    return Fit(
        target=loaded.name,
        on=address,
        memory_bytes=found.measurement.memory_bytes,
        checks=checks,
        latency_ms=latency_ms(loaded, found),
        fits=all(check.met for check in checks),
        advice=tuple(_ADVICE[check.name] for check in checks if not check.met),
    )
