"""Many devices at once: `--on group:lab`. One failed device never loses the others' results."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.analysis.profiling import Profile, profile_on
from edgeq.compiler.options import CompileOptions
from edgeq.devices import inventory
from edgeq.devices.base import Device, ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.devices.remote.link import ConnectionDropped, LinkLost
from edgeq.devices.remote.session import RemoteDevice
from edgeq.errors import EdgeqError
from edgeq.support.result import Result

PREFIX = "group:"
_MOST_AT_ONCE = 64
_ATTEMPTS = 8
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
# Devices of a group may be the same host; they measure one after the other then.
_WAIT_S = 900.0


@dataclass(frozen=True)
class FleetResult:
    """What became of one device.

    Attributes:
        name: Its name in the inventory, or its address.
        profile: What it measured; None if it failed.
        error: Why it failed; None if it did not.
        attempts: How often it was tried.
        seconds: How long it took, waiting for others included.
    """

    name: str
    address: str
    profile: Profile | None
    error: str | None
    attempts: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """One row of the joint report."""
        return {
            "name": self.name,
            "address": self.address,
            "error": self.error,
            "attempts": self.attempts,
            "seconds": self.seconds,
            "profile": self.profile.to_json() if self.profile else None,
        }


@dataclass(frozen=True, repr=False)
class FleetReport(Result):
    """The results of a group, in the group's order."""

    group: str
    results: tuple[FleetResult, ...]

    @property
    def failed(self) -> list[FleetResult]:
        """The devices without a result."""
        return [each for each in self.results if each.profile is None]

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq profile --on group:...`."""
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
    progress: Progress | None = None,
) -> FleetReport:
    """One measurement on every device of a group, all at the same time.

    Args:
        model: A .tflite file.
        group: Name of the group, with or without "group:".
        profile_options: How to measure.
        options: How C is generated, where an address runs generated C.
        progress: Is told the name of a device and its state, from several threads.

    Raises:
        EdgeqError: There is no such group. Failures of devices are in the report.
    """
    name = group.removeprefix(PREFIX)
    return profile_devices(
        model,
        inventory.members(name),
        group=name,
        profile_options=profile_options or ProfileOptions(),
        options=options or CompileOptions(),
        progress=progress,
    )


def profile_devices(
    model: str | Path,
    members: Sequence[tuple[str, str]],
    *,
    group: str = "",
    profile_options: ProfileOptions,
    options: CompileOptions,
    progress: Progress | None = None,
) -> FleetReport:
    """One measurement on each of some (name, address); see `profile_group`."""
    lock = threading.Lock()

    def tell(name: str, state: str) -> None:
        if progress is not None:
            with lock:
                progress(name, state)

    def one(member: tuple[str, str]) -> FleetResult:
        return _profile_one(Path(model), *member, profile_options, options, tell)

    with ThreadPoolExecutor(min(_MOST_AT_ONCE, max(1, len(members)))) as pool:
        futures = {pool.submit(one, member): index for index, member in enumerate(members)}
        results = {futures[done]: done.result() for done in as_completed(futures)}
    return FleetReport(group, tuple(results[index] for index in range(len(members))))


def _profile_one(
    model: Path,
    name: str,
    address: str,
    profile_options: ProfileOptions,
    options: CompileOptions,
    tell: Progress,
) -> FleetResult:
    begin = time.monotonic()
    pause = _FIRST_PAUSE_S
    profile: Profile | None = None
    error: str | None = None
    attempt = 0
    while attempt < _ATTEMPTS and profile is None:
        attempt += 1
        tell(name, "measuring" if attempt == 1 else f"attempt {attempt}")
        try:
            profile = profile_on(_patient(open_device(address)), model, profile_options, options)
        except (LinkLost, ConnectionDropped) as lost:
            error = str(lost)
            # Full jitter, so that devices that failed together do not come back together.
            time.sleep(random.uniform(0, pause))  # noqa: S311
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        except EdgeqError as failure:
            error = str(failure)
            break
        except Exception as bug:  # noqa: BLE001  (the other devices' results matter more)
            error = f"{type(bug).__name__}: {bug}"
            break
    tell(name, "done" if profile else "failed")
    seconds = time.monotonic() - begin
    return FleetResult(name, address, profile, None if profile else error, attempt, seconds)


def _patient(device: Device) -> Device:
    if isinstance(device, RemoteDevice):
        return replace(device, options=replace(device.options, wait_s=_WAIT_S))
    return device
