"""On Arm machines of their own: 64-bit with python3-minimal, without any Python, and 32-bit."""

import time

import numpy as np
import pytest

from edgeq.devices.base import CompileOptions, ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.execution import run
from edgeq.inputs import xorshift_input
from tests.devices.ssh import machines

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    running = machines.start(tmp_path_factory.mktemp("vm"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def bare_machine(tmp_path_factory):
    running = machines.start(tmp_path_factory.mktemp("vm"), python=False)
    yield running
    running.stop()


def assert_starts_at_once(device, model):
    """The model is loaded 1.5 s after the connection stands, with nothing pushed."""
    begin = time.monotonic()
    with device.open(model, CompileOptions()) as session:
        seconds = time.monotonic() - begin - session.timings["connect_s"]
        assert session.pushed_bytes == 0
        assert seconds < 1.5, session.timings


def test_profile_with_python3_minimal(machine, models, cli):
    result = cli(
        "profile", models / "vww_int8.tflite", "--on", machine.address, "--seconds", "1", "--json"
    )
    assert result.code == 0, result.err
    found = result.json
    assert found["device"]["runtime"] == "litert"
    assert found["device"]["cpu"] == "Cortex-A72"
    latency = found["latency_us"]
    assert latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]
    assert sum(op["share"] for op in found["ops"]) == pytest.approx(1)
    assert found["memory_bytes"]["peak_rss"] > 3_000_000
    assert found["environment"]["before"]["temperature_c"] == {"cpu-thermal": 48.312}


def test_the_second_run_starts_at_once_and_pushes_nothing(machine, models):
    device = open_device(machine.address)
    with device.open(models / "vww_int8.tflite", CompileOptions()):
        pass
    assert_starts_at_once(device, models / "vww_int8.tflite")


def test_generated_c_without_python(bare_machine, models):
    model = models / "vww_int8.tflite"
    inputs = np.stack([xorshift_input((96, 96, 3), "int8", index) for index in range(3)])
    address = bare_machine.address + "&runtime=c"
    np.testing.assert_array_equal(
        run(model, inputs=inputs, on=address)[0], run(model, inputs=inputs, on="c")[0]
    )
    assert_starts_at_once(open_device(address), model)
    with open_device(address).open(model, CompileOptions()) as session:
        found = session.profile(ProfileOptions(seconds=0.5))
    assert found.device["runtime"] == "c"
    assert found.memory_bytes.peak_rss > 100_000
    assert [op.index for op in found.ops] == list(range(31))


def test_litert_without_python(bare_machine, models):
    with open_device(bare_machine.address).open(
        models / "kws_int8.tflite", CompileOptions()
    ) as session:
        found = session.profile(ProfileOptions(seconds=0.3))
    assert found.device["runtime"] == "litert"
    assert len(found.ops) == 13


@pytest.fixture(scope="module")
def old_machine(tmp_path_factory):
    running = machines.start(tmp_path_factory.mktemp("vm"), "armhf")
    yield running
    running.stop()


@pytest.mark.parametrize("runtime", ["wheel", "c"])
def test_32_bit(old_machine, models, runtime):
    model = models / "kws_int8.tflite"
    inputs = np.stack([xorshift_input((49, 10, 1), "int8", index) for index in range(3)])
    address = f"{old_machine.address}&runtime={runtime}"
    found = run(model, inputs=inputs, on=address)[0]
    wanted = run(model, inputs=inputs, on="c")[0]
    if runtime == "c":
        np.testing.assert_array_equal(found, wanted)
    else:
        assert np.abs(found.astype(int) - wanted).max() <= 16
    with open_device(address).open(model, CompileOptions()) as session:
        assert session.pushed_bytes == 0
        profiled = session.profile(ProfileOptions(runs=5))
    assert profiled.device["architecture"] == "armv7l"
    assert profiled.latency_us.n == 5


def test_32_bit_has_no_litert(old_machine, models):
    device = open_device(old_machine.address)
    facts, runtimes = device.probe()
    assert facts.architecture == "armv7l"
    assert "no libLiteRt.so for armv7l" in runtimes["litert"]
    assert runtimes["wheel"] == ""
    assert runtimes["c"] == ""
