"""Who measures on a device now, and what is handed over to it."""

import contextlib
import time
from types import SimpleNamespace

import pytest

from edgeq.analysis.energy import metering
from edgeq.devices.base import ProfileOptions
from edgeq.devices.power.meter import Reading
from edgeq.devices.remote.link import LinkLost
from edgeq.devices.remote.shell import Shell
from edgeq.devices.remote.turns import Turn
from edgeq.errors import EdgeqError


@pytest.fixture
def link(tmp_path, monkeypatch):
    monkeypatch.setattr("edgeq.devices.remote.turns.cache_dir", lambda: tmp_path)
    return SimpleNamespace(name="ssh://pi", identity="ssh://pi SHA256:x")


def test_a_turn_within_a_turn(link):
    mine, other = Turn(link, 0.0), Turn(link, 0.0)
    for _ in range(2):
        with mine.held(), mine.held(), pytest.raises(EdgeqError, match="busy"), other.held():
            pass
        with other.held():
            pass


def test_a_meter_looks_in_ones_own_turn_only(link, monkeypatch):
    """What others did while their turn was waited for was counted as one's own work."""
    mine, other, looks = Turn(link, 0.0), Turn(link, 0.0), []

    class Meter:
        name, covers, interval_s = "pmic", "rails", 0.01

        def read(self):
            with contextlib.suppress(EdgeqError), other.held():
                looks.append("of others")
            return Reading(time.monotonic(), power_w=1.0)

    latency = SimpleNamespace(n=9, warmup=1, mean=1e4)
    measured = SimpleNamespace(latency_us=latency, valid=True, warnings=[], environment={})

    def profile(how):
        time.sleep(0.1)
        return measured

    session = SimpleNamespace(alone=mine.held, profile=profile)
    monkeypatch.setattr(metering, "_REST_S", 0.1)
    monkeypatch.setattr(metering, "open_meter", lambda *_: contextlib.nullcontext(Meter()))
    device = SimpleNamespace(address="ssh://pi")
    report = metering.metered(session, device, "pmic", ProfileOptions())
    assert report.valid
    assert report.found.energy_uj == pytest.approx(1e4, rel=0.1)
    assert looks == []


class Slow:
    """A link that takes 20 kB a second, and so much before it counts as silent."""

    name, silence_s = "ssh://far", 6
    taken = b""
    ended = False

    def start(self, command):
        return self

    def write(self, data):
        if len(data) > 20_000 * self.silence_s:
            raise LinkLost(self.name, "the device takes no data")
        self.taken += data

    def read(self):
        while not self.ended:
            time.sleep(0.01)
        return b""

    def status(self):
        return 0

    def abort(self):
        pass

    def close(self):
        self.ended = True


def test_a_slow_link_takes_a_long_line():
    """It was lost in the middle of a megabyte, which takes it a minute, again and again."""
    link = Slow()
    shell = Shell(link)
    shell.send(do="run", data="A" * 1_400_000)
    shell.close()
    assert link.taken.endswith(b'A"}\n')
    assert len(link.taken) > 1_400_000
