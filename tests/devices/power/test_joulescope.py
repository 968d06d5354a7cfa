"""The Joulescope, with a stand-in for its driver that tells statistics in the same form."""

from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from edgeq.devices.power.opening import open_meter
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError


class Driver:
    """One instrument that draws a watt, and says so every 50 ms."""

    paths = ("u/js220/000001",)

    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []

    def device_paths(self) -> tuple[str, ...]:
        return self.paths

    def open(self, path: str) -> None:
        assert path in self.paths

    def close(self, path: str) -> None:
        assert ("u/js220/000001/s/stats/ctrl", 0) in self.published
        assert path in self.paths

    def publish(self, topic: str, value: Any) -> None:
        self.published.append((topic, value))

    def subscribe(self, topic: str, kind: str, take: Any) -> None:
        assert (topic, kind) == ("u/js220/000001/s/stats/value", "pub")

        def tell() -> None:
            while not any(value == 0 for _, value in self.published):
                joules = time.monotonic()
                take(topic, {"accumulators": {"energy": {"value": joules, "units": "J"}}})
                time.sleep(0.05)

        threading.Thread(target=tell, daemon=True).start()


def test_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyjoulescope_driver", SimpleNamespace(Driver=Driver))
    with open_meter("joulescope", open_device("c")) as meter:
        meter.read()
        for _ in range(3):  # what was counted before is not of the time that begins now
            now = time.monotonic()
            found = meter.read()
            assert found.energy_j is not None
            assert found.energy_j >= now
            assert found.time_s == pytest.approx(found.energy_j, abs=0.02)


def test_none_is_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyjoulescope_driver", SimpleNamespace(Driver=Driver))
    monkeypatch.setattr(Driver, "paths", ())
    with (
        pytest.raises(EdgeqError, match="0 Joulescopes"),
        open_meter("joulescope", open_device("c")),
    ):
        pass
