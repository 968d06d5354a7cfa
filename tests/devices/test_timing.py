import time

from edgeq.devices.base import ProfileOptions
from edgeq.devices.timing import disturbances, measure_latency, summarize


def test_runs_and_seconds_bound_the_timed_part():
    def call():
        time.sleep(0.001)

    latency, samples = measure_latency(call, ProfileOptions(runs=5, warmup=2))
    assert (latency.n, latency.warmup, len(samples)) == (5, 3, 5)
    latency, _ = measure_latency(call, ProfileOptions(seconds=0.05, warmup=0))
    assert 5 <= latency.n <= 50
    latency, _ = measure_latency(call, ProfileOptions(runs=3, seconds=10.0, warmup=0))
    assert latency.n == 3
    assert latency.min >= 1000


def test_statistics():
    found = summarize([4.0, 1.0, 3.0, 2.0], warmup=1, first=9.0)
    assert (found.n, found.first, found.min, found.max, found.mean) == (4, 9.0, 1.0, 4.0, 2.5)
    assert found.p50 == 2.5
    assert abs(found.stdev - 1.2909944) < 1e-6
    assert summarize([5.0], warmup=1, first=5.0).stdev == 0.0


def test_drift_is_a_disturbance():
    steady, slower = [100.0] * 20, [140.0] * 20
    assert any("140" in reason for reason in disturbances(steady + slower))
    assert not any("went from" in reason for reason in disturbances(steady * 2))
