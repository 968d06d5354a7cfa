"""The search behind `--ram`, `--flash` and `--cycles`: the first form of a program that fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeq.boards.target import Target
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.errors import EdgeqError, LimitError

MODES = ("balanced", "ram", "size", "speed")


@dataclass(frozen=True)
class Choice:
    """What was chosen, and why.

    Attributes:
        optimize: One of MODES.
        why: A sentence for the manifest.
        figures: What each mode that was tried takes: "ram", "flash", "cycles".
    """

    optimize: str
    why: str
    figures: Mapping[str, Mapping[str, int]]


def budgets(options: CompileOptions) -> dict[str, int]:
    """The budgets that were given, by name."""
    given = {"ram": options.ram_bytes, "flash": options.flash_bytes, "cycles": options.cycles}
    return {name: limit for name, limit in given.items() if limit is not None}


def choose_mode(
    model: Path,
    target: Target,
    options: CompileOptions,
    planned_ram: Callable[[str], int],
) -> Choice:
    """The first mode that keeps to every budget, the one asked for before the others.

    Args:
        planned_ram: Arena and state of a mode in bytes, known without a compiler.

    Raises:
        LimitError: No mode does; names the one that comes nearest and what it misses by.
        EdgeqError: Flash or cycles are limited and cannot be measured for this target.
    """
    limits = budgets(options)
    order = (options.optimize, *(mode for mode in MODES if mode != options.optimize))
    figures: dict[str, dict[str, int]] = {}
    for mode in order:
        figures[mode] = {"ram": planned_ram(mode)}
        if set(limits) - {"ram"}:
            figures[mode] |= _measured(model, target, mode)
        if all(figures[mode][name] <= limit for name, limit in limits.items()):
            kept = ", ".join(f"{name} {figures[mode][name]:,}" for name in limits)
            return Choice(mode, f"the first of {', '.join(order)} within budget: {kept}", figures)
    nearest = min(figures, key=lambda mode: _excess(figures[mode], limits))
    misses = "; ".join(
        f"{name} {figures[nearest][name]:,}, {figures[nearest][name] - limit:,} over {limit:,}"
        for name, limit in limits.items()
        if figures[nearest][name] > limit
    )
    raise LimitError(
        f"no form of this program keeps to the budget; nearest is --optimize {nearest}: {misses}.",
        f"{model}, target {target.name}",
        "a larger budget, a smaller model, or edgeq tune",
    )


def _excess(found: Mapping[str, int], limits: Mapping[str, int]) -> float:
    """By how much a mode misses, each budget relative to its size."""
    return sum(
        max(found[name] / limit - 1, 0) if limit else found[name] for name, limit in limits.items()
    )


def _measured(model: Path, target: Target, mode: str) -> dict[str, int]:
    """RAM, flash and cycles of one warm call, in the emulator."""
    from edgeq.devices.registry import open_device

    kind = "qemu" if "mve" in target.isa else "sim"
    with open_device(f"{kind}:{target.name}").open(model, CompileOptions(mode)) as session:
        found = session.profile(ProfileOptions(ops=False))
    memory = found.memory_bytes
    cycles = found.cycles if found.cycles is not None else found.instructions
    values = {"ram": memory.ram_total, "flash": memory.flash_total, "cycles": cycles}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise EdgeqError(f"{', '.join(missing)} cannot be measured for {target.name}.")
    return {name: value for name, value in values.items() if value is not None}
