"""What kind of figure each number of a measurement is, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from edgeq.boards.target import load_target
from edgeq.devices.address import is_emulated, parse_address
from edgeq.devices.base import Measurement
from edgeq.devices.sim.accuracy import accuracy_note
from edgeq.support.figures import Figure, Kind, Provenance, figure, weakest

# Of the parts of RAM only the stack has to be seen at work; the others stand in the image.
_PARTS = ("arena", "static", "stack")
_EXACT = ("arena", "static", "flash_code", "flash_const", "flash_total")


def provenance_of(device: Mapping[str, Any]) -> Provenance:
    """Where the figures of a device come from, out of what it says about itself."""
    runtime = " ".join(str(device[k]) for k in ("runtime", "runtime_version") if device.get(k))
    clock = device.get("clock_hz")
    return Provenance(
        address=str(device["address"]),
        core=device.get("cpu") or device.get("target") or None,
        compiler=device.get("compiler"),
        flags=tuple(device.get("compiler_flags") or ()),
        arithmetic="generated C" if device.get("runtime") == "c" else runtime or None,
        clock_hz=int(clock) if clock else None,
        note=str(device["clock"] if device.get("emulated") else device.get("estimated_by") or ""),
    )


def figures_of(found: Measurement) -> dict[str, Figure]:
    """The figures of a measurement by their path in the JSON of `edgeq profile`.

    They are figures of the machine that was measured; whether that is the machine somebody asks
    for is not known here (`stand_in`).
    """
    device = found.device
    source = provenance_of(device)
    emulated = is_emulated(str(device["address"])) or bool(device.get("emulated"))
    seen: Kind = "emulated" if emulated else "measured"
    # An emulator of a board counts by its own clock; cycles by documented timings are estimates.
    counted: Kind = "emulated" if device.get("emulated") else "measured"
    cycles: Kind = "estimated" if is_emulated(str(device["address"])) else counted
    exact: Kind = "measured"
    if device.get("estimated_by"):
        exact, cycles = "estimated", "estimated"
    memory = asdict(found.memory_bytes)
    kinds: dict[str, Kind] = {**dict.fromkeys(_EXACT, exact), "stack": seen}
    parts = [kinds[name] for name in _PARTS if memory[name] is not None]
    kinds |= {"ram_total": weakest(parts or ["measured"]), "peak_rss": "measured"}
    latency = found.latency_us
    figures = {
        "latency_us": figure(latency.typical if latency else None, "measured", "us", source),
        "instructions": figure(found.instructions, seen, "instructions", source),
        "cycles": figure(found.cycles, cycles, "cycles", _of_cycles(source, device)),
    }
    for name, value in memory.items():
        figures[f"memory_bytes.{name}"] = figure(value, kinds[name], "bytes", source)
    return figures


def cycles_at(address: str) -> Figure:
    """What kind of figure the cycles are that are counted at an address; the figure has no value.

    Raises:
        UsageError: Nothing is known of the machine that it emulates.
    """
    source = Provenance(address=address)
    if not is_emulated(address):
        return Figure(None, "measured", "cycles", source)
    cpu = load_target(parse_address(address).rest).cpu
    found = replace(source, core=cpu, note=accuracy_note(cpu))
    return Figure(None, "estimated", "cycles", found)


def _of_cycles(source: Provenance, device: Mapping[str, Any]) -> Provenance:
    """Where cycles come from: as the rest, and how good such estimates were."""
    note = str(device.get("cycles_note") or "")
    return replace(source, note="; ".join(part for part in (source.note, note) if part))


def stand_in(figures: Mapping[str, Figure], core: str) -> dict[str, Figure]:
    """The same figures where another core was asked for than the one they are of."""
    return {
        path: Figure(
            found.value,
            "unknown" if found.value is None else "stand-in",
            found.unit,
            replace(found.provenance, note=f"{found.provenance.core} stands in for {core}"),
        )
        for path, found in figures.items()
    }
