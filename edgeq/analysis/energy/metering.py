"""The energy of an inference by a meter: at rest first, then with many inferences in a row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from edgeq.devices.base import Device, Measurement, ProfileOptions, Session
from edgeq.devices.power.meter import (
    Meter,
    Metered,
    Window,
    check_work,
    idle,
    per_inference,
    recorded,
)
from edgeq.devices.power.opening import open_meter
from edgeq.errors import EdgeqError
from edgeq.support.figures import Figure, Provenance, figure
from edgeq.support.progress import stage

_REST_S = 2.0
_BUSY_S = 5.0
_WAITED_S = 0.5  # for others on the device, which a window at work bears


@dataclass(frozen=True)
class PowerReport:
    """What a meter found.

    Attributes:
        meter: Which one.
        covers: What it measures.
        found: Energy of an inference, and the powers.
        valid: Whether the device was left alone while the meter looked.
        warnings: What there is to say of that measurement.
    """

    meter: str
    covers: str
    found: Metered
    valid: bool = True
    warnings: tuple[str, ...] = ()

    def figures(self, address: str) -> dict[str, Figure]:
        """The energy of an inference, and the power at work and at rest."""
        source = Provenance(address=address, note=f"by {self.meter}: {self.covers}")
        return {
            "energy_uj": figure(self.found.energy_uj, "measured", "uJ", source),
            "busy_power_w": figure(self.found.busy_w, "measured", "W", source),
            "idle_power_w": figure(self.found.idle_w, "measured", "W", source),
        }

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "meter": self.meter,
            "covers": self.covers,
            "share": self.found.share,
        }


def metered(session: Session, device: Device, spec: str, how: ProfileOptions) -> PowerReport:
    """The energy of an inference of a session that is open.

    Args:
        session: The model on its device.
        device: The device.
        spec: Which meter (`edgeq.devices.power.opening.open_meter`).
        how: How long is measured.

    Raises:
        EdgeqError: There is no such meter, it fails, or the device tells no time.
    """
    # Of the time in which others are waited for the meter sees their work.
    with session.alone(), open_meter(spec, device) as meter:
        stage(f"measuring power at rest ({meter.name})")
        rest = idle(meter, _REST_S)
        stage(f"measuring power at work ({meter.name})")
        busy, measured, pulses = _busy(session, meter, how)
    if pulses is not None:
        joules, count = pulses
        check_work(busy, joules)
        found = Metered(joules / count * 1e6, busy.watts, rest.watts, 1.0)
    else:
        latency = measured.latency_us
        if latency is None:
            raise EdgeqError("This device tells no time of an inference.", device.address)
        calls = latency.n + latency.warmup
        found = per_inference(busy, rest, calls, latency.mean / 1e6)
    disturbed = [] if measured.valid else list(measured.warnings)
    waited_s = measured.environment.get("waited_s", 0.0)
    if waited_s > _WAITED_S:
        disturbed.append("somebody else measured on the device, which was waited for")
    warnings = tuple(f"while the meter looked: {each}" for each in disturbed)
    valid = measured.valid and not disturbed
    return PowerReport(meter.name, meter.covers, found, valid, warnings)


def _busy(
    session: Session, meter: Meter, how: ProfileOptions
) -> tuple[Window, Measurement, tuple[float, int] | None]:
    """The window at work, what was measured in it, and joules and number of marked inferences."""
    found: list[Measurement] = []
    # What else is measured would count as inference.
    longer = replace(how, ops=False, memory=False, seconds=how.seconds or _BUSY_S)
    pin = getattr(meter, "pulses", None)
    before = (0.0, 0) if pin is None else (pin.joules, pin.count)
    busy = recorded(meter, lambda: found.append(session.profile(longer)))
    if pin is None:
        return busy, found[0], None
    if pin.count == before[1]:
        raise EdgeqError(
            "The trigger pin marked no inference.",
            hint="does the firmware raise it, and is it wired to that digital input? without "
            "trigger= all of the time counts",
        )
    return busy, found[0], (pin.joules - before[0], pin.count - before[1])
