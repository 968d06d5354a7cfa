import json
import os
import subprocess
import sys
import tempfile
import zlib

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.generated import generate
from edgeq.devices.host_c import HostSession, host_target
from edgeq.devices.registry import open_device
from edgeq.model.inputs import xorshift_input
from tests.devices.tiny import tiny_model
from tests.sanitized import run_sanitized


def _shape(session):
    return session._inputs[0].shape


def test_published_output_bytes(int8_model, shared):
    """The bytes that TFLM and CMSIS-NN gave on an emulated Cortex-M4."""
    published = json.loads((shared / "bench" / "tflm_cortex_m.json").read_text())
    figures = published["configs"]["cortex-m4/cmsis-nn"][int8_model.stem]
    with open_device("c").open(int8_model, CompileOptions()) as session:
        batch = np.stack([xorshift_input(_shape(session), "int8", i) for i in range(8)])
        (outputs,) = session.run([batch])
        (again,) = session.run([batch])
    assert f"{zlib.crc32(outputs.tobytes()):08x}" == figures["output_crc32_8_inputs"]
    assert np.array_equal(outputs, again)


def test_trace_equals_tflm(models):
    kws = models / "kws_int8.tflite"
    sample = xorshift_input((1, 49, 10, 1), "int8", 5)
    with open_device("c").open(kws, CompileOptions()) as session:
        trace = session.trace([sample])
        assert session.trace([sample]).keys() == trace.keys()
    with open_device("tflm").open(kws, CompileOptions()) as session:
        expected = session.trace([sample])
    assert len(trace) >= 10
    for tensor, value in trace.items():
        assert np.array_equal(value, expected[tensor]), tensor


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps files that are in use")
def test_a_process_that_is_killed_leaves_no_files(models, tmp_path, monkeypatch):
    """Ctrl-C in a model that never ends left model.so behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with open_device("c").open(models / "ad01_int8.tflite", CompileOptions()) as session:
        session.run([xorshift_input((1, 640), "int8", 0)[np.newaxis]])
        session.trace([xorshift_input((1, 640), "int8", 0)])
        assert not list(tmp_path.iterdir())


def test_sessions_do_not_share_memory(models):
    ad01 = models / "ad01_int8.tflite"
    first = xorshift_input((1, 640), "int8", 0)[np.newaxis]
    with (
        open_device("c").open(ad01, CompileOptions()) as one,
        open_device("c").open(ad01, CompileOptions()) as two,
    ):
        assert one._library.code.model_input() != two._library.code.model_input()
        assert np.array_equal(one.run([first])[0], two.run([first])[0])


def test_profile(models):
    with open_device("c").open(models / "kws_int8.tflite", CompileOptions()) as session:
        found = session.profile(ProfileOptions(seconds=0.2))
    assert found.latency_us.n > 5
    assert found.memory_bytes.arena > 8000
    assert [op.index for op in found.ops] == list(range(13))
    assert abs(sum(op.share for op in found.ops) - 1) < 1e-6


def test_clean_under_sanitizers(int8_model):
    sources = generate(int8_model, host_target(), CompileOptions())
    with open_device("c").open(int8_model, CompileOptions()) as session:
        shape = _shape(session)
        batch = np.stack(
            [
                xorshift_input(shape, "int8"),
                np.full(shape, -128, np.int8),
                np.full(shape, 127, np.int8),
            ]
        )
        expected = session.run([batch])
    for found, wanted in zip(run_sanitized(sources, [batch]), expected, strict=True):
        assert np.array_equal(found, wanted)


def test_sanitizers_see_what_they_should():
    overrun = tiny_model("for (volatile int i = 0; i < 100; i++) { at(0)[i + 1] = 0; }")
    values = np.zeros((1, 1, 16), np.int8)
    with pytest.raises(AssertionError, match=r"global-buffer-overflow|runtime error"):
        run_sanitized(overrun, [values])
    assert np.array_equal(run_sanitized(tiny_model(), [values])[0], values + 1)


def test_calls_are_a_stream_until_reset():
    values = np.arange(32, dtype=np.int8).reshape(2, 1, 16)
    halves = (values / 2).astype(np.int8)
    with HostSession("c", tiny_model()) as session:
        (two,) = session.run([values])
        session.profile(ProfileOptions(runs=3))
        (third,) = session.run([values[:1]])
        session.reset()
        (anew,) = session.run([values[:1]])
        trace = session.trace([values[1]])
    assert np.array_equal(two, halves + np.int8([[[1]], [[2]]]))
    assert np.array_equal(third[0], halves[0] + 3)
    assert np.array_equal(anew[0], halves[0] + 1)
    assert np.array_equal(trace[1], halves[1])
    assert np.array_equal(trace[2], halves[1] + 1)


def test_zig_builds_it_too(monkeypatch):
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", "zig")
    values = np.arange(16, dtype=np.int8).reshape(1, 1, 16)
    with HostSession("c", tiny_model()) as session:
        assert np.array_equal(session.run([values])[0], (values / 2).astype(np.int8) + 1)


def test_a_copy_that_does_not_fit_is_not_left(tmp_path, models):
    """A file system that is full, as a limit on the size of files is: half a library stayed."""
    resource = pytest.importorskip("resource")
    model = models / "ad01_int8.tflite"
    np.save(tmp_path / "x.npy", np.zeros((1, 640), np.int8))
    command = [sys.executable, "-m", "edgeq", "run", model, "--on", "c"]
    command += ["--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy"]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()

    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    with open_device("c").open(model, CompileOptions()):
        pass  # its library is built
    done = subprocess.run(
        command, env=environment, preexec_fn=small, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert not list((tmp_path / "tmp").iterdir())
