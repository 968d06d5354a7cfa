import json
import zlib

import numpy as np

from edgeq.devices.base import CompileOptions, ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.inputs import xorshift_input


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
