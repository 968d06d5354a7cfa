"""A model on a real SSH server: run, profile, caches."""

import os
import platform
import shutil
import time
from urllib.parse import quote

import numpy as np
import pytest

from edgeq.analysis.execution import run
from edgeq.analysis.own import runs_own_code
from edgeq.boards.target import load_target
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.inputs import xorshift_input
from tests.devices.ssh import openssh

FAST = ProfileOptions(seconds=0.3)


SHAPES = {
    "kws": (49, 10, 1), "vww": (96, 96, 3), "ad01": (640,), "resnet": (32, 32, 3),
    "sww": (30, 1, 40),
}  # fmt: skip


@pytest.mark.parametrize("agent", ["python", "native"])
@pytest.mark.parametrize("name", SHAPES)
def test_run_gives_the_bytes_of_the_same_runtime_here(server, models, name, agent):
    model = models / f"{name}_int8.tflite"
    shape = SHAPES[name]
    inputs = np.stack([xorshift_input(shape, "int8", index) for index in range(5)])
    there = run(model, inputs=inputs, on=f"{server.address}&agent={agent}")
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
    assert found.device["system"] == "linux"
    here = "generic-x86-64" if platform.machine() == "x86_64" else "generic-aarch64"
    assert runs_own_code(found.device, load_target(here))
    assert not runs_own_code(found.device, load_target("raspberry-pi-5"))
    assert not runs_own_code(found.device, load_target("cortex-m4"))
    assert [op.index for op in found.ops] == list(range(31))
    assert sum(op.share for op in found.ops) == pytest.approx(1)
    environment = found.environment
    assert environment["sha256"]["model"].startswith("597a384c")
    assert environment["cold_start"]["load_us"] > 0
    assert environment["before"]["load_average"] is not None
    assert environment["after"]["monotonic_s"] >= environment["before"]["monotonic_s"] + 0.3
    low, high = environment["p50_confidence_95_us"]
    assert low <= found.latency_us.p50 <= high


def test_a_level_asks_for_generated_c(server, models):
    """Not LiteRT, which has none; and only for the architecture that has it."""
    model = models / "ad01_int8.tflite"
    ours, theirs = ("avx2", "neon") if platform.machine() == "x86_64" else ("neon", "avx2")
    for options in (CompileOptions(isa=ours), CompileOptions(isa="portable")):
        with open_device(server.address).open(model, options) as session:
            assert session.profile(FAST).device["runtime"] == "c"
    with pytest.raises(EdgeqError, match=f"--isa {theirs} is a level of"):
        open_device(server.address).open(model, CompileOptions(isa=theirs))
    with pytest.raises(UsageError, match="--isa and --dispatch are for generated C, not litert"):
        open_device(server.address + "&runtime=litert").open(model, CompileOptions(isa=ours))


def test_the_second_run_pushes_nothing(server, models):
    device = open_device(server.address)
    with device.open(models / "kws_int8.tflite", CompileOptions()):
        pass
    with device.open(models / "kws_int8.tflite", CompileOptions()) as session:
        assert session.pushed_bytes == 0
        session.profile(FAST)
    assert server.wait_until_idle(3) == []


@pytest.mark.parametrize("agent", ["python", "native"])
def test_what_a_disk_has_damaged_is_pushed_again(server, models, agent):
    """Each file in turn: right name, right size, 4,096 bytes of zeros in the middle."""
    device = open_device(f"{server.address}&agent={agent}")
    model = models / "kws_int8.tflite"
    inputs = [np.stack([xorshift_input((1, 49, 10, 1), "int8", i) for i in range(3)])]
    with device.open(model, CompileOptions()) as session:
        wanted = session.run(inputs)[0]
    assert server.wait_until_idle(3) == []
    folder = server.home / ".cache/edgeq"
    files = [path for path in folder.iterdir() if len(path.stem) == 64]
    assert {".tflite", ".so"} < {path.suffix for path in files}
    for path in files:
        good = path.read_bytes()
        middle = len(good) // 2
        with path.open("r+b") as file:
            file.seek(middle)
            file.write(bytes(min(4096, len(good) - middle)))
    with device.open(model, CompileOptions()) as session:
        assert session.pushed_bytes > sum(path.stat().st_size for path in files) // 2
        np.testing.assert_array_equal(session.run(inputs)[0], wanted)
    with device.open(model, CompileOptions()) as session:
        assert session.pushed_bytes == 0


