import importlib.util
import json
import zlib

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.interpreters import micro_interpreter
from edgeq.devices.registry import open_device
from edgeq.model.inputs import xorshift_input
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
