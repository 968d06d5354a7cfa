"""Wall-clock latency of something that can be called again and again."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence

import numpy as np

from edgeq.devices.base import Latency, ProfileOptions

DEFAULT_SECONDS = 2.0
_STEADY = 0.05  # two windows whose medians differ by less than this are steady
_WINDOW_S = 0.1
_WARMUP_LIMIT_S = 3.0
_DRIFT = 0.15  # medians of the two halves of a measurement that differ by more have moved
_LEAST_FOR_DRIFT = 10
MAX_RUNS = 100_000


def measure_latency(
    call: Callable[[], object], options: ProfileOptions
) -> tuple[Latency, list[float]]:
    """The latency of `call` and the raw samples, all in microseconds.

    The first call is reported on its own. Then follows the warm-up (`options.warmup` calls, or
    until the medians of two windows of 0.1 s agree to within 5 %, at most 3 s), then the timed
    part, which ends after `options.runs` calls or `options.seconds`, whichever comes first.
    """
    first = _time_us(call)
    warmup = _warm_up(call, options.warmup)
    seconds = limit_s(options)
    end = math.inf if seconds is None else time.perf_counter() + seconds
    samples = [_time_us(call)]
    while len(samples) < (options.runs or MAX_RUNS) and time.perf_counter() < end:
        samples.append(_time_us(call))
    return summarize(samples, warmup=1 + warmup, first=first), samples


def limit_s(options: ProfileOptions) -> float | None:
    """Seconds after which the timed part ends; None where only its calls are counted."""
    given = [
        each for each in (options.seconds, options.extra.get("sustained_s")) if each is not None
    ]
    if given:
        return float(min(given))
    return DEFAULT_SECONDS if options.runs is None else None


def disturbances(samples: Sequence[float]) -> list[str]:
    """Reasons not to believe a measurement on this machine; none if there are none.

    Args:
        samples: Latencies in the order in which they were measured.
    """
    reasons = []
    half = len(samples) // 2
    if half >= _LEAST_FOR_DRIFT:
        before, after = np.median(samples[:half]), np.median(samples[half:])
        if abs(after - before) > _DRIFT * before:
            reasons.append(f"the latency went from {before:.0f} to {after:.0f} us while measuring")
    cpus = os.cpu_count() or 1
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > cpus:
        reasons.append(f"other programs are busy: load {os.getloadavg()[0]:.1f} on {cpus} CPUs")
    return reasons


def summarize(samples: Sequence[float], *, warmup: int, first: float) -> Latency:
    """The statistics of raw latency samples.

    Args:
        samples: Microseconds, at least one.
        warmup: Number of untimed calls before them.
        first: Latency of the very first call, in microseconds.
    """
    values = np.asarray(samples, np.float64)
    p50, p90, p95, p99 = np.percentile(values, (50, 90, 95, 99))
    return Latency(
        n=len(values),
        warmup=warmup,
        first=first,
        min=float(values.min()),
        mean=float(values.mean()),
        p50=float(p50),
        p90=float(p90),
        p95=float(p95),
        p99=float(p99),
        max=float(values.max()),
        stdev=float(values.std(ddof=1)) if len(values) > 1 else 0.0,
    )


def _time_us(call: Callable[[], object]) -> float:
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1000


def _warm_up(call: Callable[[], object], calls: int | None) -> int:
    """Call until steady, or `calls` times; the number of calls made."""
    if calls is not None:
        for _ in range(calls):
            call()
        return calls
    made, spent, previous = 0, 0.0, 0.0
    while spent < _WARMUP_LIMIT_S:
        window: list[float] = []
        end = time.perf_counter() + _WINDOW_S
        while not window or time.perf_counter() < end:
            window.append(_time_us(call))
        made += len(window)
        spent += max(_WINDOW_S, sum(window) / 1e6)
        median = float(np.median(window))
        if previous and abs(median - previous) <= _STEADY * previous:
            break
        previous = median
    return made
