"""`edgeq evaluate`: figures others have published for the same model and data."""

import json

import numpy as np
import pytest

import edgeq
from edgeq.analysis.evaluation.evaluate import _same_outputs
from edgeq.conversion.float_model import float_model
from edgeq.errors import EdgeqError, UsageError
from edgeq.metrics.base import Samples
from edgeq.metrics.outputs import Outputs
from edgeq.model.model_file import read_graph
from tests.oracle.build import TensorSpec, single_op

SAMPLES = "str_ww_calibration_samples.npz:specs,labels"


@pytest.mark.parametrize("on", ["local", "tflm", "local?kernels=reference"])
def test_the_streaming_wake_word_model_gets_41_of_45_right(cli, models, on):
    if on == "tflm":
        pytest.importorskip("tflite_micro")
    done = cli(
        "evaluate", models / "sww_int8.tflite", "--data", models / SAMPLES, "--on", on, "--json"
    )
    assert done.code == 0, done.err
    found = done.json
    assert (found["n"], found["correct"]) == (45, 41)
    assert found["metric"] == "accuracy"
    assert found["accuracy"] == pytest.approx(41 / 45)
    assert np.sum(found["confusion"]) == 45
    assert np.trace(found["confusion"]) == 41


def test_the_table_for_people(cli, models):
    done = cli("evaluate", models / "sww_int8.tflite", "--data", models / SAMPLES)
    assert "accuracy 0.9111 on 45 samples" in done.out


def test_limit_spreads_over_the_set(models):
    found = edgeq.evaluate(models / "sww_int8.tflite", data=str(models / SAMPLES), limit=9)
    assert found.n == 9
    assert (np.asarray(found.score.details["confusion"]).sum(axis=1) == 3).all()


def test_raw_integers_are_taken_as_they_are(models):
    model = models / "sww_int8.tflite"
    with np.load(models / "str_ww_calibration_samples.npz") as file:
        real, labels = file["specs"], file["labels"]
    graph = edgeq.read_graph(model)
    tensor = graph.main.tensors[graph.main.inputs[0]]
    raw = np.clip(np.round(real / tensor.scale) + tensor.zero_point, -128, 127).astype(np.int8)
    assert edgeq.evaluate(model, data=(raw, labels)).score.details["correct"] == 41


def test_a_metric_of_the_user_s_own(cli, models, tmp_path):
    (tmp_path / "mine.py").write_text(
        "def margin(outputs, labels):\n"
        "    import numpy as np\n"
        "    top = np.sort(outputs, axis=1)\n"
        "    return {'margin': (top[:, -1] - top[:, -2]).mean(), 'count': len(labels)}\n"
    )
    arguments = ["evaluate", models / "sww_int8.tflite", "--data", models / SAMPLES, "--json"]
    done = cli(*arguments, "--metric", f"{tmp_path}/mine.py:margin")
    assert done.code == 0, done.err
    assert 0 < done.json["margin"] < 1
    assert done.json["count"] == 45


def test_a_metric_of_the_user_s_own_that_fails(cli, models, tmp_path):
    (tmp_path / "mine.py").write_text(
        "def broken(outputs, labels): return 1 / 0\n"
        "def empty(outputs, labels): return float('nan')\n"
        "def error(outputs, labels): return 0.25\n"
        "error.larger_is_better = False\n"
        "def huge(outputs, labels): return 10**400\n"
        "def gone(outputs, labels): raise SystemExit(0)\n"
        "def taken(outputs, labels): return {'f': 1.0, 'model': 2.0}\n"
        "import functools\n"
        "part = functools.partial(error)\n"
    )
    arguments = ["evaluate", models / "sww_int8.tflite", "--data", models / SAMPLES]
    broken = cli(*arguments, "--metric", f"{tmp_path}/mine.py:broken")
    assert broken.code == 1
    assert "ZeroDivisionError: division by zero" in broken.err
    assert "(45, 3)" in broken.err
    empty = cli(*arguments, "--metric", f"{tmp_path}/mine.py:empty", "--json")
    assert empty.code == 1
    assert "no finite number" in empty.err
    huge = cli(*arguments, "--metric", f"{tmp_path}/mine.py:huge")
    assert (huge.code, "a number that no float holds" in huge.err) == (1, True)
    taken = cli(*arguments, "--metric", f"{tmp_path}/mine.py:taken")
    assert (taken.code, "the metric returned 'model', which names" in taken.err) == (1, True)
    assert cli(*arguments, "--metric", f"{tmp_path}/mine.py:part", "--json").json["part"] == 0.25
    gone = cli(*arguments, "--metric", f"{tmp_path}/mine.py:gone")
    assert (gone.code, "The metric failed: SystemExit" in gone.err) == (1, True)
    found = edgeq.evaluate(
        models / "sww_int8.tflite", data=str(models / SAMPLES), metric=f"{tmp_path}/mine.py:error"
    )
    assert not found.score.larger_is_better


