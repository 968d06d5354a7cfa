"""Error per layer."""

import numpy as np
import pytest

import edgeq
from edgeq.analysis.evaluation.layers import layer_errors
from edgeq.analysis.models import as_tflite


@pytest.fixture
def pair(models, tmp_path):
    """A float .tflite, and the int8 one that edgeq makes of it."""
    pytest.importorskip("tensorflow")
    with np.load(models / "str_ww_calibration_samples.npz") as file:
        samples = file["specs"]
    with as_tflite(models / "str_ww_ref_model.h5") as real:
        integer = tmp_path / "integer.tflite"
        edgeq.convert(real, data=samples, output=integer)
        yield real, integer, samples


def test_every_layer_has_its_error(pair):
    real, integer, samples = pair
    found = layer_errors(real, integer, [[sample] for sample in samples[:3]])
    graph = edgeq.read_graph(integer)
    assert [layer.index for layer in found] == [op.index for op in graph.main.ops]
    assert all(layer.sqnr_db > 20 for layer in found)
    assert all(layer.cosine > 0.99 for layer in found)
    assert all(0 < layer.range_use <= 1 for layer in found)


def test_inputs_out_of_range_show_as_saturation(pair):
    real, integer, samples = pair
    usual = layer_errors(real, integer, [[samples[0]]])
    loud = layer_errors(real, integer, [[samples[0] * 20]])
    assert loud[0].saturated > usual[0].saturated
    assert loud[0].sqnr_db < usual[0].sqnr_db - 10
