"""What `profile` measures of a model with a front end: an answer, the same one everywhere."""

import shutil

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edgeq.compiler.options import CompileOptions
from edgeq.devices import host_c, local
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.devices.tensors import digest, profile_inputs
from edgeq.devices.timing import measure_latency
from edgeq.frontend.build import front_end
from tests.frontend.test_push import model
from tests.tools import need

_MFCC = {"kind": "mfcc", "num_mel_bins": 40, "num_mfccs": 10, "precision": "int16",
         "upper_edge_hertz": 4000, "frame_step": 320}  # fmt: skip


def _profile(path, address, front=None):
    options = CompileOptions(frontend=front)
    with open_device(address).open(path, options) as session:
        return session.profile(ProfileOptions(runs=2, warmup=0))


def test_emulators_measure_the_call_that_ends_in_an_answer(models):
    need(shutil.which("qemu-system-arm"), "qemu-system-arm")
    front = front_end({**_MFCC, "stride": 5})
    here, there = (
        _profile(models / "kws_int8.tflite", address, front)
        for address in ("sim:cortex-m4", "qemu:cortex-m4")
    )
    assert there.instructions == here.instructions > 2_000_000
    assert there.memory_bytes == here.memory_bytes
    assert [op.instructions for op in there.ops] == [op.instructions for op in here.ops]
    assert there.output_sha256 == here.output_sha256


@pytest.mark.parametrize("stride", [3, 4])
def test_every_device_tells_the_bytes_of_the_first_answer(tmp_path, stride):
    pytest.importorskip("wasmtime")
    front = front_end({"kind": "log-mel", "precision": "int16", "stride": stride})
    path = model(tmp_path)
    found = {each: _profile(path, each, front) for each in ("c", "wasm:", "sim:cortex-m4")}
    with open_device("c").open(path, CompileOptions(frontend=front)) as session:
        fed = [np.repeat(v[None], 4, axis=0) for v in profile_inputs(session._inputs, 0)]
        answer = session.run(fed)[0][3:]
    assert len(np.unique(answer)) > 5
    assert {each.output_sha256 for each in found.values()} == {digest([answer])}


def test_the_stack_here_is_that_of_a_call_with_an_answer(models):
    path = models / "kws_int8.tflite"
    plain = _profile(path, "c").memory_bytes.stack
    assert _profile(path, "c", front_end(_MFCC)).memory_bytes.stack >= plain - 64


def test_the_first_call_that_is_timed_is_the_first_one_here(models, monkeypatch):
    """Pages of weights and arena are touched then, and kernels prepared."""
    made, called = [], host_c._Batch.__call__

    def timed(call, options):
        assert call not in made
        return measure_latency(call, options)

    monkeypatch.setattr(
        host_c._Batch, "__call__", lambda self: (made.append(self), called(self))[1]
    )
    monkeypatch.setattr(host_c, "measure_latency", timed)
    assert _profile(models / "kws_int8.tflite", "c").latency_us.n == 2
    assert made


def test_the_first_call_that_is_timed_is_the_first_one_of_litert(models, monkeypatch):
    made, invoke = [], Interpreter.invoke

    def timed(call, options):
        assert call.__self__ not in made
        return measure_latency(call, options)

    monkeypatch.setattr(Interpreter, "invoke", lambda self: (made.append(self), invoke(self))[1])
    monkeypatch.setattr(local, "measure_latency", timed)
    assert _profile(models / "kws_int8.tflite", "local").latency_us.n == 2
    assert made