def test_class_numbers_are_no_segmentation(models):
    with pytest.raises(EdgeqError, match="one class number per pixel"):
        edgeq.evaluate(
            models / "sww_int8.tflite", data=str(models / SAMPLES), metric="segmentation"
        )


def test_values_that_overflow_float_saturate(models, recwarn):
    huge = np.full((3, 30, 1, 40), 3e38, np.float32)
    edgeq.evaluate(models / "sww_int8.tflite", data=(huge, np.zeros(3, int)))
    assert not [warning for warning in recwarn if warning.category is RuntimeWarning]


def test_an_autoencoder_s_anomaly_score(models):
    generator = np.random.default_rng(0)
    normal = np.full((20, 640), 0.1, np.float32)
    strange = generator.normal(0, 3, (20, 640)).astype(np.float32)
    found = edgeq.evaluate(
        models / "ad01_int8.tflite",
        data=(np.concatenate([normal, strange]), np.repeat([0, 1], 20)),
        metric="anomaly",
    )
    assert found.score.metric == "auc"
    assert found.score.value == 1.0


def test_what_does_not_fit_is_refused(models, tmp_path):
    model = models / "sww_int8.tflite"
    with pytest.raises(UsageError, match="no metric"):
        edgeq.evaluate(model, data=str(models / SAMPLES), metric="accuracies")
    with np.load(models / "str_ww_calibration_samples.npz") as file:
        real, labels = file["specs"], file["labels"]
    for data, words in (
        ((real, labels + 1), "1 to 3"),
        ((real[:, :4], labels), "shape"),
        ((real, labels[:5]), "same number of samples"),
        ((real[:0], labels[:0]), "empty"),
        ((np.where(real > 0.5, np.nan, real), labels), "NaN"),
    ):
        with pytest.raises(EdgeqError, match=words):
            edgeq.evaluate(model, data=data)


def test_answers_that_are_nan_are_refused_by_every_metric(tmp_path):
    keras = pytest.importorskip("keras")
    source = keras.Input((2,))
    path = tmp_path / "log.tflite"
    path.write_bytes(float_model(keras.Model(source, keras.ops.log(source))).data)
    inputs = np.full((6, 2), 0.5, np.float32)
    inputs[(2, 5), 0] = -1  # whose logarithm is NaN
    several = np.tile(np.float32([[0, 1], [1, 0]]), (3, 1))
    for metric, labels in (
        ("classification", several[:, 0].astype(int)),
        ("regression", inputs),
        ("anomaly", several[:, 0].astype(int)),
        ("multi-label", several),
        (f"{__file__}:largest", several),
    ):
        with pytest.raises(EdgeqError, match=r"2 of 6 samples with NaN .* first is sample 2"):
            edgeq.evaluate(path, data=(inputs, labels), metric=metric)
    found = edgeq.evaluate(path, data=(inputs[:2], np.log(inputs[:2])), metric="regression")
    assert found.score.value == pytest.approx(0, abs=1e-6)


def test_labels_of_a_model_that_gives_the_class_are_its_classes(tmp_path):
    keras = pytest.importorskip("keras")
    source = keras.Input((10,))
    path = tmp_path / "class.tflite"
    model = keras.Model(source, keras.layers.Softmax()(source))
    path.write_bytes(float_model(model, head="class").data)
    inputs = np.eye(10, dtype=np.float32)
    for labels in (np.arange(10), np.eye(10), np.array([f"kind {n}" for n in range(10)])):
        found = edgeq.evaluate(path, data=(inputs, labels))
        assert found.score.value == 1.0
        assert np.array_equal(found.score.details["confusion"], np.eye(10))
    for beyond in (10, 200_000, 2**40):
        labels = np.arange(10)
        labels[3] = beyond
        with pytest.raises(EdgeqError, match=f"to {beyond}; the model has the classes 0 to 9"):
            edgeq.evaluate(path, data=(inputs, labels))


