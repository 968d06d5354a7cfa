"""From what the agent sent to a Measurement: statistics, environment, and whether to believe it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeq.devices.numbers import real, whole
from edgeq.devices.remote.answers import number, text
from edgeq.devices.remote.facts import HostFacts

_MOST_SNAPSHOTS = 120
_LONGEST_SOURCE = 20_000
_MOST_HZ = 1e12
_SLOWED = 0.10  # a frequency or a latency that moved by more than this was throttled or disturbed
_DRIFT = 0.15
_CLOCK_JUMP_S = 2.0
_TICKS_PER_S = 100  # USER_HZ, the same on every Linux
# Bits of the Raspberry Pi firmware's get_throttled: those of now, and those since boot.
_THROTTLED_NOW = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}


@dataclass(frozen=True)
class Snapshot:
    """The state of a device at one moment.

    Attributes:
        frequency_hz: Of the first core of every group, by cpufreq folder.
        temperature_c: By name of the thermal zone.
        busy_s: Processor time used by everything since boot, all cores together.
        stolen_s: Processor time that a hypervisor took.
    """

    monotonic_s: float
    wall_s: float
    load: float | None = None
    governor: str | None = None
    throttled: int | None = None
    busy_s: float | None = None
    stolen_s: float | None = None
    frequency_hz: Mapping[str, int] = field(default_factory=dict)
    frequency_limit_hz: Mapping[str, int] = field(default_factory=dict)
    temperature_c: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For the environment of a measurement."""
        return {
            "monotonic_s": self.monotonic_s,
            "load_average": self.load,
            "governor": self.governor,
            "throttled": None if self.throttled is None else hex(self.throttled),
            "frequency_hz": dict(self.frequency_hz),
            "frequency_limit_hz": dict(self.frequency_limit_hz),
            "temperature_c": dict(self.temperature_c),
        }


def watch_list(facts: HostFacts) -> list[str]:
    """The files (and `!commands`) that the agent reads at every beat."""
    sources = ["/proc/loadavg", "/proc/stat"]
    for folder in facts.frequency_folders:
        sources += [f"{folder}/scaling_cur_freq", f"{folder}/scaling_max_freq"]
    if facts.frequency_folders:
        sources.append(f"{facts.frequency_folders[0]}/scaling_governor")
    sources += facts.temperatures.values()
    if facts.throttled_source:
        sources.append(facts.throttled_source)
    return sources


def read_snapshot(beat: Mapping[str, Any], facts: HostFacts) -> Snapshot:
    """What one beat of the agent says."""
    sources = watch_list(facts)
    told = beat.get("texts")
    texts = {
        source: text({"text": words}, "text", _LONGEST_SOURCE)
        for source, words in zip(sources, told if isinstance(told, list) else [], strict=False)
    }
    folders = facts.frequency_folders
    busy, stolen = _processor_time(texts.get("/proc/stat", ""))
    load = real(texts.get("/proc/loadavg", "").split(" ")[0])
    throttled = re.search(
        r"(?:0x|\b)([0-9a-fA-F]{1,8})\s*$", texts.get(facts.throttled_source or "", "")
    )
    return Snapshot(
        monotonic_s=number(beat, "monotonic_s"),
        wall_s=number(beat, "wall_s"),
        load=load,
        governor=texts.get(f"{folders[0]}/scaling_governor", "").strip() or None
        if folders
        else None,
        throttled=int(throttled[1], 16) if throttled else None,
        busy_s=busy,
        stolen_s=stolen,
        frequency_hz=_hertz(texts, folders, "scaling_cur_freq"),
        frequency_limit_hz=_hertz(texts, folders, "scaling_max_freq"),
        temperature_c={
            name: value / 1000
            for name, path in facts.temperatures.items()
            if (value := real(texts.get(path, ""))) is not None
        },
    )


def _hertz(texts: Mapping[str, str], folders: Sequence[str], name: str) -> dict[str, int]:
    found = {}
    for folder in folders:
        value = real(texts.get(f"{folder}/{name}", ""), _MOST_HZ / 1000)
        if value is not None:
            found[folder.rpartition("/")[2]] = int(value) * 1000
    return found


def _processor_time(told: str) -> tuple[float | None, float | None]:
    """(busy, stolen) seconds of all cores together, from /proc/stat's first line."""
    words = told.split("\n", 1)[0].split()
    ticks = [value for word in words[1:9] if (value := whole(word)) is not None]
    if len(ticks) < 8 or words[0] != "cpu":
        return None, None
    user, nice, system, _idle, _wait, irq, softirq, steal = ticks
    return (user + nice + system + irq + softirq) / _TICKS_PER_S, steal / _TICKS_PER_S


