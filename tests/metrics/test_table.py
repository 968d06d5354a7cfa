"""Metrics, against scikit-learn where it has them and by hand where it does not."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import EdgeqError
from edgeq.metrics.base import Samples
from edgeq.metrics.curves import roc_auc
from edgeq.metrics.table import METRICS
from tests.metrics.box_case import boxes_case


def score(metric, outputs, labels, inputs=()):
    outputs = outputs if metric == "detection" else [outputs]
    arrays = [np.asarray(output, np.float32) for output in outputs]
    return METRICS[metric](Samples(arrays, np.asarray(labels), np.asarray(inputs, np.float32)))


def test_classification_counts_confusion_and_top_k():
    outputs = [[9, 1, 0, 0], [0, 9, 1, 0], [5, 4, 3, 1], [5, 1, 1, 4]]
    found = score("classification", outputs, [0, 1, 2, 3])
    assert found.value == 0.5
    assert found.details["correct"] == 2
    assert found.details["top_k"] == {"1": 0.5, "3": 1.0}
    assert found.details["confusion"].tolist() == [
        [1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0],
    ]  # fmt: skip
    assert found.details["recall"] == [1.0, 1.0, 0.0, 0.0]


def test_classification_takes_one_hot_labels_and_single_probabilities():
    assert score("classification", [[0.1, 0.9], [0.8, 0.2]], [[0, 1], [0, 1]]).value == 0.5
    assert score("classification", [[0.9], [0.2], [0.7]], [1, 0, 0]).value == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 5], "0 to 5"),
        ([0.5, 1.0], "whole numbers"),
        ([[1, 1], [0, 1]], "multi-label"),
        ([[1, 2, 3], [4, 5, 6]], "do not match"),
    ],
)
def test_classification_refuses_labels_of_another_problem(labels, words):
    with pytest.raises(EdgeqError) as caught:
        score("classification", [[0, 1], [1, 0]], labels)
    assert words in str(caught.value)


def test_regression():
    found = score("regression", [[1.0], [2.0], [4.0]], [1.0, 3.0, 4.0])
    assert found.value == pytest.approx(1 / 3)
    assert not found.larger_is_better
    assert found.details["rmse"] == pytest.approx(np.sqrt(1 / 3))
    assert found.details["max_error"] == 1.0
    assert found.details["r2"] == pytest.approx(1 - 1 / (14 / 3))
    with pytest.raises(EdgeqError, match="shape"):
        score("regression", [[1.0, 2.0]], [1.0])


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=60))
def test_auc_equals_scikit_learn(pairs):
    values = np.array([value for value, _ in pairs], float)
    truth = np.array([flag for _, flag in pairs])
    if truth.all() or not truth.any():
        with pytest.raises(EdgeqError, match="both classes"):
            roc_auc(values, truth)
    else:
        assert roc_auc(values, truth) == pytest.approx(sklearn.metrics.roc_auc_score(truth, values))


def test_anomaly_is_the_reconstruction_error_of_an_autoencoder():
    inputs = np.zeros((4, 3))
    outputs = [[0, 0, 0], [1, 0, 0], [2, 2, 2], [3, 3, 3]]
    assert score("anomaly", outputs, [0, 0, 1, 1], inputs).value == 1.0
    with pytest.raises(EdgeqError, match="are 0 or 1"):
        score("anomaly", outputs, [0, 1, 2, 3], inputs)


def test_segmentation_labels_are_whole_numbers():
    with pytest.raises(EdgeqError, match="not whole numbers"):
        score("segmentation", [[[[0.9], [0.1]]]], [[[0.9, 0.0]]])


def test_segmentation_ignores_255_and_absent_classes():
    outputs = np.zeros((1, 2, 2, 3))
    outputs[0, 0, 0, 1] = outputs[0, 0, 1, 1] = outputs[0, 1, 0, 0] = outputs[0, 1, 1, 2] = 1
    found = score("segmentation", outputs, [[[1, 0], [0, 255]]])
    assert found.details["iou"] == [0.5, 0.5, None]
    assert found.value == 0.5
    assert found.details["pixel_accuracy"] == pytest.approx(2 / 3)
    assert score("segmentation", [[[[0.9], [0.1]]]], [[[1, 1]]]).details["iou"] == [0.0, 0.5]


def test_multi_label_equals_scikit_learn():
    generator = np.random.default_rng(1)
    outputs, labels = generator.random((50, 4)), generator.integers(0, 2, (50, 4))
    found = score("multi-label", outputs, labels)
    expected = sklearn.metrics.f1_score(labels, outputs > 0.5, average="micro")
    assert found.value == pytest.approx(expected)
    macro = sklearn.metrics.f1_score(labels, outputs > 0.5, average="macro")
    assert found.details["macro_f1"] == pytest.approx(macro)


def test_detection_counts_a_second_hit_on_one_object_as_false():
    boxes = [[[0, 0, 1, 1], [0, 0, 1, 0.9], [5, 5, 6, 6]]]
    labels = [[[0, 0, 0, 1, 1], [0, 5, 5, 6, 6], [-1, 0, 0, 0, 0]]]
    outputs = [boxes, [[0, 0, 0]], [[0.9, 0.8, 0.7]], [[3]]]
    # Precision is 1 at the 51 recalls up to 1/2, then 2/3.
    assert score("detection", outputs, labels).value == pytest.approx((51 + 50 * 2 / 3) / 101)
    outputs[3] = [[1]]
    assert score("detection", outputs, labels).value == pytest.approx(51 / 101)


# Of pycocotools 2.0.11, in each case for all classes and all areas.
COCO = [
    (0.3532382474549472, 0.19870396564024162,
     [0.40782649693540785, 0.4145037040649877, 0.23738454136444612]),
    (0.310961287641639, 0.2060928439481337,
     [0.30082870924455085, 0.44836158538454474, 0.1836935682958216]),
    (0.30784822792976546, 0.18910949546336359,
     [0.3536961931487266, 0.24052270091874048, 0.32932578972182935]),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_detection_is_what_coco_counts(seed):
    outputs, labels = boxes_case(seed)
    found = METRICS["detection"](Samples(outputs, labels, np.empty(0)))
    at_half, over_all, by_class = COCO[seed]
    assert found.metric == "map_50"
    assert found.value == pytest.approx(at_half, abs=1e-12)
    assert found.details["map_50_95"] == pytest.approx(over_all, abs=1e-12)
    assert list(found.details["average_precision"].values()) == pytest.approx(by_class, abs=1e-12)
    assert np.mean(list(found.details["average_precision_50_95"].values())) == pytest.approx(
        over_all, abs=1e-12
    )
    low, high = found.interval
    assert low < at_half < high
