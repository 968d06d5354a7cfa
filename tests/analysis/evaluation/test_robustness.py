"""Disturbed inputs, float against integer."""

import numpy as np
import pytest

from edgeq.analysis.evaluation.comparison import calibration_error, compare_classifiers
from edgeq.analysis.evaluation.robustness import DISTURBANCES, robustness
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from edgeq.metrics.base import Samples
from tests.oracle.build import TensorSpec, single_op

SAMPLES = "str_ww_calibration_samples.npz:specs,labels"


def test_float_against_integer(models):
    pytest.importorskip("tensorflow")
    found = robustness(
        models / "sww_int8.tflite",
        data=str(models / SAMPLES),
        against=models / "str_ww_ref_model.h5",
        limit=15,
    )
    assert found.n == 15
    assert [row.disturbance for row in found.rows] == [
        "none",
        *(name for name, _, _ in DISTURBANCES),
    ]
    assert all(row.comparison.agreement > 0.8 for row in found.rows)
    assert found.rows[0].integer >= found.rows[-1].integer


def test_command(cli, models, tmp_path):
    arguments = ("evaluate", models / "sww_int8.tflite", "--data", models / SAMPLES)
    done = cli(*arguments, "--robustness", "--limit", "6", "--json")
    assert done.code == 0, done.err
    assert len(done.json["robustness"]) == 1 + len(DISTURBANCES)
    assert done.json["robustness"][0]["real"] is None
    file = tmp_path / "found.json"
    file.write_text(done.out)
    refused = cli("compare", file, file)
    assert (refused.code, "robustness has found is not compared" in refused.err) == (1, True)
    refused = cli("report", file, "-o", tmp_path / "x.html")
    assert (refused.code, "no place yet for what evaluate --robustness" in refused.err) == (1, True)
    assert "dropped" in cli(*arguments, "--robustness", "--limit", "6").out


def test_data_in_integers_is_refused(models):
    with pytest.raises(EdgeqError, match="real numbers"):
        robustness(
            models / "sww_int8.tflite",
            data=(np.zeros((4, 30, 1, 40), np.int8), np.zeros(4, int)),
        )


def test_every_pass_begins_in_the_initial_state(tmp_path):
    """A filter whose last state would be the next disturbance's first."""
    x, y = TensorSpec((1, 2), "float32"), TensorSpec((1, 2), "float32")
    weights = {"data": np.eye(2, dtype=np.float32)}
    state = TensorSpec((1, 2 * 40), "float32", variable=True)
    time = TensorSpec((2, 40), "float32", data=np.ones((2, 40), np.float32))
    bias = TensorSpec((2,), "float32", data=np.zeros(2, np.float32))
    parts = [x, TensorSpec((2, 2), "float32", **weights), time, bias, state]
    path = tmp_path / "filter.tflite"
    path.write_bytes(single_op("SVDF", parts, [y], {"rank": 1}, version=3))
    data = np.random.default_rng(0).normal(0, 1, (60, 2)).astype(np.float32)
    with open_device("local").open(path, CompileOptions()) as session:
        sums = session.run([1.25 * data[:, None]])[0][:, 0]
    found = robustness(path, data=(data, sums), metric="regression")
    (row,) = (row for row in found.rows if (row.disturbance, row.level) == ("scaling", 1.25))
    assert row.integer < 1e-5


def test_warnings_of_the_data_are_told(tmp_path):
    x = TensorSpec((1, 2), "int8", scale=1 / 128)
    path = tmp_path / "same.tflite"
    path.write_bytes(single_op("MAXIMUM", [x, x], [x]))
    data = np.random.default_rng(0).normal(0, 3, (50, 2)).astype(np.float32)
    found = robustness(path, data=(data, np.arange(50) % 2))
    assert any("lie outside" in warning for warning in found.warnings)


def test_another_model_to_compare_with_is_refused(models):
    with pytest.raises(EdgeqError, match="inputs of the float model"):
        robustness(
            models / "sww_int8.tflite",
            data=str(models / SAMPLES),
            against=models / "kws_int8.tflite",
            limit=2,
        )


def test_options_that_do_not_go_together(cli, models):
    arguments = ("evaluate", models / "sww_int8.tflite", "--data", models / SAMPLES)
    assert cli(*arguments, "--robustness", "--also-on", "c").code == 2


def samples(scores, labels):
    return Samples([np.asarray(scores, np.float32)], np.asarray(labels), np.empty(0))


def test_agreement_and_recall_drop():
    real = samples([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1])
    integer = samples([[1, 0], [0, 1], [0, 1], [0, 1]], [0, 0, 1, 1])
    found = compare_classifiers(real, integer)
    assert found.agreement == 0.75
    assert found.recall_drop == (0.5, 0.0)


def test_calibration_error_by_hand():
    # Sure of 0.9 and right half of the time; sure of 0.6 and always right.
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    assert calibration_error(scores, np.array([0, 1, 0, 0])) == pytest.approx(0.4)


def test_the_confidence_of_logits_is_their_softmax_s():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    labels = np.array([0, 0, 0])
    wanted = calibration_error(probabilities, labels)
    assert calibration_error(np.log(probabilities) + 7, labels) == pytest.approx(wanted)
