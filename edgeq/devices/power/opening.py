"""From the text of `--power` to a meter."""

from __future__ import annotations

import contextlib
import re
import secrets
import subprocess
import time
from collections.abc import Iterator

from edgeq.devices.address import Address, is_emulated, parse_address
from edgeq.devices.base import Device
from edgeq.devices.numbers import whole
from edgeq.devices.power.counters import COUNTERS, CounterMeter, Shell
from edgeq.devices.power.meter import Meter
from edgeq.devices.remote.device import RemoteDevice
from edgeq.devices.remote.shell import quoted
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.commands import answer_of

INSTRUMENTS = ("ppk2", "joulescope")
_BESIDE_A_BOARD = ("hwmon",)  # of the counters: a chip on a bus of this machine may feed a board
_CHIPS = re.compile(r"hwmon\d+(/[123])?(,hwmon\d+(/[123])?)*", re.ASCII)  # and channels of them
_ANSWER_S = 10.0
_MOST_TEXT = 1 << 16


def check_meter(spec: str, on: str) -> None:
    """Refuse a text that names no meter for a device, before any work is done.

    Args:
        spec: As for `open_meter`.
        on: Address of the device.

    Raises:
        UsageError: There is none of that name, it has no such options, or the device no power.
    """
    name, _, rest = spec.partition(":")
    named = name == "hwmon" and _CHIPS.fullmatch(rest) is not None
    if name not in INSTRUMENTS and (name not in COUNTERS or (spec != name and not named)):
        raise UsageError(
            f"'{spec}' is no meter.", hint=f"{', '.join(COUNTERS)}, ppk2:PORT or joulescope"
        )
    if name == "joulescope" and rest:
        raise UsageError(f"'{spec}': a Joulescope has no port.", hint="--power joulescope")
    if name == "ppk2":
        _kit(spec, rest)
    if is_emulated(on) or on.startswith("vela:"):
        raise UsageError(
            f"{on} is emulated: it draws no power of its own.",
            hint="without --power its energy is estimated where its target says what it draws",
        )
    if on.startswith("serial:") and name in COUNTERS and name not in _BESIDE_A_BOARD:
        raise UsageError(
            f"--power {name} measures this machine, not the board at {on}.",
            hint=f"{', '.join((*_BESIDE_A_BOARD, *INSTRUMENTS))}: wired to the board's supply",
        )


@contextlib.contextmanager
def open_meter(spec: str, device: Device) -> Iterator[Meter]:
    """The meter of a text, for a device.

    Args:
        spec: "rapl", "hwmon", "hwmon:hwmon3/2" (one of several), "pmic", "battery", "ppk2:PORT",
            "ppk2:PORT?mv=3300&trigger=0" or "joulescope".
        device: What is measured; a counter is read on the machine where the model runs.

    Raises:
        UsageError: The text is no meter, or the device has no such thing.
        EdgeqError: The meter does not answer.
    """
    check_meter(spec, device.address)
    name, _, rest = spec.partition(":")
    if name in INSTRUMENTS:
        meter = _instrument(name, rest, spec)
        try:
            yield meter
        finally:
            meter.close()
        return
    address = parse_address(device.address)
    with _shell(device, address) as shell:
        far, only = address.scheme in ("ssh", "adb"), tuple(rest.split(",")) if rest else ()
        yield CounterMeter(COUNTERS[name], shell, far=far, only=only)


def _instrument(name: str, rest: str, spec: str) -> Meter:
    from edgeq.devices.power.instruments import JoulescopeMeter, Ppk2Meter

    if name == "joulescope":
        return JoulescopeMeter()
    port, millivolts, pin = _kit(spec, rest)
    return Ppk2Meter(port, millivolts=millivolts, trigger=pin)


def _kit(spec: str, rest: str) -> tuple[str, int, int | None]:
    """Port, millivolts and trigger pin of a Power Profiler Kit."""
    port, _, query = rest.partition("?")
    given = {name: value for name, _, value in (p.partition("=") for p in query.split("&") if p)}
    volts, pin = whole(given.pop("mv", "3300")), whole(given.pop("trigger", "-"))
    wrong = volts is None or not 800 <= volts <= 5000 or (pin is not None and pin > 7)
    if not port or given or wrong or ("trigger" in query and pin is None):
        raise UsageError(
            f"'{spec}' is no Power Profiler Kit.",
            hint="ppk2:/dev/ttyACM1?mv=3300&trigger=0 (800 to 5000 mV, digital input 0 to 7)",
        )
    return port, volts or 3300, pin


@contextlib.contextmanager
def _shell(device: Device, address: Address) -> Iterator[Shell]:
    """A shell of the machine where the model runs; of this one for a board on a serial line."""
    if address.scheme not in ("ssh", "adb"):
        yield _here
        return
    assert isinstance(device, RemoteDevice)
    link = device.connect(None)

    def there(command: str) -> str:
        mark = f"@@{secrets.token_hex(8)}"
        # Login shells of other kinds (fish, tcsh) know no such loops.
        process = link.start(f"exec sh -c {quoted(f'echo; echo {mark}; {command}')}")
        try:
            process.end_input()
            text, until = b"", time.monotonic() + _ANSWER_S
            while len(text) < _MOST_TEXT and (data := process.read()):
                text += data
                if time.monotonic() > until:
                    raise EdgeqError(
                        "The device goes on talking instead of telling of its meter.", link.name,
                        "what does its login script print, ~/.bashrc for one?",
                    )  # fmt: skip
            # Whatever a login script has printed came before.
            return text.decode("utf-8", "replace").partition(f"\n{mark}\n")[2]
        finally:
            process.close()

    try:
        yield there
    finally:
        link.close()


def _here(command: str) -> str:
    try:
        done = answer_of(["sh", "-c", command], _ANSWER_S, _MOST_TEXT)
    except (OSError, subprocess.TimeoutExpired):
        raise EdgeqError("The meter of this machine does not answer.") from None
    return done.out.decode("utf-8", "replace")
