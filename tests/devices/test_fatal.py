"""A kernel that would end the process is met by an error, not by the end of edgeq."""

import importlib.util

import numpy as np
import pytest

import edgeq
from edgeq.devices.oracle import SECOND_ORACLE
from edgeq.errors import EdgeqError
from tests.oracle.build import TensorSpec, single_op
from tests.tools import need


def softmax(path, scale, width):
    """A .tflite of one int8 SOFTMAX."""
    path.write_bytes(
        single_op(
            "SOFTMAX",
            [TensorSpec((1, width), "int8", scale)],
            [TensorSpec((1, width), "int8", 1 / 256, -128)],
            {"beta": 1.0},
        )
    )
    return path


@pytest.mark.parametrize("address", ["tflm", SECOND_ORACLE])
@pytest.mark.parametrize(("scale", "width"), [(1e-9, 10), (1e-4, 600)])
def test_a_softmax_that_hardly_varies_is_refused(tmp_path, address, scale, width):
    need(importlib.util.find_spec("tflite_micro") is not None, "tflite-micro")
    path = softmax(tmp_path / "m.tflite", scale, width)
    with pytest.raises(EdgeqError, match=r"ends the process on this model: .*SOFTMAX"):
        edgeq.run(path, on=address, inputs=np.zeros((2, 1, width), np.int8))


@pytest.mark.parametrize("address", ["tflm", SECOND_ORACLE])
def test_a_wide_softmax_of_unlike_values_runs(tmp_path, address):
    need(importlib.util.find_spec("tflite_micro") is not None, "tflite-micro")
    path = softmax(tmp_path / "m.tflite", 0.1, 600)
    values = np.random.default_rng(0).integers(-128, 128, (2, 1, 600)).astype(np.int8)
    outputs = [edgeq.run(path, on=on, inputs=values) for on in (address, "c")]
    assert (np.asarray(outputs[0]) == np.asarray(outputs[1])).all()
