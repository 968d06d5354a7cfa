"""Many devices at once: `--on group:lab`. One failed device never loses the others' results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeq.analysis.energy.figures import Duty
from edgeq.analysis.evaluation.evaluate import Evaluation, evaluate
from edgeq.analysis.fleet.each import Progress, on_each
from edgeq.analysis.fleet.results import FleetReport
from edgeq.analysis.profiling import Measuring, Profile, profile_on
from edgeq.compiler.options import CompileOptions
from edgeq.devices import inventory
from edgeq.devices.address import parse_address
from edgeq.devices.base import Device, ProfileOptions
from edgeq.devices.power.opening import INSTRUMENTS
from edgeq.devices.registry import HERE, PATIENCE_S, machine_of, open_device, patient_address
from edgeq.devices.remote.device import RemoteDevice
from edgeq.errors import EdgeqError, UsageError

PREFIX = "group:"


def profile_group(
    model: str | Path,
    group: str,
    *,
    profile_options: ProfileOptions | None = None,
    options: CompileOptions | None = None,
    duty: Duty | None = None,
    power: str | None = None,
    progress: Progress | None = None,
) -> FleetReport:
    """One measurement on every device of a group, all at the same time; those of one in turns.

    Args:
        model: A .tflite file.
        group: Name of the group, with or without "group:".
        profile_options: How to measure.
        options: How C is generated, where an address runs generated C.
        duty: How often an inference is made, for the average power and a battery's life.
        power: A meter that each device has itself: "rapl", "hwmon", "pmic", "battery".
        progress: Is told the name of a device and its state, from several threads.

    Raises:
        EdgeqError: There is no such group. Failures of devices are in the report.
        UsageError: A meter that is wired to one device: an instrument on the desk, or a chip of
            this machine beside several boards.
    """
    name = group.removeprefix(PREFIX)
    if power is not None and power.partition(":")[0] in INSTRUMENTS:
        hint = "a counter that each device has: rapl, hwmon, pmic, battery"
        raise UsageError(f"--power {power} measures one device, not a group.", group, hint)
    how = Measuring.of(profile_options, options, duty, power)
    members = inventory.members(name)
    if power is not None:
        _check_wired(power, group, [address for _, address in members])
    return profile_devices(model, members, how, group=name, progress=progress)


def profile_devices(
    model: str | Path,
    members: Sequence[tuple[str, str]],
    how: Measuring,
    *,
    group: str = "",
    progress: Progress | None = None,
) -> FleetReport:
    """One measurement on each of some (name, address); see `profile_group`."""

    def measure(address: str) -> Profile:
        return profile_on(_patient(open_device(address)), model, how)

    def turn_of(address: str) -> str | None:
        machine = _machine(address)
        # Behind a link they take turns by themselves, but a meter would count the others' work.
        return machine if machine == HERE or how.power is not None else None

    outcomes = on_each(members, measure, "measuring", progress, turn_of=turn_of)
    results = [each.result(profile=each.found) for each in outcomes]
    return FleetReport(group, tuple(results))


def evaluate_group(
    model: str | Path, group: str, *, progress: Progress | None = None, **how: Any
) -> FleetReport:
    """How good a model is on every device of a group, all at the same time.

    Args:
        model: As `evaluate` takes it.
        group: Name of the group, with or without "group:".
        progress: Is told the name of a device and its state, from several threads.
        how: What `evaluate` takes besides: data, metric, limit and so on.

    Raises:
        EdgeqError: There is no such group. Failures of devices are in the report.
    """

    def judge(address: str) -> Evaluation:
        return replace(evaluate(model, on=patient_address(address), **how), on=address)

    name = group.removeprefix(PREFIX)
    outcomes = on_each(inventory.members(name), judge, "evaluating", progress)
    results = [each.result(evaluation=each.found) for each in outcomes]
    return FleetReport(name, tuple(results))


def probe_group(group: str) -> FleetReport:
    """What every device of a group is.

    Args:
        group: Name of the group, with or without "group:".

    Raises:
        EdgeqError: There is no such group. Failures of devices are in the report.
    """
    name = group.removeprefix(PREFIX)
    outcomes = on_each(inventory.members(name), probe_device, "asking", None)
    results = [each.result(facts=each.found) for each in outcomes]
    return FleetReport(name, tuple(results))


def probe_device(address: str) -> dict[str, Any]:
    """What a device behind a link is, and which runtimes it can take.

    Raises:
        UsageError: It is another kind of device.
        EdgeqError: It cannot be reached.
    """
    device = open_device(address)
    if not isinstance(device, RemoteDevice):
        raise UsageError(f"'{address}' is not probed.", hint="ssh:// and adb: devices are")
    facts, runtimes = device.probe()
    return {
        "address": device.address,
        **facts.to_json(),
        "runtimes": {
            name: {"fits": not why, "reason": why or None} for name, why in runtimes.items()
        },
    }


def _machine(address: str) -> str | None:
    """As `machine_of`; None of an address that cannot be read, as the measurement there says."""
    try:
        return machine_of(address)
    except EdgeqError:
        return None


def _check_wired(power: str, group: str, addresses: Sequence[str]) -> None:
    """Refuse a chip of this machine beside several boards: of which it shows the power, who knows.

    Raises:
        UsageError: There are several.
    """
    machines = [machine for address in addresses if (machine := _machine(address))]
    here = [machine for machine in machines if not machine.startswith(("ssh:", "adb:"))]
    if here[1:] and any(machine.startswith("serial:") for machine in here):
        raise UsageError(
            f"--power {power} is read on this machine for {len(here)} devices of the group.",
            group,
            "it is wired to one board: profile that one alone",
        )


def _patient(device: Device) -> Device:
    if isinstance(device, RemoteDevice) and "wait" not in parse_address(device.address).query:
        return replace(device, options=replace(device.options, wait_s=PATIENCE_S))
    return device
