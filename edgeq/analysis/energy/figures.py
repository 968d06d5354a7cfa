"""Energy of an inference, and what a battery makes of it.

A board's energy is estimated: its time at work, at the power that the data sheet gives for a core
that runs. What a meter shows is measured (`edgeq.devices.power`). Where neither is known, the
energy is unknown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgeq.boards.target import Target
from edgeq.errors import UsageError
from edgeq.support.figures import Figure, Kind, Provenance, figure, weakest

_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_S = 1e8
_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_BATTERY = re.compile(_NUMBER + "mAh(?:[@/]" + _NUMBER + "V)?")
ENERGY_FIGURES = (
    *("energy_uj", "busy_power_w", "idle_power_w"),
    *("average_power_uw", "battery_life_h"),
)


@dataclass(frozen=True)
class Battery:
    """A battery's charge; its voltage is that of the board where none is given."""

    mah: float
    volts: float | None = None


@dataclass(frozen=True)
class Duty:
    """How often an inference is made, and out of which battery.

    Attributes:
        every_s: Seconds from one inference to the next; between them the chip sleeps.
        battery: What feeds it; None leaves its life out.
    """

    every_s: float
    battery: Battery | None = None


def parse_every(text: str) -> float:
    """Seconds of a duration such as "1s", "500ms", "10min".

    Raises:
        UsageError: It is none.
    """
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|min|h|d)", text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 0 < seconds <= _LONGEST_S:
        raise UsageError(f"'{text}' is no duration.", hint="a number with ms, s, min, h or d: 10s")
    return seconds


def parse_battery(text: str) -> Battery:
    """The battery of a text such as "230mAh" or "1000mAh@3.7V".

    Raises:
        UsageError: It is none.
    """
    found = _BATTERY.fullmatch(text.strip())
    battery = Battery(float(found[1]), float(found[2]) if found[2] else None) if found else None
    if battery is None or not battery.mah > 0 or battery.volts == 0:
        raise UsageError(f"'{text}' is no battery.", hint="230mAh, or 1000mAh@3.7V")
    return battery


def duty_of(every: str | None, battery: str | None) -> Duty | None:
    """The duty out of two texts; None where nobody said how often.

    Raises:
        UsageError: A text is wrong, or there is a battery without knowing how often.
    """
    if every is None:
        if battery is not None:
            raise UsageError("A battery's life needs to know how often.", hint="--every 1s")
        return None
    return Duty(parse_every(every), None if battery is None else parse_battery(battery))


def energy_figures(
    latency_ms: Figure, target: Target | None, duty: Duty | None = None
) -> dict[str, Figure]:
    """Energy of an inference and, with a duty, average power and battery life.

    Args:
        latency_ms: Of one inference on the target.
        target: The target; None where nothing is known of the machine.
        duty: How often, and out of which battery.

    Returns:
        "energy_uj" and, with a duty, "average_power_uw" and "battery_life_h".
    """
    energy = _estimated(latency_ms, target)
    return {"energy_uj": energy, **(_of_duty(energy, latency_ms, target, duty) if duty else {})}


def energy_values(figures: Mapping[str, Figure]) -> dict[str, float | None]:
    """The plain values of those of the energy's figures that there are, for JSON."""
    return {name: figures[name].value for name in ENERGY_FIGURES if name in figures}


def split(figures: Mapping[str, Figure]) -> tuple[dict[str, Figure], dict[str, Figure]]:
    """The figures of an inference on its target, and those that a profile has too."""
    own = ("latency_ms", *ENERGY_FIGURES)
    first = {name: entry for name, entry in figures.items() if name in own}
    return first, {name: entry for name, entry in figures.items() if name not in own}


def with_measured(
    figures: Mapping[str, Figure],
    measured: Mapping[str, Figure],
    latency_ms: Figure,
    target: Target | None,
    duty: Duty | None,
) -> dict[str, Figure]:
    """The same figures where a meter has measured the energy of an inference.

    Between inferences, a board sleeps as its target says; a machine of which nobody says how it
    sleeps draws what it drew before the measurement.

    Args:
        figures: The estimates.
        measured: "energy_uj", "busy_power_w" and "idle_power_w".
        latency_ms: Of one inference.
        target: The target, if it is known.
        duty: How often, and out of which battery.
    """
    rest_uw = 1e6 * (measured["idle_power_w"].value or 0.0)
    energy = measured["energy_uj"]
    more = _of_duty(energy, latency_ms, target, duty, rest_uw) if duty else {}
    return {**figures, **measured, **more}


def _estimated(latency_ms: Figure, target: Target | None) -> Figure:
    power = target.power if target is not None else None
    clock = latency_ms.provenance.clock_hz
    if target is None or power is None or latency_ms.value is None or not clock:
        return Figure(None, "unknown", "uJ", Provenance(note=_why_unknown(latency_ms, target)))
    kind: Kind = weakest((latency_ms.kind, "estimated"))
    note = f"of the chip alone, at its current for {power.load}"
    if "unchecked" in latency_ms.provenance.note:
        note += "; of unchecked cycles"
    value = power.run_uw(clock) * latency_ms.value / 1000
    return figure(value, kind, "uJ", replace(latency_ms.provenance, note=note))


def _why_unknown(latency_ms: Figure, target: Target | None) -> str:
    if target is not None and target.power is not None and latency_ms.value is None:
        return "the latency is unknown"
    return "its currents are not written down; --power measures"


def _of_duty(
    energy: Figure,
    latency_ms: Figure,
    target: Target | None,
    duty: Duty,
    idle_uw: float | None = None,
) -> dict[str, Figure]:
    average = _average(energy, latency_ms, target, duty, idle_uw)
    found = {"average_power_uw": average}
    if duty.battery is not None:
        found["battery_life_h"] = _life(average, target, duty.battery)
    return found


def _average(
    energy: Figure,
    latency_ms: Figure,
    target: Target | None,
    duty: Duty,
    idle_uw: float | None,
) -> Figure:
    """Microwatts over a whole period: the inference, then sleep."""
    power = target.power if target is not None else None
    documented = power.sleep_uw if power is not None else None
    asleep = idle_uw if documented is None else documented
    between = "as at rest before" if documented is None else power and power.sleep_mode
    if energy.value is None or latency_ms.value is None:
        return Figure(None, "unknown", "uW", energy.provenance)
    working_s = latency_ms.value / 1000
    if working_s > duty.every_s:
        note = "an inference takes longer than from one to the next"
        return Figure(None, "unknown", "uW", replace(energy.provenance, note=note))
    if asleep is None:
        note = "its current asleep is not written down"
        return Figure(None, "unknown", "uW", replace(energy.provenance, note=note))
    value = (energy.value + asleep * (duty.every_s - working_s)) / duty.every_s
    note = f"between two inferences: {between or 'asleep'}"
    kind = energy.kind if documented is None else weakest((energy.kind, "estimated"))
    return figure(value, kind, "uW", replace(energy.provenance, note=note))


def _life(average: Figure, target: Target | None, battery: Battery) -> Figure:
    """Hours of a battery without losses of its own."""
    volts = battery.volts or (target.power.supply_v if target and target.power else None)
    if average.value is None or volts is None or not average.value > 0:
        return Figure(None, "unknown", "h", average.provenance)
    hours = battery.mah * volts * 1000 / average.value
    if not math.isfinite(hours):
        return Figure(None, "unknown", "h", average.provenance)
    note = "without losses of the battery or a regulator"
    return figure(hours, average.kind, "h", replace(average.provenance, note=note))
