import importlib.util
import json
import zlib

import numpy as np
import pytest

from edgeq.boards.runtimes.check import check_newest
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.interpreters import micro_interpreter
from edgeq.devices.oracle import open_oracle
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from edgeq.model.inputs import xorshift_input
from edgeq.model.model_file import read_graph
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.tools import need


@pytest.fixture(autouse=True)
def _package():
    need(importlib.util.find_spec("tflite_micro"), "the tflite-micro package")


def test_published_output_bytes(int8_model, shared):
    """The bytes that TFLM and CMSIS-NN gave on an emulated Cortex-M4."""
    published = json.loads((shared / "bench" / "tflm_cortex_m.json").read_text())
    figures = published["configs"]["cortex-m4/cmsis-nn"][int8_model.stem]
    with open_device("tflm").open(int8_model, CompileOptions()) as session:
        shape = session._inputs[0].shape
        batch = np.stack([xorshift_input(shape, "int8", i) for i in range(8)])
        (outputs,) = session.run([batch])
    assert f"{zlib.crc32(outputs.tobytes()):08x}" == figures["output_crc32_8_inputs"]


def test_trace_and_profile(models):
    with open_device("tflm").open(models / "kws_int8.tflite", CompileOptions()) as session:
        sample = xorshift_input((1, 49, 10, 1), "int8")
        trace = session.trace([sample])
        (output,) = session.run([sample[np.newaxis]])
        assert np.array_equal(list(trace.values())[-1], output[0])
        found = session.profile(ProfileOptions(runs=3, warmup=1))
    assert 16_000 < found.memory_bytes.arena < 40_000
    assert found.memory_bytes.peak_rss > 10e6


def test_an_arena_of_more_than_32_bits(models):
    """A file of 215 MB asks for it; the package ends the process then, without a word."""
    interpreter = micro_interpreter((models / "ad01_int8.tflite").read_bytes(), arena_bytes=3 << 30)
    interpreter.set_input(np.zeros((1, 640), np.int8), 0)
    interpreter.invoke()
    assert interpreter.get_output(0).shape == (1, 640)


def scaled_by_channel(path):
    """What weight-only schemes make: int8 weights with a scale for each channel, dequantized."""
    scales = [0.1, 0.2, 0.3, 0.4]
    weights = np.array([[1, 2, 3, 4]], np.int8)
    tensors = [
        TensorSpec((1, 4), "float32", name="x"),
        TensorSpec((1, 4), "int8", scales, [0] * 4, data=weights, axis=1),
        TensorSpec((1, 4), "float32", name="w"),
        TensorSpec((1, 4), "float32", name="y"),
    ]
    ops = [OpSpec("DEQUANTIZE", [1], [2]), OpSpec("MUL", [0, 2], [3])]
    path.write_bytes(build([SubgraphSpec(tensors, ops, [0], [3])]))
    return path, (weights * np.array(scales)).astype(np.float32)


def test_scales_that_its_kernels_do_not_read_are_refused(tmp_path, monkeypatch, cli):
    path, exact = scaled_by_channel(tmp_path / "m.tflite")
    x = np.ones((1, 1, 4), np.float32)
    # LiteRT and generated C have them; TensorFlow Lite Micro has the first one's for all.
    for address in ("local?kernels=reference", "c"):
        with open_device(address).open(path, CompileOptions()) as session:
            np.testing.assert_allclose(session.run([x])[0][0], exact, rtol=1e-6)
    with pytest.raises(EdgeqError, match="would give wrong results") as caught:
        open_device("tflm").open(path, CompileOptions())
    assert "op 0 DEQUANTIZE" in caught.value.where
    assert "one scale for all channels" in check_newest(read_graph(path), "tflm")[0]
    done = cli("compile", path, "-o", tmp_path / "fw", "--runtime", "tflm")
    assert (done.code, (tmp_path / "fw").exists()) == (1, False)
    # The oracle gives each op to the runtime that has it.
    address, session = open_oracle(path)
    with session:
        assert address == "tflm+local?kernels=reference"
        np.testing.assert_allclose(session.run([x])[0][0], exact, rtol=1e-6)
    # As long as that is so.
    monkeypatch.setattr("edgeq.devices.tflm.refuse_wrong", lambda _: None)
    with open_device("tflm").open(path, CompileOptions()) as session:
        assert not np.allclose(session.run([x])[0][0], exact, rtol=0.1)
