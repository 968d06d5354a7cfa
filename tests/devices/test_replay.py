"""Recordings on devices that make calls: the answers and events of this machine."""

import importlib.util
import shutil

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.recordings import events_of
from edgeq.devices.registry import open_device
from edgeq.devices.replay import calls_of, heard_of, input_spec, output_spec
from edgeq.devices.tensors import TensorSpec
from edgeq.frontend.build import front_end
from edgeq.model.decision import Rules
from edgeq.model.stream import Stream
from tests.frontend.signals import recording
from tests.oracle.build import TensorSpec as Described
from tests.oracle.build import single_op
from tests.tools import need

EARS = {
    "kind": "log-mel", "num_mel_bins": 3, "frame_step": 320, "stride": 1, "precision": "int16",
    "decision": {"threshold": 2, "full_scale": 30, "average_ms": 60, "top_k": 12,
                 "refractory_ms": 300, "suppression_ms": 40},
}  # fmt: skip


def passing(tmp_path, frames=4, bands=3):
    """A model that gives back the last four frames."""
    x, y = (Described((1, frames, bands), "int8", scale=0.2, zero_point=20) for _ in range(2))
    path = tmp_path / "same.tflite"
    path.write_bytes(single_op("MAXIMUM", [x, x], [y]))
    return path


def hear(address, path, front, sound, chunk=None):
    with open_device(address).open(path, CompileOptions(frontend=front)) as session:
        return session.hear(sound, chunk)


@pytest.mark.parametrize("cpu", ["cortex-m4", "rv32imc"])
def test_qemu(tmp_path, cpu):
    program = "qemu-system-riscv32" if cpu == "rv32imc" else "qemu-system-arm"
    need(shutil.which(program), program)
    path, front, sound = passing(tmp_path), front_end(EARS), recording(3, seed=2)
    here = hear("c", path, front, sound)
    assert len({event.label for event in here.events}) > 2
    for chunk in (None, 7):
        part = sound if chunk is None else sound[:8000]
        there = hear(f"qemu:{cpu}", path, front, part, chunk)
        np.testing.assert_array_equal(there.answers[0], here.answers[0][: len(there.answers[0])])
        until = len(part)
        assert there.events == tuple(event for event in here.events if event.decided <= until)


def test_webassembly(tmp_path):
    need(importlib.util.find_spec("wasmtime"), "wasmtime")
    path, front, sound = passing(tmp_path), front_end(EARS), recording(3, seed=2)
    here, there = (hear(address, path, front, sound, 777) for address in ("c", "wasm:"))
    np.testing.assert_array_equal(there.answers[0], here.answers[0])
    assert there.events == here.events != ()


def test_calls_and_what_they_give():
    rules = Rules(("a", "b"), (1, 1), (1, 1), 1, 1, 0, 0, 1, 2, 10, 6)
    stream = Stream("s", 16000, 10, 6, decision=rules)
    outputs = [TensorSpec("y", (1, 3), "int8")]
    calls = calls_of(np.arange(1, 15, dtype=np.int16), stream)
    assert calls.shape == (3, input_spec(stream).bytes)
    heads = np.ascontiguousarray(calls[:, :4]).view(np.uint32)[:, 0]
    assert heads.tolist() == [(1 << 31) + 6, 6, 2]
    assert calls[1, 4:16].view(np.int16).tolist() == [7, 8, 9, 10, 11, 12]
    results = np.zeros((3, output_spec(stream, outputs).bytes), np.uint8)
    results[1, :4] = 1, 0, 0, 0
    results[1, 4] = 1
    results[1, 8:20] = np.array([1, 300, 10], np.uint32).view(np.uint8)
    results[1, 32:35] = 7, 8, 9
    heard = heard_of(results, 14, stream, outputs)
    assert heard.answers[0].tolist() == [[[7, 8, 9]]]
    assert heard.events == events_of(np.array([[1, 300, 10, 0]], np.uint32), stream)
    assert (heard.events[0].score, heard.events[0].decided) == (300, 10)


def test_webassembly_measures_all_of_an_answer(tmp_path):
    need(importlib.util.find_spec("wasmtime"), "wasmtime")
    options = CompileOptions(frontend=front_end({**EARS, "stride": 3}))
    with open_device("wasm:").open(passing(tmp_path), options) as session:
        found = session.profile(ProfileOptions(runs=3, warmup=1))
    took = {op.op: op.us for op in found.ops}
    assert took["FRONTEND_FFT"] > 0
    assert took["MAXIMUM"] > 0  # it runs for every third frame


def test_qemu_counts_the_stages(tmp_path):
    need(shutil.which("qemu-system-arm"), "qemu-system-arm")
    options = CompileOptions(frontend=front_end(EARS))
    with open_device("qemu:cortex-m4").open(passing(tmp_path), options) as session:
        found = session.profile(ProfileOptions())
    assert {op.op for op in found.ops} >= {"FRONTEND_FFT", "FRONTEND_DECISION"}
