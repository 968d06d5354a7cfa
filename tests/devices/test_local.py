import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.inputs import xorshift_input


def _batch(session_shape, count):
    return [np.stack([xorshift_input(session_shape, "int8", i) for i in range(count)])]


def test_kernels_differ_as_known_and_calls_are_in_order(models):
    kws = models / "kws_int8.tflite"
    batch = _batch((1, 49, 10, 1), 30)
    outputs = {}
    for address in ("local", "local?delegate=none", "local?kernels=reference", "local?threads=2"):
        with open_device(address).open(kws, CompileOptions()) as session:
            (outputs[address],) = session.run(batch)
            (again,) = session.run([batch[0][3:4]])
            assert np.array_equal(again[0], outputs[address][3])
    reference = outputs["local?kernels=reference"].astype(int)
    assert reference.shape == (30, 1, 12)
    # XNNPACK rounds otherwise: a few outputs differ, none by much.
    assert 0 < np.abs(outputs["local"] - reference).max() <= 32
    assert np.array_equal(outputs["local"], outputs["local?threads=2"])


def test_trace_ends_in_the_output(models):
    kws = models / "kws_int8.tflite"
    batch = _batch((1, 49, 10, 1), 1)
    for address in ("local", "local?kernels=reference"):
        with open_device(address).open(kws, CompileOptions()) as session:
            trace = session.trace([batch[0][0]])
            (output,) = session.run(batch)
        assert len(trace) == 13
        assert np.array_equal(list(trace.values())[-1], output[0])


def test_profile(models):
    with open_device("local").open(models / "ad01_int8.tflite", CompileOptions()) as session:
        found = session.profile(ProfileOptions(seconds=0.2))
        assert found.latency_us.n == len(found.samples_us) > 10
        assert found.latency_us.min <= found.latency_us.p50 <= found.latency_us.p99
        assert 10e6 < found.memory_bytes.peak_rss < 1e9
        runs = session.profile(ProfileOptions(runs=7, warmup=3))
        assert (runs.latency_us.n, runs.latency_us.warmup) == (7, 4)
        assert runs.output_sha256 == found.output_sha256
    assert [op.index for op in found.ops] == list(range(10))
    assert abs(sum(op.share for op in found.ops) - 1) < 1e-6


@pytest.mark.parametrize(
    "inputs",
    [
        [],
        [np.zeros((1, 640), np.uint8)],
        [np.zeros((1, 1, 639), np.int8)],
        [np.zeros((1, 640), np.int8)],
    ],
)
def test_unfitting_inputs(models, inputs):
    with (
        open_device("local").open(models / "ad01_int8.tflite", CompileOptions()) as session,
        pytest.raises(EdgeqError),
    ):
        session.run(inputs)


def test_no_model(tmp_path):
    (tmp_path / "bad.tflite").write_bytes(b"nonsense")
    for name in ("bad.tflite", "missing.tflite"):
        with pytest.raises(EdgeqError):
            open_device("local").open(tmp_path / name, CompileOptions())


@pytest.mark.parametrize(
    "address",
    [
        "local?delegate=gpu",
        "local?threads=0",
        "local?speed=1",
        "tflm?threads=2",
        "ftp:x",
        "sim:z80",
    ],
)
def test_unknown_addresses_and_options(address):
    with pytest.raises(UsageError):
        open_device(address)