def largest(outputs, labels):
    """A metric that takes NaN in its stride."""
    return np.nanmax(outputs)


def test_json_stays_json(cli, models):
    done = cli("evaluate", models / "sww_int8.tflite", "--data", models / SAMPLES, "--json")
    assert json.loads(done.out)["edgeq"] == edgeq.__version__


def test_a_keras_file_runs_as_float(models):
    pytest.importorskip("tensorflow")
    found = edgeq.evaluate(models / "str_ww_ref_model.h5", data=str(models / SAMPLES))
    assert found.score.details["correct"] == 41


def test_outputs_are_compared_with_another_device(cli, models):
    pytest.importorskip("tflite_micro")
    model = models / "kws_int8.tflite"
    data = f"{__file__}:noise"
    arguments = ("evaluate", model, "--data", data, "--on", "local", "--also-on", "tflm")
    done = cli(*arguments, "--json")
    assert done.code == 0, done.err
    same = done.json["also_on"]
    assert same["on"] == "tflm"
    assert same["equal"] <= same["same_class"] <= done.json["n"] == 40
    # XNNPACK's bytes are not TFLM's on this model, but never far away.
    assert 0 < same["max_difference"] < 0.1
    assert f"equal outputs on tflm: {same['equal']} of 40" in cli(*arguments).out
    exact = cli("evaluate", model, "--data", data, "--on", "c", "--also-on", "tflm", "--json")
    assert exact.json["also_on"]["equal"] == 40


def noise():
    """40 random inputs for the keyword model, with labels that mean nothing."""
    generator = np.random.default_rng(0)
    for number in range(40):
        yield generator.normal(-40, 40, (49, 10, 1)).astype(np.float32), number % 12


def test_one_number_has_a_class_on_each_side_of_its_border():
    """Of one number the largest is always the first: all were of one class."""
    labels = np.zeros(3, int)
    ours, theirs = (
        Samples([np.array(values)[:, None]], labels, labels, Outputs("probabilities", "said"))
        for values in ([0.4, 0.6, 0.9], [0.6, 0.6, 0.2])
    )
    assert _same_outputs(ours, theirs, "c", ours.first).same_class == 1
    assert _same_outputs(ours, theirs, "c", None).same_class is None


@pytest.mark.parametrize(("most", "told"), [(255, True), (1, False)])
def test_masks_of_0_and_255_are_told(tmp_path, most, told):
    """255 is no class: background alone would be counted."""
    x, y = TensorSpec((1, 2, 2, 1), "float32"), TensorSpec((1, 2, 2, 1), "float32")
    path = tmp_path / "mask.tflite"
    path.write_bytes(single_op("LOGISTIC", [x], [y]))
    inputs = np.float32([[[[-2], [2]], [[2], [-2]]]])
    found = edgeq.evaluate(
        path, data=(inputs, most * (inputs[..., 0] > 0).astype(np.uint8)), metric="segmentation"
    )
    assert any("want to be 0 and 1" in warning for warning in found.warnings) == told


def test_a_limit_leaves_the_beginning_of_a_stream(tmp_path):
    """Samples from all over it do not follow each other: the sums of a filter were others."""
    x, y = TensorSpec((1, 2), "float32"), TensorSpec((1, 2), "float32")
    weights = TensorSpec((2, 2), "float32", data=np.eye(2, dtype=np.float32))
    state = TensorSpec((1, 2 * 40), "float32", variable=True)
    time = TensorSpec((2, 40), "float32", data=np.ones((2, 40), np.float32))
    bias = TensorSpec((2,), "float32", data=np.zeros(2, np.float32))
    path = tmp_path / "filter.tflite"
    path.write_bytes(
        single_op("SVDF", [x, weights, time, bias, state], [y], {"rank": 1}, version=3)
    )
    assert read_graph(path).is_stream
    data = np.random.default_rng(0).normal(0, 1, (60, 2)).astype(np.float32)
    sums = np.stack([data[max(0, k - 39) : k + 1].sum(axis=0) for k in range(60)])
    found = edgeq.evaluate(path, data=(data, sums), metric="regression", limit=20)
    assert (found.n, found.score.value < 1e-5) == (20, True)
