"""The Power Profiler Kit over its own package, to a stand-in for the kit on a serial line.

A fifth of a kit's samples in a second: machines that run tests do more than that.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeq.analysis.energy.metering import metered
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
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
SAMPLES = 100  # in a pulse and between two
HZ = 20_000


class Kit:
    """Answers as a kit does: metadata, then samples with a pin that is high half of the time."""

    def __init__(self) -> None:
        self._main, self._other = pty.openpty()
        os.set_blocking(self._main, False)
        self.port = os.ttyname(self._other)
        self._done = threading.Event()
        self.sends = 1.0  # the share of its samples that arrives
        self._sending = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._done.set()
        self._thread.join()

    def unplug(self) -> None:
        os.close(self._main)
        os.close(self._other)

    def _run(self) -> None:
        low = struct.pack("<I", _ADC | _RANGE << 14)
        high = struct.pack("<I", _ADC | _RANGE << 14 | 1 << 24)
        begin, made, left = time.monotonic(), 0.0, b""
        while not self._done.wait(0.002):
            with contextlib.suppress(BlockingIOError):
                for byte in os.read(self._main, 64):
                    if byte == _GET_METADATA:
                        os.write(self._main, _METADATA.encode())
                    self._sending = byte == _START or (self._sending and byte != _STOP)
            if not self._sending:
                begin, made = time.monotonic(), 0.0
            while self._sending and made < (time.monotonic() - begin) * HZ * self.sends:
                made += 2 * SAMPLES
                left += low * SAMPLES + high * SAMPLES
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(self._main, left) :]


@pytest.fixture
def kit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    need(importlib.util.find_spec("ppk2_api"), "ppk2-api (pip install 'edgeq[power]')")
    monkeypatch.setattr("edgeq.devices.power.instruments._PPK2_HZ", HZ)
    # Windows here are short: what comes so much later would be most of one.
    monkeypatch.setattr("edgeq.devices.power.instruments._LATE_S", 0.05)
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
    assert pulses.joules / pulses.count == pytest.approx(AMPERES * 3.0 * SAMPLES / HZ)
    assert second.time_s - first.time_s == pytest.approx(0.3, abs=0.2)


def test_samples_that_come_in_pieces(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package loses its place where a piece does not end the sample that was begun."""
    sizes = itertools.cycle((402, 1, 4000))
    monkeypatch.setattr(
        "ppk2_api.ppk2_api.PPK2_API.get_data",
        lambda self: self.ser.read(min(self.ser.in_waiting, next(sizes))),
    )
    with open_meter(f"ppk2:{kit.port}?mv=3000", open_device("c")) as meter:
        first = meter.read()
        time.sleep(0.3)
        second = meter.read()
    watts = ((second.energy_j or 0) - (first.energy_j or 0)) / (second.time_s - first.time_s)
    assert watts == pytest.approx(AMPERES * 3.0)


def test_samples_that_are_lost(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is told by their number: half of them made half of the energy."""
    monkeypatch.setattr("edgeq.devices.power.instruments._PATIENCE_S", 0.3)
    kit.sends = 0.5
    with open_meter(f"ppk2:{kit.port}", open_device("c")) as meter:
        meter.read()
        time.sleep(0.5)
        with pytest.raises(EdgeqError, match="lost samples: of"):
            meter.read()


def test_a_trigger_that_marks_nothing(
    kit: Kit, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the time was taken for the pulses, without a word."""
    monkeypatch.setattr("edgeq.analysis.energy.metering._REST_S", 0.1)
    device, how = open_device("c"), ProfileOptions(seconds=0.2)
    with device.open(models / "ad01_int8.tflite", CompileOptions()) as session:
        assert metered(session, device, f"ppk2:{kit.port}?trigger=0", how).found.share == 1
        with pytest.raises(EdgeqError, match="trigger pin marked no inference"):
            metered(session, device, f"ppk2:{kit.port}?trigger=3", how)


def test_a_port_that_is_none() -> None:
    need(importlib.util.find_spec("ppk2_api"), "ppk2-api (pip install 'edgeq[power]')")
    with (
        pytest.raises(EdgeqError, match="cannot be opened"),
        open_meter("ppk2:/dev/does-not-exist", open_device("c")),
    ):
        pass


@pytest.mark.parametrize("answer", [b"\xff\xfe" * 500, b"\x00" * 500, b"R0: x\nEND\n", b"END\n"])
def test_what_is_no_kit_is_named(answer: bytes) -> None:
    need(importlib.util.find_spec("ppk2_api"), "ppk2-api (pip install 'edgeq[power]')")
    main, other = pty.openpty()
    done = threading.Event()

    def talk() -> None:
        while not done.is_set():
            with contextlib.suppress(OSError):
                os.read(main, 64)
                os.write(main, answer)

    threading.Thread(target=talk, daemon=True).start()
    with (
        pytest.raises(EdgeqError, match="does not answer as a Power Profiler Kit"),
        open_meter(f"ppk2:{os.ttyname(other)}", open_device("c")),
    ):
        pass
    done.set()


@pytest.mark.parametrize("gain", ["nan", "1e300"])
def test_a_kit_whose_samples_are_no_currents(
    kit: Kit, gain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = _METADATA.replace("GS3: 0", f"GS3: {gain}").replace("UG3: 1", f"UG3: {gain}")
    monkeypatch.setitem(globals(), "_METADATA", odd)
    with (
        pytest.raises(EdgeqError, match=r"was lost: its samples are no currents"),
        open_meter(f"ppk2:{kit.port}", open_device("c")) as meter,
    ):
        for _ in range(1000):
            meter.read()
            time.sleep(0.01)


def test_a_kit_that_is_unplugged_measures_nothing_more(kit: Kit) -> None:
    with (
        pytest.raises(EdgeqError, match="Power Profiler Kit was lost"),
        open_meter(f"ppk2:{kit.port}", open_device("c")) as meter,
    ):
        assert meter.read().energy_j is not None
        kit.close()
        kit.unplug()
        for _ in range(1000):
            meter.read()
            time.sleep(0.01)
