"""The agent's model in an interpreter that is installed: which delegate really runs."""

import numpy as np
import pytest

from edgeq.devices.far.interpreter import Model
from tests.oracle.build import TensorSpec, single_op


def delegate_of(path, asked):
    return Model({"runtime": "ai_edge_litert", "model": str(path), "delegate": asked}).delegate


@pytest.mark.parametrize("asked", ["xnnpack", "none", "reference"])
def test_what_was_asked_for_runs(models, asked):
    assert delegate_of(models / "kws_int8.tflite", asked) == asked


def test_a_delegate_that_takes_no_op_is_not_reported(tmp_path):
    """XNNPACK has no CUMSUM of integers."""
    axis = TensorSpec((), "int32", data=np.array(0, np.int32), name="axis")
    model = tmp_path / "sum.tflite"
    model.write_bytes(
        single_op(
            "CUMSUM",
            [TensorSpec((8,), "int32", name="in"), axis],
            [TensorSpec((8,), "int32", name="out")],
        )
    )
    assert delegate_of(model, "xnnpack") == "none"
