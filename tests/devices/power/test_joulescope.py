"""The Joulescope, with a stand-in for its driver that tells statistics in the same form."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from edgeq.devices.power.opening import open_meter
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError


class Driver:
    """One instrument that has counted 2 J, then 2.5 J."""

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
        self.take = lambda joules: take(
            topic, {"accumulators": {"energy": {"value": joules, "units": "J"}}}
        )
        self.take(2.0)


def test_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyjoulescope_driver", SimpleNamespace(Driver=Driver))
    with open_meter("joulescope", open_device("c")) as meter:
        first = meter.read()
        meter._driver.take(2.5)  # type: ignore[attr-defined]
        second = meter.read()
    assert first.energy_j == 2.0
    assert second.energy_j == 2.5


def test_none_is_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyjoulescope_driver", SimpleNamespace(Driver=Driver))
    monkeypatch.setattr(Driver, "paths", ())
    with (
        pytest.raises(EdgeqError, match="0 Joulescopes"),
        open_meter("joulescope", open_device("c")),
    ):
        pass
