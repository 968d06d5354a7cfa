"""`wasm:`: the bytes of TensorFlow Lite Micro in a WebAssembly engine."""

import subprocess
import sys

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import MissingDependency, UsageError
from edgeq.frontend.build import front_end
from edgeq.model.inputs import xorshift_input
from tests.frontend.signals import recording
from tests.frontend.test_push import model
from tests.oracle.build import TensorSpec, single_op
from tests.tools import need


@pytest.fixture(scope="module", autouse=True)
def _engine():
    try:
        import wasmtime  # noqa: F401
    except ImportError:
        need(False, "wasmtime (pip install 'edgeq[wasm]')")


def test_bytes_are_those_of_tflm(cli, int8_model):
    done = cli("verify", int8_model, "--on", "wasm:", "--against", "tflm", "-n", 10, "--json")
    assert done.code == 0, done.err
    assert done.json["equal"] is True


def test_bytes_without_vectors_are_the_same(cli, models):
    kws = models / "kws_int8.tflite"
    done = cli("verify", kws, "--on", "wasm:?simd=off", "--against", "tflm", "-n", 10)
    assert done.code == 0, done.err


def test_trace_equals_tflm(models):
    kws = models / "kws_int8.tflite"
    sample = xorshift_input((1, 49, 10, 1), "int8", 5)
    with open_device("wasm:").open(kws, CompileOptions()) as session:
        trace = session.trace([sample])
    with open_device("tflm").open(kws, CompileOptions()) as session:
        expected = session.trace([sample])
    assert len(trace) >= 10
    for tensor, value in trace.items():
        assert np.array_equal(value, expected[tensor]), tensor


def test_profile(models):
    with open_device("wasm:").open(models / "kws_int8.tflite", CompileOptions()) as session:
        found = session.profile(ProfileOptions(seconds=0.2))
    with open_device("c").open(models / "kws_int8.tflite", CompileOptions()) as session:
        native = session.profile(ProfileOptions(seconds=0.1, ops=False))
    assert found.output_sha256 == native.output_sha256
    assert found.latency_us.n > 5
    assert found.device["target"] == "wasm32"
    assert [op.index for op in found.ops] == list(range(13))
    # The ops' own clock and the clock around the whole call are two; they tell the same story.
    assert 0 < sum(op.us for op in found.ops) < 3 * found.latency_us.max
    assert max(found.ops, key=lambda op: op.share).op in ("CONV_2D", "DEPTHWISE_CONV_2D")


def test_more_calls_than_go_through_memory_at_once(models, monkeypatch):
    monkeypatch.setattr("edgeq.devices.wasm._BATCH_BYTES", 10_000)
    ad01 = models / "ad01_int8.tflite"
    batch = np.stack([xorshift_input((1, 640), "int8", k) for k in range(40)])
    with open_device("wasm:").open(ad01, CompileOptions()) as session:
        (found,) = session.run([batch])
    with open_device("c").open(ad01, CompileOptions()) as session:
        (expected,) = session.run([batch])
    np.testing.assert_array_equal(found, expected)


def test_recordings_go_through_the_front_end(tmp_path):
    sound = recording(1, seed=3)
    options = CompileOptions(frontend=front_end({"kind": "micro", "frame_step": 320}))
    answers = []
    for address in ("wasm:", "c"):
        with open_device(address).open(model(tmp_path), options) as session:
            (found,) = session.stream(sound, 777)
            answers.append(found)
    assert len(answers[0]) > 10
    np.testing.assert_array_equal(*answers)


def test_events_are_those_of_the_c_here(tmp_path):
    decision = {"labels": [f"w{k}" for k in range(40)], "threshold": 0.004, "average_ms": 60}
    described = {"kind": "log-mel", "frame_step": 320, "log": "none", "power": 1}
    front = front_end({**described, "precision": "int16", "decision": decision})
    x = TensorSpec((1, 1, 40), "int8", scale=0.1, zero_point=3)
    path = tmp_path / "scores.tflite"
    path.write_bytes(single_op("SOFTMAX", [x], [
        TensorSpec((1, 1, 40), "int8", scale=1 / 256, zero_point=-128)
    ], {"beta": 1.0}))  # fmt: skip
    heard = []
    for address in ("wasm:", "c"):
        with open_device(address).open(path, CompileOptions(frontend=front)) as session:
            heard.append(session.hear(recording(2, seed=5)))
    assert heard[0].events
    assert heard[0].events == heard[1].events


@pytest.mark.slow  # the first time a C library is built
def test_float_ops_call_the_c_library(tmp_path):
    path = tmp_path / "tanh.tflite"
    x = TensorSpec((1, 9), "float32")
    path.write_bytes(single_op("TANH", [x], [TensorSpec((1, 9), "float32")]))
    values = np.linspace(-4, 4, 9, dtype=np.float32).reshape(1, 1, 9)
    with open_device("wasm:").open(path, CompileOptions()) as session:
        (found,) = session.run([values])
    np.testing.assert_allclose(found, np.tanh(values), rtol=1e-5)


def test_options_of_the_address(models):
    for address in ("wasm:?simd=maybe", "wasm:?threads=2", "wasm:v8"):
        with pytest.raises(UsageError):
            open_device(address)
    assert open_device("wasm").address == "wasm"


def test_what_is_missing_is_named(models, monkeypatch):
    kws = models / "kws_int8.tflite"
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", "gcc")
    with pytest.raises(MissingDependency, match="ziglang package is not installed"):
        open_device("wasm:").open(kws, CompileOptions())
    monkeypatch.delenv("EDGEQ_TOOLCHAIN")
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    with pytest.raises(MissingDependency, match="wasmtime is not installed") as caught:
        open_device("wasm:").open(kws, CompileOptions())
    assert caught.value.hint == "pip install 'edgeq[wasm]'"


def test_an_engine_without_room_is_an_error_in_one_line(models):
    """wasmtime reserves four gigabytes of addresses for a module's memory."""
    script = f"ulimit -v 6000000; exec {sys.executable} -m edgeq profile {{}} --on wasm: --no-ops"
    done = subprocess.run(
        ["sh", "-c", script.format(models / "ad01_int8.tflite")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "The WebAssembly engine does not start" in done.stderr
