"""A model on a real SSH server: run, profile, caches."""

import numpy as np
import pytest

from edgeq.devices.base import CompileOptions, ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.execution import run
from edgeq.inputs import xorshift_input

FAST = ProfileOptions(seconds=0.3)


@pytest.mark.parametrize("name", ["kws", "vww", "ad01"])
def test_run_gives_the_bytes_of_the_same_runtime_here(server, models, name):
    model = models / f"{name}_int8.tflite"
    shape = {"kws": (49, 10, 1), "vww": (96, 96, 3), "ad01": (640,)}[name]
    inputs = np.stack([xorshift_input(shape, "int8", index) for index in range(5)])
    there = run(model, inputs=inputs, on=server.address)
    here = run(model, inputs=inputs, on="local")
    assert there[0].shape == here[0].shape
    np.testing.assert_array_equal(there[0], here[0])


def test_profile_fills_the_record(server, models):
    with open_device(server.address).open(models / "vww_int8.tflite", CompileOptions()) as session:
        found = session.profile(FAST)
    assert found.latency_us.n == len(found.samples_us) >= 5
    assert found.latency_us.min <= found.latency_us.p50 <= found.latency_us.p99
    assert found.memory_bytes.peak_rss > 5_000_000
    assert found.device["runtime"] == "litert"
    assert [op.index for op in found.ops] == list(range(31))
    assert sum(op.share for op in found.ops) == pytest.approx(1)
    environment = found.environment
    assert environment["sha256"]["model"].startswith("597a384c")
    assert environment["cold_start"]["load_us"] > 0
    assert environment["before"]["load_average"] is not None
    assert environment["after"]["monotonic_s"] >= environment["before"]["monotonic_s"] + 0.3
    low, high = environment["p50_confidence_95_us"]
    assert low <= found.latency_us.p50 <= high


def test_the_second_run_pushes_nothing(server, models):
    device = open_device(server.address)
    with device.open(models / "kws_int8.tflite", CompileOptions()):
        pass
    with device.open(models / "kws_int8.tflite", CompileOptions()) as session:
        assert session.pushed_bytes == 0
        session.profile(FAST)
    assert server.wait_until_idle(3) == []


def test_a_session_runs_again_after_a_profile(server, models):
    inputs = [np.zeros((2, 1, 49, 10, 1), np.int8)]
    with open_device(server.address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        before = session.run(inputs)
        session.profile(FAST)
        np.testing.assert_array_equal(session.run(inputs)[0], before[0])