@dataclass(frozen=True)
class Verdict:
    """Whether a run can be believed, and why not.

    Attributes:
        reasons: What disturbed or throttled the run; it is invalid if there is any.
        remarks: What a reader should know, although the run is valid.
    """

    reasons: tuple[str, ...]
    remarks: tuple[str, ...]


def judge(
    snapshots: Sequence[Snapshot],
    samples_us: Sequence[float],
    own_cpu_s: float,
    facts: HostFacts,
    threads: int,
) -> Verdict:
    """Look for throttling, other work and drift in one run.

    Args:
        snapshots: Taken before, during and after.
        samples_us: The run's latencies, in order.
        own_cpu_s: Processor time of the measured process between first and last snapshot.
        facts: The device.
        threads: Threads of the runtime.
    """
    reasons: list[str] = []
    remarks: list[str] = []
    if len(snapshots) >= 2:
        reasons += _throttling(snapshots)
        reasons += _other_work(snapshots, own_cpu_s, facts.cores, threads)
        jump = (snapshots[-1].wall_s - snapshots[0].wall_s) - (
            snapshots[-1].monotonic_s - snapshots[0].monotonic_s
        )
        if abs(jump) > _CLOCK_JUMP_S:
            remarks.append(
                f"the device's clock jumped by {jump:+.0f} s during the run; latencies are taken "
                "from a clock that does not jump"
            )
    if len(samples_us) >= 20:
        half = len(samples_us) // 2
        early, late = np.median(samples_us[:half]), np.median(samples_us[half:])
        if abs(late - early) > _DRIFT * early:
            reasons.append(
                f"the latency drifted: median {early:.0f} µs in the first half, {late:.0f} µs in "
                "the second"
            )
    governor = snapshots[0].governor if snapshots else facts.governor
    if governor and governor != "performance":
        remarks.append(f"the CPU governor is '{governor}'; 'performance' gives steadier numbers")
    return Verdict(tuple(reasons), tuple(remarks))


def _throttling(snapshots: Sequence[Snapshot]) -> list[str]:
    reasons = []
    bits = 0
    for snapshot in snapshots:
        bits |= snapshot.throttled or 0
    before = snapshots[0].throttled or 0
    for bit, name in _THROTTLED_NOW.items():
        # The upper half remembers since boot: only what is new there happened during the run.
        happened = bits & ~before & (1 << (bit + 16))
        if bits & (1 << bit) or happened:
            reasons.append(f"the firmware reports: {name}")
    first = snapshots[0].frequency_limit_hz
    for name, limit in first.items():
        lowest = min(each.frequency_limit_hz.get(name, limit) for each in snapshots)
        if lowest < (1 - _SLOWED) * limit:
            reasons.append(
                f"{name} was limited from {limit / 1e6:.0f} to {lowest / 1e6:.0f} MHz (throttled)"
            )
    return reasons


def _other_work(
    snapshots: Sequence[Snapshot], own_cpu_s: float, cores: int, threads: int
) -> list[str]:
    first, last = snapshots[0], snapshots[-1]
    elapsed = last.monotonic_s - first.monotonic_s
    reasons = []
    if elapsed >= 1.0 and first.busy_s is not None and last.busy_s is not None:
        others = (last.busy_s - first.busy_s - own_cpu_s) / elapsed
        spare = max(0.5, cores - threads)
        if others > spare:
            reasons.append(f"other processes used {others:.1f} of {cores} cores")
    if elapsed >= 1.0 and first.stolen_s is not None and last.stolen_s is not None:
        stolen = (last.stolen_s - first.stolen_s) / elapsed
        if stolen > 0.05 * cores:
            reasons.append(f"the hypervisor took {stolen:.1f} of {cores} cores away")
    return reasons


def median_interval(samples_us: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % confidence interval of the median; None for fewer than 6 samples.

    Source: order statistics, binomial with normal approximation (Conover, "Practical
    Nonparametric Statistics", 3.2); no assumption about the distribution.
    """
    n = len(samples_us)
    if n < 6:
        return None
    ordered = np.sort(samples_us)
    reach = 1.96 * math.sqrt(n) / 2
    low = max(0, math.floor(n / 2 - reach))
    high = min(n - 1, math.ceil(n / 2 + reach))
    return float(ordered[low]), float(ordered[high])


def environment_json(snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """Before, during and after, thinned out where a run was long."""
    if not snapshots:
        return {}
    middle = snapshots[1:-1]
    step = max(1, len(middle) // _MOST_SNAPSHOTS)
    return {
        "before": snapshots[0].to_json(),
        "during": [each.to_json() for each in middle[::step]],
        "after": snapshots[-1].to_json(),
    }
