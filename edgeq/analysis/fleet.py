"""Many devices at once: `--on group:lab`. One failed device never loses the others' results."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from edgeq import __version__
from edgeq.analysis.energy.figures import Duty
from edgeq.analysis.evaluation.evaluate import Evaluation, evaluate
from edgeq.analysis.profiling import Profile, profile_on
from edgeq.compiler.options import CompileOptions
from edgeq.devices import inventory
from edgeq.devices.address import parse_address
from edgeq.devices.base import Device, ProfileOptions
from edgeq.devices.power.opening import INSTRUMENTS
from edgeq.devices.registry import on_runtime, open_device
from edgeq.devices.remote.device import RemoteDevice
from edgeq.devices.remote.link import ConnectionDropped, LinkLost
from edgeq.devices.remote.shell import abort_all
from edgeq.errors import EdgeqError, LimitError, UsageError

PREFIX = "group:"
_MOST_AT_ONCE = 64
_ATTEMPTS = 8
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
# Devices of a group may be the same host; they measure one after the other then.
_WAIT_S = 900.0

_Found = TypeVar("_Found")


@dataclass(frozen=True, repr=False)
class FleetResult:
    """What became of one device.

    Attributes:
        name: Its name in the inventory, or its address.
        profile: What it measured; None if it failed, or something else was wanted.
        error: Why it failed; None if it did not.
        attempts: How often it was tried.
        seconds: How long it took, waiting for others included.
        evaluation: How good the model is there; likewise.
        facts: What the device is; likewise.
        missed: Whether it failed because a limit that was asked for is not met.
    """

    name: str
    address: str
    profile: Profile | None
    error: str | None
    attempts: int
    seconds: float
    evaluation: Evaluation | None = None
    facts: Mapping[str, Any] | None = None
    missed: bool = False

    def to_json(self) -> dict[str, Any]:
        """One row of the joint report."""
        row = {
            "name": self.name,
            "address": self.address,
            "error": self.error,
            "attempts": self.attempts,
            "seconds": self.seconds,
        }
        if self.evaluation is not None:
            return {**row, "evaluation": self.evaluation.to_json()}
        if self.facts is not None:
            return {**row, "facts": dict(self.facts)}
        return {**row, "profile": self.profile.to_json() if self.profile else None}


@dataclass(frozen=True, repr=False)
class FleetReport:
    """The results of a group, in the group's order; or those of several runtimes on one device.

    Attributes:
        group: Its name; the address of a device.
        of_runtimes: Whether each result is that of a runtime, by whose name it goes.
    """

    group: str
    results: tuple[FleetResult, ...]
    of_runtimes: bool = False

    @property
    def failed(self) -> list[FleetResult]:
        """The devices without a result."""
        return [each for each in self.results if each.error is not None]

    @property
    def exit_code(self) -> int:
        """0 if every device has a result, 3 if limits alone are in the way, else 1."""
        if not self.failed:
            return 0
        return 3 if all(each.missed for each in self.failed) else 1

    def to_json(self) -> dict[str, Any]:
        """The JSON of `profile` and `evaluate --on group:...` and of `devices probe group:...`.

        Of several runtimes: their profiles by name, and why others have none.
        """
        if self.of_runtimes:
            return {
                "edgeq": __version__,
                "address": self.group,
                "runtimes": {
                    each.name: each.profile.to_json() for each in self.results if each.profile
                },
                "failed": {each.name: each.error for each in self.failed},
            }
        return {
            "edgeq": __version__,
            "group": self.group,
            "results": [each.to_json() for each in self.results],
        }


Progress = Callable[[str, str], None]


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
    """One measurement on every device of a group, all at the same time.

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
        UsageError: An instrument on the desk, which is wired to one device.
    """
    name = group.removeprefix(PREFIX)
    if power is not None and power.partition(":")[0] in INSTRUMENTS:
        hint = "a counter that each device has: rapl, hwmon, pmic, battery"
        raise UsageError(f"--power {power} measures one device, not a group.", group, hint)
    return profile_devices(
        model,
        inventory.members(name),
        group=name,
        profile_options=profile_options or ProfileOptions(),
        options=options or CompileOptions(),
        duty=duty,
        power=power,
        progress=progress,
    )


def profile_devices(
    model: str | Path,
    members: Sequence[tuple[str, str]],
    *,
    group: str = "",
    profile_options: ProfileOptions,
    options: CompileOptions,
    duty: Duty | None = None,
    power: str | None = None,
    progress: Progress | None = None,
) -> FleetReport:
    """One measurement on each of some (name, address); see `profile_group`."""

    def measure(address: str) -> Profile:
        device = _patient(open_device(address))
        return profile_on(device, model, profile_options, options, duty, power)

    outcomes = _on_each(members, measure, "measuring", progress)
    results = [each.result(profile=each.found) for each in outcomes]
    return FleetReport(group, tuple(results))


def profile_runtimes(
    model: str | Path,
    on: str,
    runtimes: Sequence[str],
    *,
    profile_options: ProfileOptions | None = None,
    options: CompileOptions | None = None,
    duty: Duty | None = None,
    power: str | None = None,
    progress: Progress | None = None,
) -> FleetReport:
    """One measurement with each of several runtimes on one device, one after the other.

    Args:
        model: A .tflite file.
        on: Address of a device behind a link.
        runtimes: What `?runtime=` takes.
        profile_options: How to measure.
        options: How C is generated; a level is that of generated C alone.
        duty: How often an inference is made, for the average power and a battery's life.
        power: A meter for the energy.
        progress: Is told the name of a runtime and its state, from another thread.

    Raises:
        UsageError: See `on_runtime`. Failures of runtimes are in the report.
    """
    members = [(name, on_runtime(on, name)) for name in runtimes]
    how, chosen = profile_options or ProfileOptions(), options or CompileOptions()
    levelless = replace(chosen, isa="", dispatch=False)

    def measure(address: str) -> Profile:
        in_c = parse_address(address).query["runtime"] == "c"
        device = open_device(address)
        return profile_on(device, model, how, chosen if in_c else levelless, duty, power)

    outcomes = _on_each(members, measure, "measuring", progress, at_once=1)
    results = [each.result(profile=each.found) for each in outcomes]
    return FleetReport(open_device(on).address, tuple(results), of_runtimes=True)


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
        device = open_device(address)
        text = device.address
        if isinstance(device, RemoteDevice) and "wait" not in parse_address(text).query:
            text += f"{'&' if '?' in text else '?'}wait={_WAIT_S:.0f}"
        return replace(evaluate(model, on=text, **how), on=address)

    name = group.removeprefix(PREFIX)
    outcomes = _on_each(inventory.members(name), judge, "evaluating", progress)
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
    outcomes = _on_each(inventory.members(name), probe_device, "asking", None)
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


@dataclass(frozen=True)
class _Outcome(Generic[_Found]):
    """What became of one device; see FleetResult."""

    name: str
    address: str
    found: _Found | None
    error: str | None
    attempts: int
    seconds: float
    missed: bool

    def result(self, **found: Any) -> FleetResult:
        """It as a result, with what was found under its name."""
        told = (self.name, self.address, None, self.error, self.attempts, self.seconds)
        return replace(FleetResult(*told, missed=self.missed), **found)


def _on_each(
    members: Sequence[tuple[str, str]],
    work: Callable[[str], _Found],
    doing: str,
    progress: Progress | None,
    at_once: int = _MOST_AT_ONCE,
) -> list[_Outcome[_Found]]:
    """Do the same on each of some (name, address), so many at the same time."""
    lock = threading.Lock()
    stop = threading.Event()

    def tell(name: str, state: str) -> None:
        if progress is not None:
            with lock:
                progress(name, state)

    def one(member: tuple[str, str]) -> _Outcome[_Found]:
        return _try(*member, work, doing, tell, stop)

    with ThreadPoolExecutor(min(at_once, max(1, len(members)))) as pool:
        try:
            return list(pool.map(one, members))
        except BaseException:  # Ctrl-C: the threads wait for devices, which must not hold us up
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            abort_all()
            raise


def _try(
    name: str,
    address: str,
    work: Callable[[str], _Found],
    doing: str,
    tell: Progress,
    stop: threading.Event,
) -> _Outcome[_Found]:
    begin = time.monotonic()
    pause = _FIRST_PAUSE_S
    found: _Found | None = None
    error: str | None = "it was not tried"
    missed = False
    attempt = 0
    while attempt < _ATTEMPTS and error is not None and not stop.is_set():
        attempt += 1
        tell(name, doing if attempt == 1 else f"attempt {attempt}")
        try:
            found, error = work(address), None
        except (LinkLost, ConnectionDropped) as lost:
            error = str(lost)
            # Full jitter, so that devices that failed together do not come back together.
            stop.wait(random.uniform(0, pause))  # noqa: S311
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        except EdgeqError as failure:
            error, missed = str(failure), isinstance(failure, LimitError)
            break
        except Exception as bug:  # noqa: BLE001  (the other devices' results matter more)
            error = f"{type(bug).__name__}: {bug}"
            break
    tell(name, "failed" if error else "done")
    return _Outcome(name, address, found, error, attempt, time.monotonic() - begin, missed)


def _patient(device: Device) -> Device:
    if isinstance(device, RemoteDevice):
        return replace(device, options=replace(device.options, wait_s=_WAIT_S))
    return device
