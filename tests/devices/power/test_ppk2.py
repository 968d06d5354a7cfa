"""The Power Profiler Kit over its own package, to a stand-in for the kit on a serial line."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from edgeq.devices.power.opening import open_meter
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from tests.tools import need

pty = pytest.importorskip("pty", reason="a terminal of Unix")

_METADATA = (
    "Calibrated: 1\n"
    + "".join(f"R{n}: {r}\n" for n, r in enumerate((1031.64, 101.65, 10.15, 0.94, 0.043)))
    + "".join(f"GS{n}: 0\nGI{n}: 1\nO{n}: 0\nS{n}: 0\nI{n}: 0\nUG{n}: 1\n" for n in range(5))
    + "HW: 1\nIA: 0\nEND\n"
)
_GET_METADATA, _START, _STOP = 0x19, 0x06, 0x07
_RANGE, _ADC = 3, 1000
AMPERES = _ADC * 4 * 1.8 / 163840 / 0.94
SAMPLES = 100  # in a pulse and between two: a millisecond at 100 kHz


class Kit:
    """Answers as a kit does: metadata, then samples with a pin that is high half of the time."""

    def __init__(self) -> None:
        self._main, self._other = pty.openpty()
        os.set_blocking(self._main, False)
        self.port = os.ttyname(self._other)
        self._done = threading.Event()
        self._sending = False
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._done.set()

    def _run(self) -> None:
        low = struct.pack("<I", _ADC | _RANGE << 14)
        high = struct.pack("<I", _ADC | _RANGE << 14 | 1 << 24)
        while not self._done.wait(0.005):
            with contextlib.suppress(BlockingIOError):
                for byte in os.read(self._main, 64):
                    if byte == _GET_METADATA:
                        os.write(self._main, _METADATA.encode())
                    self._sending = byte == _START or (self._sending and byte != _STOP)
            if self._sending:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._main, low * SAMPLES + high * SAMPLES)


@pytest.fixture
def kit() -> Iterator[Kit]:
    need(importlib.util.find_spec("ppk2_api"), "ppk2-api (pip install 'edgeq[power]')")
    made = Kit()
    yield made
    made.close()


def test_energy_and_marked_inferences(kit: Kit) -> None:
    with open_meter(f"ppk2:{kit.port}?mv=3000&trigger=0", open_device("c")) as meter:
        first = meter.read()
        time.sleep(0.3)
        second = meter.read()
        pulses = meter.pulses  # type: ignore[attr-defined]
    assert first.energy_j is not None
    assert second.energy_j is not None
    watts = (second.energy_j - first.energy_j) / (second.time_s - first.time_s)
    assert watts == pytest.approx(AMPERES * 3.0)
    assert pulses.count >= 2
    assert pulses.joules / pulses.count == pytest.approx(AMPERES * 3.0 * SAMPLES / 100_000)


def test_a_port_that_is_none() -> None:
    need(importlib.util.find_spec("ppk2_api"), "ppk2-api (pip install 'edgeq[power]')")
    with (
        pytest.raises(EdgeqError, match="cannot be opened"),
        open_meter("ppk2:/dev/does-not-exist", open_device("c")),
    ):
        pass