@pytest.mark.slow
def test_what_was_found_whole_is_hashed_again_later(tmp_path, models):
    """After an hour, after a new start, and as soon as somebody has touched a file."""
    tools, hashes = tmp_path / "bin", tmp_path / "hashes"
    tools.mkdir()
    for name in ("openssl", "sha256sum"):
        (tools / name).write_text(f'#!/bin/sh\necho x >>{hashes}\nexec {shutil.which(name)} "$@"\n')
        (tools / name).chmod(0o755)
    own = openssh.start(tmp_path / "sshd", environment=f"PATH={tools}:{os.environ['PATH']}")
    device = open_device(own.address)

    def hashed():
        hashes.write_text("")
        with device.open(models / "kws_int8.tflite", CompileOptions()) as session:
            assert session.pushed_bytes == 0
        return len(hashes.read_text().split())

    try:
        with device.open(models / "kws_int8.tflite", CompileOptions()):
            pass
        assert [hashed(), hashed()] == [3, 0]
        folder = own.home / ".cache/edgeq"
        (mark,) = folder.glob(".*.whole")
        os.utime(mark, (0, 0))
        assert hashed() == 3
        mark.write_text("another start" + mark.read_text()[13:])
        assert hashed() == 3
        time.sleep(1)  # as stat tells times
        next(folder.glob("*.so")).touch()
        assert hashed() == 3
    finally:
        own.stop()


def test_a_session_runs_again_after_a_profile(server, models):
    inputs = [np.zeros((2, 1, 49, 10, 1), np.int8)]
    with open_device(server.address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        before = session.run(inputs)
        session.profile(FAST)
        np.testing.assert_array_equal(session.run(inputs)[0], before[0])


@pytest.mark.parametrize("agent", ["python", "native"])
@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
def test_the_delegate_really_ran(server, models, agent, delegate):
    address = f"{server.address}&agent={agent}&delegate={delegate}"
    with open_device(address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        found = session.profile(FAST)
    told = found.environment["delegate"]
    assert told["asked"] == delegate
    assert told["of"] == 13 + (delegate == "xnnpack")  # XNNPACK adds a reshape of its own
    assert (told["ops"] > 5) == (delegate == "xnnpack")
    if delegate == "xnnpack":
        assert told["max_difference"] <= 8
    assert [op.covers for op in found.ops] == [(op,) for op in range(13)]
    assert found.ops[0].op == ("CONV_2D" if delegate == "none" else "Convolution (NHWC, QC8) IGEMM")
    assert all(op.us_p10 <= op.us + 1 and op.us <= op.us_p90 + 1 for op in found.ops)


def test_a_delegate_that_the_runtime_lacks(server, models):
    with pytest.raises(EdgeqError, match="no delegate 'gpu'"):
        open_device(server.address + "&delegate=gpu&runtime=litert").open(
            models / "kws_int8.tflite", CompileOptions()
        )


@pytest.mark.parametrize("agent", ["python", "native"])
def test_threads_cores_and_pace(server, models, agent):
    extra = {"threads": 2, "cpu": "1", "paced_hz": 20.0}
    address = f"{server.address}&agent={agent}"
    with open_device(address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        found = session.profile(ProfileOptions(seconds=1, warmup=2, ops=False, extra=extra))
    assert found.device["threads"] == 2
    assert found.environment["affinity"] == [1]
    assert found.latency_us.warmup == 3
    assert 18 <= found.latency_us.n <= 22


@pytest.mark.parametrize("agent", ["python", "native"])
def test_calls_and_seconds_end_a_measurement_as_here(server, models, agent):
    device = open_device(f"{server.address}&agent={agent}")
    with device.open(models / "kws_int8.tflite", CompileOptions()) as session:

        def count(**how):
            options = ProfileOptions(warmup=1, ops=False, **how)
            return session.profile(options).latency_us.n

        assert count(runs=7, seconds=30) == 7
        assert count(runs=7, extra={"sustained_s": 30}) == 7
        assert 1 <= count(runs=10**7, seconds=0.2) < 10**6
        assert count(seconds=0.0) == 5  # the fewest, where only time counts


@pytest.mark.parametrize("agent", ["python", "native"])
def test_the_warm_up_is_no_other_process(server, models, agent):
    """The time between two states of the device that is not ours is others' work."""
    device = open_device(f"{server.address}&agent={agent}")
    with device.open(models / "kws_int8.tflite", CompileOptions()) as session:
        judged = []
        read = session._measure

        def keep(*arguments):
            judged.append(read(*arguments))
            return judged[-1]

        session._measure = keep
        found = session.profile(ProfileOptions(runs=5, warmup=5000, ops=False))
    calls_s = 5000 * found.latency_us.p50 / 1e6
    assert judged[0].cpu_s > 0.3 * calls_s
    assert judged[0].elapsed_s < 0.1 * calls_s


@pytest.mark.parametrize("folder", ["c++", "a b ", "back\\new", "'\"$x` ü"])
def test_folders_of_odd_names(server, models, folder):
    place = server.home / folder
    on = f"{server.address}&dir={quote(str(place), safe='/+')}"
    inputs = np.zeros((1, 49, 10, 1), np.int8)
    wanted = run(models / "kws_int8.tflite", inputs=inputs, on="local")
    found = run(models / "kws_int8.tflite", inputs=inputs, on=on)
    np.testing.assert_array_equal(found[0], wanted[0])
    assert list(place.glob("*.tflite"))


@pytest.mark.parametrize("agent", ["python", "native"])
def test_a_model_with_several_inputs_and_outputs(server, agent, tmp_path):
    """Tensors keep the order of the subgraph, whatever order the signature has.

    One tensor under two names, or an input that is an output, made outputs of odd memory.
    """
    tf = pytest.importorskip("tensorflow")

    class Module(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([1, 2], tf.float32, name="z"),
                tf.TensorSpec([1, 3], tf.float32, name="a"),
            ]
        )
        def call(self, z, a):
            y = 2 * z
            return {"y": y, "b": a + 1, "c": tf.concat([z, a], 1), "again": y, "given": a}

    module = Module()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.call.get_concrete_function()], module
    )
    model = tmp_path / "several.tflite"
    model.write_bytes(converter.convert())
    inputs = [
        np.arange(np.prod(shape), dtype=np.float32).reshape(4, 1, shape[1])
        for shape in ((4, 2), (4, 3))
    ]
    with open_device("local").open(model, CompileOptions()) as here:
        if [s.shape for s in here._inputs] != [(1, 2), (1, 3)]:
            inputs.reverse()
        wanted = here.run(inputs)
    with open_device(f"{server.address}&agent={agent}").open(model, CompileOptions()) as there:
        found = there.run(inputs)
    assert len(found) == 5
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b)


