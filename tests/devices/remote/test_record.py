"""Which runs are believed."""

from dataclasses import replace

import numpy as np
import pytest

from edgeq.devices.remote.facts import read_facts
from edgeq.devices.remote.record import Snapshot, judge, median_interval, read_snapshot, watch_list

FACTS = read_facts(
    {
        "uname": "Linux 6.1.0 aarch64",
        "online /sys/devices/system/cpu/online": "0-3",
        "libc": "glibc 2.36",
        "cpuinfo /proc/cpuinfo": "CPU implementer : 0x41\nCPU part : 0xd08\nFeatures : fp asimd\n",
        "thermal /sys/class/thermal/thermal_zone0/type": "cpu-thermal",
        "temperature /sys/class/thermal/thermal_zone0/temp": "48000",
        "cpufreq /sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "ondemand",
        "vcgencmd": "/usr/bin/vcgencmd",
    }
)
QUIET = Snapshot(
    monotonic_s=0.0, wall_s=1000.0, governor="performance", throttled=0, busy_s=0.0, stolen_s=0.0,
    frequency_limit_hz={"policy0": 1_800_000_000},
)  # fmt: skip
LATER = replace(QUIET, monotonic_s=10.0, wall_s=1010.0, busy_s=10.0)
STEADY = [100.0, 101.0] * 50


def reasons(*snapshots, samples=STEADY):
    return judge(snapshots, samples, 10.0, FACTS, 1).reasons


def test_facts_of_a_pi():
    assert (FACTS.cpu, FACTS.cores, FACTS.glibc) == ("Cortex-A72", 4, (2, 36))
    assert FACTS.cpu_features == ("fp", "asimd")


def test_a_quiet_run_is_valid():
    assert reasons(QUIET, LATER) == ()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"throttled": 0x4}, "throttled"),
        ({"throttled": 0x10000}, "under-voltage"),
        ({"frequency_limit_hz": {"policy0": 1_200_000_000}}, "from 1800 to 1200 MHz"),
        ({"busy_s": 45.0}, "other processes used 3.5 of 4 cores"),
        ({"stolen_s": 5.0}, "hypervisor"),
    ],
)
def test_what_disturbs(change, text):
    assert any(text in reason for reason in reasons(QUIET, replace(LATER, **change)))


def test_what_was_throttled_long_ago_does_not_count():
    before = replace(QUIET, throttled=0x50000)
    assert reasons(before, replace(LATER, throttled=0x50000)) == ()


def test_drift():
    assert "drifted" in reasons(QUIET, LATER, samples=[100.0] * 50 + [130.0] * 50)[0]


def test_a_clock_that_jumps_is_a_remark():
    verdict = judge([QUIET, replace(LATER, wall_s=5000.0)], STEADY, 10.0, FACTS, 1)
    assert verdict.reasons == ()
    assert "clock jumped by +3990 s" in verdict.remarks[0]


def test_a_beat_is_read():
    texts = {
        "/proc/loadavg": "0.50 0.4 0.3 1/99 1234\n",
        "/proc/stat": "cpu  100 0 100 9000 0 0 0 50 0 0\ncpu0 1\n",
        "/sys/class/thermal/thermal_zone0/temp": "61500\n",
        "/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1500000\n",
        "!vcgencmd get_throttled": "throttled=0x50005\n",
    }
    beat = {
        "monotonic_s": 5.0,
        "wall_s": 6.0,
        "texts": [texts.get(source, "") for source in watch_list(FACTS)],
    }
    found = read_snapshot(beat, FACTS)
    assert found.load == 0.5
    assert (found.busy_s, found.stolen_s) == (2.0, 0.5)
    assert found.temperature_c == {"cpu-thermal": 61.5}
    assert found.frequency_hz == {"policy0": 1_500_000_000}
    assert found.throttled == 0x50005


def test_the_interval_of_the_median_covers_it():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        low, high = median_interval(generator.lognormal(0, 1, 101))
        hits += low <= 1.0 <= high
    assert 0.92 <= hits / 400 <= 0.99
    assert median_interval([1.0] * 5) is None
