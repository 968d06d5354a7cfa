"""On Arm machines of their own: 64-bit with python3-minimal, without any Python, and 32-bit."""

import threading
import time

import numpy as np
import pytest

from edgeq.analysis.execution import run
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.devices.remote import agent
from edgeq.devices.remote.link import LinkLost
from edgeq.devices.remote.shell import Shell
from edgeq.errors import EdgeqError
from edgeq.model.inputs import xorshift_input
from tests.devices.ssh import machines

pytestmark = pytest.mark.slow
# The place of a fault: seconds after the work there began.
PLACES = {"push": 0.3, "run": 1.5, "result": 0.7}


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


def assert_starts_at_once(device, model, monkeypatch):
    """The model is there and its runtime chosen: a probe, one question, the agent."""
    asked, do = [], Shell.do

    def counted(self, command, *rest, **options):
        asked.append(command)
        return do(self, command, *rest, **options)

    monkeypatch.setattr(Shell, "do", counted)
    with device.open(model, CompileOptions()) as session:
        assert session.pushed_bytes == 0
    assert len(asked) == 1, asked


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


def test_the_second_run_starts_at_once_and_pushes_nothing(machine, models, monkeypatch):
    device = open_device(machine.address)
    with device.open(models / "vww_int8.tflite", CompileOptions()):
        pass
    assert_starts_at_once(device, models / "vww_int8.tflite", monkeypatch)


def test_generated_c_without_python(bare_machine, models, monkeypatch):
    model = models / "vww_int8.tflite"
    inputs = np.stack([xorshift_input((96, 96, 3), "int8", index) for index in range(3)])
    address = bare_machine.address + "&runtime=c"
    np.testing.assert_array_equal(
        run(model, inputs=inputs, on=address)[0], run(model, inputs=inputs, on="c")[0]
    )
    assert_starts_at_once(open_device(address), model, monkeypatch)
    with open_device(address).open(model, CompileOptions()) as session:
        found = session.profile(ProfileOptions(seconds=0.5))
    assert found.device["runtime"] == "c"
    assert found.device["isa"] == "neon"  # a Cortex-A72 has no dot products
    assert found.memory_bytes.peak_rss > 100_000
    assert [op.index for op in found.ops] == list(range(31))


def test_litert_without_python(bare_machine, models):
    with open_device(bare_machine.address).open(
        models / "kws_int8.tflite", CompileOptions()
    ) as session:
        found = session.profile(ProfileOptions(seconds=0.3))
    assert found.device["runtime"] == "litert"
    assert len(found.ops) == 13


@pytest.mark.parametrize("place", PLACES)
def test_a_clock_that_jumps(machine, models, place):
    """Half a century back, while a file comes, while it measures, while it answers."""

    def jump():
        machine.ssh("date -s @86400", user="root")

    machine.ssh(f"date -s @{int(time.time())}", user="root")
    if place == "push":
        machine.ssh("rm -rf .cache/edgeq")
    work = threading.Timer(PLACES[place], jump)
    if place == "push":
        work.start()
    model = models / ("ad01_int8.tflite" if place == "result" else "kws_int8.tflite")
    with open_device(machine.address).open(model, CompileOptions()) as session:
        if place != "push":
            work.start()
        if place == "result":
            inputs = np.zeros((4000, 1, 640), np.int8)
            assert len(np.unique(session.run([inputs])[0], axis=0)) == 1
        else:
            seconds = 1 if place == "push" else 6
            found = session.profile(ProfileOptions(seconds=seconds, ops=False))
            assert 0 < found.latency_us.min <= found.latency_us.max < 4e6
            told = any("clock jumped by -" in text for text in found.warnings)
            assert told == (place == "run")
    work.join()


def test_a_model_too_large_for_the_memory(machine, tmp_path):
    """The kernel kills it, and the next run works."""
    tf = pytest.importorskip("tensorflow")

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, 1, 1, 4], tf.float32)])
        def call(self, x):
            return tf.reduce_sum(tf.exp(tf.tile(x, [1, 8192, 4096, 1])), axis=[1, 2])

    module = Module()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.call.get_concrete_function()], module
    )
    model = tmp_path / "huge.tflite"
    model.write_bytes(converter.convert())
    with (
        pytest.raises(EdgeqError, match="memory"),
        open_device(machine.address).open(model, CompileOptions()) as session,
    ):
        session.profile(ProfileOptions(runs=5, ops=False))
    left = set(machine.ssh("ps -u pi -o comm=").split()) - {"sshd", "bash", "ps"}
    assert left <= {"sleep"}  # the last second of a watchdog


@pytest.mark.parametrize("place", PLACES)
def test_a_machine_that_is_switched_off(tmp_path, models, place, monkeypatch):
    """It says nothing more, and comes back with nothing of what was pushed."""
    first = machines.start(tmp_path)
    model = models / "kws_int8.tflite"
    off = threading.Timer(PLACES[place], first.stop)
    begin = 0.0

    def strike():
        nonlocal begin
        begin = time.monotonic()
        off.start()

    def strike_and_push(*arguments):
        strike()
        return push(*arguments)

    # Once there is a connection, however long a busy machine needs for one.
    push = agent.push
    if place == "push":
        monkeypatch.setattr(agent, "push", strike_and_push)

    def work():
        with open_device(first.address + "&reconnect=0").open(model, CompileOptions()) as session:
            if place != "push":
                strike()
            if place == "run":
                session.profile(ProfileOptions(seconds=60))
            session.run([np.zeros((500_000, 1, 49, 10, 1), np.int8)])

    try:
        with pytest.raises(LinkLost):
            work()
        assert time.monotonic() - begin < PLACES[place] + 10
    finally:
        first.stop()
    monkeypatch.undo()
    again = machines.start(tmp_path, port=first.port)
    try:
        with open_device(again.address).open(model, CompileOptions()) as session:
            assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 5
    finally:
        again.stop()


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
    assert (facts.architecture, facts.bits) == ("armv7l", 32)
    assert "no libLiteRt.so for armv7l" in runtimes["litert"]
    assert runtimes["wheel"] == ""
    assert runtimes["c"] == ""


def test_32_bit_programs_on_a_kernel_of_64(tmp_path, models):
    """As 32-bit Raspberry Pi OS has it: the kernel calls itself aarch64."""
    machine = machines.start(tmp_path, "armhf-on-64")
    try:
        assert machine.ssh("uname -m").strip() == "aarch64"
        facts, runtimes = open_device(machine.address).probe()
        assert (facts.architecture, facts.bits) == ("armv7l", 32)
        assert "no libLiteRt.so for armv7l" in runtimes["litert"]
        assert runtimes["wheel"] == ""
        model = models / "kws_int8.tflite"
        inputs = np.stack([xorshift_input((49, 10, 1), "int8", index) for index in range(3)])
        found = run(model, inputs=inputs, on=machine.address + "&runtime=c")[0]
        np.testing.assert_array_equal(found, run(model, inputs=inputs, on="c")[0])
    finally:
        machine.stop()
