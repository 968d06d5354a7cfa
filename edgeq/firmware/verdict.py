"""Does a model fit a board: flash, RAM and latency against what the usual system leaves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgeq.devices.base import CompileOptions, ProfileOptions
from edgeq.profiling import profile
from edgeq.target import Target

# The emulated core that stands for each CPU, and whether its cycles are that CPU's too.
_EMULATED = {
    "cortex-m0": ("cortex-m0plus", False),
    "cortex-m0plus": ("cortex-m0plus", True),
    "cortex-m23": ("cortex-m0plus", False),
    "cortex-m3": ("cortex-m3", True),
    "cortex-m4": ("cortex-m4", True),
    "cortex-m7": ("cortex-m7", True),
    "cortex-m33": ("cortex-m33", True),
    "cortex-m55": ("cortex-m33", False),
    "cortex-m85": ("cortex-m33", False),
    "rv32imc": ("rv32imc", True),
    "rv32imac": ("rv32imc", True),
    "rv32imafc": ("rv32imc", True),
    "xtensa-lx6": ("rv32imc", False),
    "xtensa-lx7": ("rv32imc", False),
}


@dataclass(frozen=True)
class Needs:
    """What a model takes on one kind of CPU.

    Attributes:
        flash_bytes: Code and constants.
        ram_bytes: Arena, statics and stack.
        cycles: Estimated cycles of a call; None where they are not known for this CPU.
        measured_on: Address of the emulator that gave the figures.
    """

    flash_bytes: int
    ram_bytes: int
    cycles: int | None
    measured_on: str


@dataclass(frozen=True)
class Verdict:
    """Whether a model fits a board, and how closely.

    Attributes:
        target: The board's name.
        fits: Whether flash and RAM both suffice.
        needs: What the model takes.
        flash_margin_bytes, ram_margin_bytes: What is left over; negative is missing; None where
            the board's memory is unknown.
        latency_ms: Estimated at the board's highest clock; None if unknown.
        advice: What would make it fit, a line each.
    """

    target: str
    fits: bool
    needs: Needs
    flash_margin_bytes: int | None
    ram_margin_bytes: int | None
    latency_ms: float | None
    advice: tuple[str, ...]


def verdicts(
    model: str | Path, targets: Iterable[Target], options: CompileOptions | None = None
) -> list[Verdict]:
    """A verdict for each board; each kind of CPU is measured once, in the emulator.

    Args:
        model: An integer .tflite file.
        targets: Boards; hosts are left out, since memory is no question there.
        options: What to optimise for.

    Raises:
        EdgeqError: There is no generated C for this model.
    """
    known: dict[str, Needs] = {}
    found = []
    for target in targets:
        if target.cpu not in _EMULATED:
            continue
        if target.cpu not in known:
            known[target.cpu] = measure_needs(model, target.cpu, options)
        found.append(judge(target, known[target.cpu]))
    return found


def measure_needs(model: str | Path, cpu: str, options: CompileOptions | None = None) -> Needs:
    """What a model takes on a CPU, measured in the emulator of that CPU or of the nearest one."""
    emulated, same_cycles = _EMULATED[cpu]
    address = f"sim:{emulated}"
    found = profile(
        model, on=address, profile_options=ProfileOptions(runs=1, ops=False), options=options
    ).measurement
    memory = found.memory_bytes
    return Needs(
        flash_bytes=memory.flash_total or 0,
        ram_bytes=memory.ram_total or 0,
        cycles=found.cycles if same_cycles else None,
        measured_on=address,
    )


def judge(target: Target, needs: Needs) -> Verdict:
    """The verdict on one board, out of what the model needs on its CPU."""
    flash = _margin(target.flash_bytes, target.system.flash_bytes, needs.flash_bytes)
    ram = _margin(target.largest_ram_bytes, target.system.ram_bytes, needs.ram_bytes)
    latency_ms = None
    if needs.cycles and target.clock_hz:
        latency_ms = needs.cycles * 1000 / target.clock_hz
    fits = (flash is None or flash >= 0) and (ram is None or ram >= 0)
    return Verdict(target.name, fits, needs, flash, ram, latency_ms, _advice(flash, ram, needs))


def _margin(room: int | None, taken: int, needed: int) -> int | None:
    return None if room is None else room - taken - needed


def _advice(flash: int | None, ram: int | None, needs: Needs) -> tuple[str, ...]:
    advice = []
    if flash is not None and flash < 0:
        share = -flash / needs.flash_bytes
        advice.append(
            f"{-flash:,} bytes of flash too few ({share:.0%} of the model): --optimize size, "
            "int4 weights (edgeq convert --scheme int4), or edgeq compress factorize"
        )
    if ram is not None and ram < 0:
        share = -ram / needs.ram_bytes
        advice.append(
            f"{-ram:,} bytes of RAM too few ({share:.0%} of what it takes): --optimize ram, "
            "a smaller input, or fewer channels in the layers that hold the peak (edgeq inspect)"
        )
    return tuple(advice)
