"""Meters on the desk: Nordic's Power Profiler Kit II and the Joulescope, each with its own package.

A Power Profiler Kit with a trigger pin of the firmware on one of its digital inputs tells inference
apart from the rest by itself: while the pin is high, an inference runs.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgeq.devices.power.meter import Reading
from edgeq.errors import EdgeqError, MissingDependency
from edgeq.support.text import visible_line

_EXTRA = "pip install 'edgeq[power]'"
_PPK2_HZ = 100_000
_WORD = 4  # bytes of a sample
_POLL_S = 0.02
_PAUSE_S = 0.002  # a terminal holds 4 KiB for us, which is 10 ms
_LATE_S, _LATE = 0.2, 0.02  # a busy machine fetches samples by so much later; what is lost, never
_PATIENCE_S = 3.0


@dataclass
class Pulses:
    """Energy while the trigger pin is high.

    Attributes:
        joules: In all pulses that have ended.
        count: How many have ended.
    """

    joules: float = 0.0
    count: int = 0
    _open: float | None = None

    def add(self, joules: Iterable[float], levels: Iterable[int]) -> None:
        """Go on with samples: the energy of each, and the level of the pin."""
        for energy, level in zip(joules, levels, strict=False):
            if level and self._open is None:
                self._open = 0.0
            if level and self._open is not None:
                self._open += energy
            elif self._open is not None:
                self.joules, self.count, self._open = self.joules + self._open, self.count + 1, None


class Ppk2Meter:
    """A Power Profiler Kit II as an ampere meter in the board's supply.

    Attributes:
        pulses: What the trigger pin marked; None without one.
    """

    name = "ppk2"
    covers = "what its output feeds"
    interval_s = 0.1

    def __init__(self, port: str, *, millivolts: int, trigger: int | None = None) -> None:
        try:
            from ppk2_api.ppk2_api import PPK2_API
        except ImportError:
            raise MissingDependency("ppk2-api", "a Power Profiler Kit", _EXTRA) from None
        self.pulses = None if trigger is None else Pulses()
        self._volts = millivolts / 1000
        self._trigger = trigger or 0
        self._joules = 0.0
        self._samples = 0
        self._begin = 0.0  # when the first one was taken
        self._rest = b""  # of a sample that has not come whole
        self._lost = ""
        self._lock = threading.Lock()
        self._done = threading.Event()
        try:
            self._kit: Any = PPK2_API(port, timeout=1)
        except OSError as error:
            raise EdgeqError(f"{port} cannot be opened: {error}.", hint="edgeq doctor") from None
        if not self._answers():
            raise EdgeqError(f"What is at {port} does not answer as a Power Profiler Kit II.")
        self._kit.use_ampere_meter()
        self._kit.set_source_voltage(millivolts)
        self._kit.toggle_DUT_power("ON")
        self._kit.start_measuring()
        threading.Thread(target=self._fetch, daemon=True).start()

    def _answers(self) -> bool:
        """Whether its calibration could be read."""
        try:
            # The package has a calibration of its own, of which a kit's first line is no part.
            found = (
                bool(self._kit.get_modifiers()) and self._kit.modifiers["Calibrated"] is not None
            )
        except Exception:  # noqa: BLE001  (of other bytes, its package raises what it likes)
            found = False
        if not found:
            self._kit.ser.close()
        return found

    def _fetch(self) -> None:
        try:
            while not self._done.is_set():
                if raw := self._kit.get_data():
                    self.take(raw)
                else:
                    self._done.wait(_PAUSE_S)
        except Exception as error:  # noqa: BLE001  (unplugged, or bytes that are no samples)
            self._lost = visible_line(str(error))[:200] or type(error).__name__

    def take(self, raw: bytes) -> None:
        """Go on with bytes that came from the kit."""
        raw = self._rest + raw
        whole = len(raw) // _WORD * _WORD
        raw, self._rest = raw[:whole], raw[whole:]
        if not raw:
            return
        microamperes, bits = self._kit.get_samples(raw)
        joules = [value * 1e-6 * self._volts / _PPK2_HZ for value in microamperes]
        if not math.isfinite(sum(joules)):
            raise ValueError("its samples are no currents")
        with self._lock:
            self._begin = self._begin or time.monotonic() - len(joules) / _PPK2_HZ
            self._joules += sum(joules)
            self._samples += len(joules)
            if self.pulses is not None:
                self.pulses.add(joules, [bit >> self._trigger & 1 for bit in bits])

    def read(self) -> Reading:
        """Energy so far, at the time of the kit's own clock.

        Raises:
            EdgeqError: It sends nothing, no samples any more, or some of them are lost on the way.
        """
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            if self._lost:
                raise EdgeqError(f"The Power Profiler Kit was lost: {self._lost}.")
            with self._lock:
                came, passed = self._samples / _PPK2_HZ, time.monotonic() - self._begin
                if self._samples and passed - came < _LATE_S + _LATE * passed:
                    return Reading(came, energy_j=self._joules)
            time.sleep(_POLL_S)
        if not self._samples:
            raise EdgeqError("The Power Profiler Kit sends no samples.")
        raise EdgeqError(
            f"The Power Profiler Kit lost samples: of {passed:.1f} s there are {came:.1f} s.",
            hint="less work on this machine meanwhile, or another USB port",
        )

    def close(self) -> None:
        """Stop measuring; the board keeps its supply."""
        self._done.set()
        with contextlib.suppress(OSError):  # gone already
            self._kit.stop_measuring()
        self._kit.ser.close()


class JoulescopeMeter:
    """The one Joulescope that is attached."""

    name = "joulescope"
    covers = "what flows through it"
    interval_s = 0.1

    def __init__(self) -> None:
        try:
            from pyjoulescope_driver import Driver
        except ImportError:
            raise MissingDependency("pyjoulescope-driver", "a Joulescope", _EXTRA) from None
        self._last: Reading | None = None
        self._driver: Any = Driver()
        paths = self._driver.device_paths()
        if len(paths) != 1:
            raise EdgeqError(f"There are {len(paths)} Joulescopes; one is wanted.")
        self._path = paths[0]
        self._driver.open(self._path)
        self._driver.publish(f"{self._path}/s/i/range/mode", "auto")
        self._driver.publish(f"{self._path}/s/stats/ctrl", 1)
        self._driver.subscribe(f"{self._path}/s/stats/value", "pub", self.take)

    def take(self, topic: str, value: Any) -> None:
        """Go on with statistics that came from the instrument."""
        del topic
        joules = float(value["accumulators"]["energy"]["value"])
        self._last = Reading(time.monotonic(), energy_j=joules)

    def read(self) -> Reading:
        """Energy so far, by the next statistics: the last ones are up to half a second old."""
        before = self._last
        for _ in range(150):
            if (last := self._last) is not None and last is not before:
                return last
            time.sleep(_POLL_S)
        raise EdgeqError("The Joulescope sends no statistics.")

    def close(self) -> None:
        """Stop it."""
        self._driver.publish(f"{self._path}/s/stats/ctrl", 0)
        self._driver.close(self._path)