def test_a_missing_op_is_named(server, tmp_path):
    tf = pytest.importorskip("tensorflow")

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, 8], tf.float32)])
        def call(self, x):
            return tf.raw_ops.Betainc(a=x, b=x, x=x)

    module = Module()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.call.get_concrete_function()], module
    )
    converter.allow_custom_ops = True
    model = tmp_path / "odd.tflite"
    model.write_bytes(converter.convert())
    for agent in ("python", "native"):
        address = f"{server.address}&agent={agent}&runtime=litert"
        with (
            pytest.raises(EdgeqError, match=r"lacks an op of this model: .*Betainc"),
            open_device(address).open(model, CompileOptions()) as session,
        ):
            session.profile(FAST)


def test_a_broken_push_goes_on_where_it_stopped(tmp_path, models):
    from edgeq.devices.remote.link import LinkLost
    from tests.devices.ssh.proxy import Proxy

    own = openssh.start(tmp_path / "sshd")
    proxy = Proxy(own.port)
    own.write_config(proxy.port)
    try:
        proxy.arm("reset", "up", 6_000_000)
        with pytest.raises(LinkLost):
            open_device(own.address).open(models / "kws_int8.tflite", CompileOptions())
        assert own.wait_until_idle(5) == []
        proxy.heal()
        with open_device(own.address).open(models / "kws_int8.tflite", CompileOptions()) as session:
            assert 0 < session.pushed_bytes < 6_000_000
        assert not list((own.home / ".cache/edgeq").glob("*.part"))
    finally:
        proxy.close()
        own.stop()


def test_the_cache_has_a_cap(tmp_path, models):

    own = openssh.start(tmp_path / "sshd")
    try:
        for name in ("kws", "vww", "ad01", "resnet"):
            with open_device(own.address + "&cache=8.9").open(
                models / f"{name}_int8.tflite", CompileOptions()
            ) as session:
                assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 5
        files = list((own.home / ".cache/edgeq").iterdir())
        assert sum(path.stat().st_size for path in files) <= 8_900_000
        assert openssh.sha256(models / "resnet_int8.tflite") + ".tflite" in {p.name for p in files}
    finally:
        own.stop()


def running_sum():
    """A model whose answers are the sums of all that it was given."""
    tf = pytest.importorskip("tensorflow")

    class Module(tf.Module):
        def __init__(self):
            self.sum = tf.Variable(tf.zeros([1, 4]))

        @tf.function(input_signature=[tf.TensorSpec([1, 4], tf.float32)])
        def call(self, x):
            return self.sum.assign_add(x)

    module = Module()
    made = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.call.get_concrete_function()], module
    )
    made.experimental_enable_resource_variables = True
    return made.convert()


@pytest.mark.parametrize(
    ("way", "here"), [("agent=python", "local"), ("agent=native", "local"), ("runtime=c", "c")]
)
def test_the_digest_of_a_model_that_remembers_is_of_its_first_call(server, tmp_path, way, here):
    """However many calls are timed before it is asked for."""
    model = tmp_path / "net.tflite"
    model.write_bytes(running_sum())

    def digest(address, runs):
        with open_device(address).open(model, CompileOptions()) as session:
            return session.profile(ProfileOptions(runs=runs, ops=False)).output_sha256

    assert {digest(f"{server.address}&{way}", runs) for runs in (3, 6)} == {digest(here, 3)}
