"""Every figure for any weights of the samples, and its interval, against scikit-learn and SciPy."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as known

from edgeq.errors import EdgeqError
from edgeq.metrics.base import Samples
from edgeq.metrics.curves import weigh_auc, weigh_average_precision
from edgeq.metrics.intervals import bootstrap, wilson
from edgeq.metrics.labels import class_numbers
from edgeq.metrics.outputs import LOGITS, PROBABILITIES, Outputs, told
from edgeq.metrics.paired import compare_scores, mcnemar
from edgeq.metrics.table import METRICS


def random(seed, *, n=120, classes=5, ties=True):
    """Probabilities of classes, with ties, and labels that they are right about now and then."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, n)
    logits = generator.normal(0, 1, (n, classes)) + 1.2 * np.eye(classes)[labels]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if ties:
        scores = np.round(scores, 2)
        scores /= scores.sum(axis=1, keepdims=True)
    return scores, labels, generator.integers(0, 4, n)


def scored(metric, outputs, labels, kind=None, inputs=()):
    return METRICS[metric](Samples([np.asarray(outputs)], labels, np.asarray(inputs), kind))


def test_classes_of_which_a_model_is_sure_keep_their_order():
    """Their probabilities are 1 in float32, one and all."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 300)
    logit = np.float32(np.where(labels, 30, 18) + generator.normal(0, 6, 300))
    two = np.stack([np.zeros_like(logit), logit], axis=1)
    three = np.column_stack([two, np.full(300, -40, np.float32)])
    kind = Outputs(LOGITS, "")
    wanted = known.roc_auc_score(labels, logit)
    for outputs in (logit[:, None], two, three):
        assert scored("classification", outputs, labels, kind).details["roc_auc"] == (
            pytest.approx(wanted)
        )


@pytest.mark.parametrize("seed", range(5))
def test_classes_with_and_without_weights(seed):
    scores, labels, weights = random(seed, ties=seed > 0)
    found = scored("classification", scores, labels)
    chosen = scores.argmax(axis=1)
    for given in (np.ones(len(labels)), weights):
        options = {"sample_weight": given}
        expected = {
            "accuracy": known.accuracy_score(labels, chosen, **options),
            "balanced_accuracy": known.balanced_accuracy_score(labels, chosen, **options),
            "f1_micro": known.f1_score(labels, chosen, average="micro", **options),
            "f1_macro": known.f1_score(labels, chosen, average="macro", **options),
            "top_3": known.top_k_accuracy_score(labels, scores, k=3, **options),
            "roc_auc": known.roc_auc_score(labels, scores, multi_class="ovr", **options),
            "average_precision": known.average_precision_score(
                np.eye(scores.shape[1])[labels], scores, average="macro", **options
            ),
        }
        values = weighed(found, given)
        if seed:  # with ties top-3 depends on which of equal scores comes first
            expected.pop("top_3")
            values.pop("top_3")
        assert values == pytest.approx(expected, abs=1e-12)
    assert found.value == known.accuracy_score(labels, chosen)
    assert found.details["f1_macro"] == found.figures["f1_macro"].value(len(labels))
    assert np.array_equal(found.details["confusion"], known.confusion_matrix(labels, chosen))


@pytest.mark.parametrize("logits", [False, True])
def test_one_output_for_two_classes(logits):
    scores, labels, weights = random(7, classes=2)
    one = np.log(scores[:, 1] / np.maximum(scores[:, 0], 1e-3)) if logits else scores[:, 1]
    kind = told(from_logits=logits)
    found = scored("classification", one[:, None], labels, kind)
    chosen = one > (0 if logits else 0.5)
    assert found.value == known.accuracy_score(labels, chosen)
    assert found.details["roc_auc"] == pytest.approx(known.roc_auc_score(labels, one))
    area = found.figures["average_precision"].weigh(weights[None])[0]
    assert area == pytest.approx(known.average_precision_score(labels, one, sample_weight=weights))
    # Class numbers, one-hot rows, and -1 and 1 mean the same.
    for other in (np.eye(2)[labels], labels[:, None], 2 * labels - 1):
        assert scored("classification", one[:, None], other, kind).value == found.value


def test_a_threshold_of_logits_is_zero():
    outputs, labels = np.array([[0.2], [-3.0], [0.4], [2.0]]), np.array([1, 0, 1, 1])
    assert scored("classification", outputs, labels).value == 1.0
    wrong = Outputs(PROBABILITIES, "told")
    assert scored("classification", outputs, labels, wrong).value == 0.5
    several = np.array([[0.2, -1.0], [-0.1, 0.3]])
    truth = np.array([[1, 0], [0, 1]])
    assert scored("multi-label", several, truth).value == 1.0
    assert scored("multi-label", several, truth, wrong).value == 0.0
    pixels = np.array([[[0.2], [-0.2]]])
    kind = Outputs(LOGITS, "told")
    assert scored("segmentation", pixels, np.array([[1, 0]]), kind).value == 1.0


def test_a_model_that_gives_the_class_itself():
    _, labels, _ = random(3)
    chosen = np.where(np.arange(len(labels)) % 3, labels, (labels + 1) % 5)
    kind = Outputs("classes", "the last op is ARG_MAX")
    found = scored("classification", chosen[:, None].astype(np.float32), labels, kind)
    assert found.value == known.accuracy_score(labels, chosen)
    assert found.details["f1_macro"] == pytest.approx(
        known.f1_score(labels, chosen, average="macro")
    )


def test_a_class_beyond_what_can_be_counted_is_refused():
    kind = Outputs("classes", "the last op is ARG_MAX")
    labels = np.array([0, 2**40, 1])
    for metric, shape in (("classification", (3,)), ("segmentation", (1, 3))):
        chosen = np.zeros(shape, np.float32)
        with pytest.raises(EdgeqError, match=f"go up to {2**40}; at most 4095"):
            scored(metric, chosen, labels.reshape(shape), kind)


def test_of_many_classes_the_matrix_is_of_those_that_appear():
    generator = np.random.default_rng(4)
    labels = generator.choice([3, 700, 1500, 4999], 40)
    chosen = np.where(generator.random(40) < 0.7, labels, 12)
    found = scored("classification", np.eye(5000, dtype=np.float32)[chosen], labels)
    assert found.details["confusion_classes"].tolist() == [3, 12, 700, 1500, 4999]
    assert np.array_equal(found.details["confusion"], known.confusion_matrix(labels, chosen))
    assert len(found.details["recall"]) == 5000
    recall = known.recall_score(labels, chosen, labels=[3, 4999], average=None)
    assert [found.details["recall"][k] for k in (3, 4999)] == pytest.approx(list(recall))
    expected = known.f1_score(labels, chosen, average="macro")
    assert found.details["f1_macro"] == pytest.approx(expected)


def test_several_labels_per_sample():
    generator = np.random.default_rng(1)
    outputs, labels = generator.random((80, 4)).round(1), generator.integers(0, 2, (80, 4))
    weights = generator.integers(0, 3, 80)
    found = scored("multi-label", outputs, labels)
    chosen = outputs > 0.5
    for given in (np.ones(80), weights):
        options = {"sample_weight": given}
        expected = {
            "f1": known.f1_score(labels, chosen, average="micro", **options),
            "macro_f1": known.f1_score(labels, chosen, average="macro", **options),
            "exact_match": known.accuracy_score(labels, chosen, **options),
            "roc_auc": known.roc_auc_score(labels, outputs, average="macro", **options),
            "average_precision": known.average_precision_score(labels, outputs, **options),
        }
        assert weighed(found, given) == pytest.approx(expected, abs=1e-12)


def weighed(found, weights):
    """Every figure, with weights for the samples."""
    return {name: figure.weigh(weights[None])[0] for name, figure in found.figures.items()}


def known_errors(labels, outputs, weights):
    """scikit-learn's figures of values."""
    return {
        "mae": known.mean_absolute_error(labels, outputs, sample_weight=weights),
        "rmse": known.root_mean_squared_error(labels, outputs, sample_weight=weights),
        "r2": known.r2_score(labels, outputs, sample_weight=weights),
    }


def test_values_with_and_without_weights():
    generator = np.random.default_rng(2)
    labels = generator.normal(3, 2, 90)
    outputs, weights = labels + generator.normal(0, 1, 90), generator.integers(0, 4, 90)
    found = scored("regression", outputs[:, None], labels)
    for given in (np.ones(90), weights):
        assert weighed(found, given) == pytest.approx(known_errors(labels, outputs, given))
    assert found.details["max_error"] == known.max_error(labels, outputs)


def test_several_values_per_sample():
    """A value that is not learnt hid behind one with a wide range."""
    generator = np.random.default_rng(3)
    labels = generator.normal(0, (30, 1, 1e-7, 1), (90, 4))
    labels[:, 3] = 5
    outputs = labels + generator.normal(0, (1, 2, 1e-8, 1), (90, 4))
    found = scored("regression", outputs, labels)
    for given in (np.ones(90), generator.integers(0, 4, 90)):
        assert weighed(found, given) == pytest.approx(known_errors(labels, outputs, given))
    assert scored("regression", outputs[:, 3:], labels[:, 3:]).details["r2"] is None


def test_anomalies():
    generator = np.random.default_rng(4)
    truth = generator.random(100) < 0.2
    score = (generator.normal(0, 1, 100) + truth).round(1)
    found = scored("anomaly", score[:, None], truth.astype(int))
    assert found.value == pytest.approx(known.roc_auc_score(truth, score))
    assert found.details["average_precision"] == pytest.approx(
        known.average_precision_score(truth, score)
    )


def test_pixels_are_the_jaccard_index_of_all_of_them():
    generator = np.random.default_rng(5)
    labels = generator.integers(0, 3, (12, 4, 5))
    outputs = generator.random((12, 4, 5, 3)) + 0.6 * np.eye(3)[labels]
    found = scored("segmentation", outputs, labels)
    flat, chosen = labels.ravel(), outputs.argmax(-1).ravel()
    assert found.value == pytest.approx(known.jaccard_score(flat, chosen, average="macro"))
    assert found.details["pixel_accuracy"] == pytest.approx(known.accuracy_score(flat, chosen))
    weights = np.arange(12) % 3
    spread = np.repeat(weights, 20)
    assert found.figures["mean_iou"].weigh(weights[None])[0] == pytest.approx(
        known.jaccard_score(flat, chosen, average="macro", sample_weight=spread)
    )


def test_many_weightings_at_once_are_each_their_own():
    scores, labels, _ = random(9)
    many = np.random.default_rng(0).integers(0, 3, (6, len(labels)))
    found = scored("classification", scores, labels)
    for figure in found.figures.values():
        assert figure.weigh(many) == pytest.approx([figure.weigh(row[None])[0] for row in many])
    for area in (weigh_auc, weigh_average_precision):
        weigh = area(scores[:, 0], labels == 0)
        assert weigh(many) == pytest.approx([weigh(row[None])[0] for row in many])


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (41, 45), (1, 3), (9444, 10_000)])
def test_wilson_is_scipy_s(hits, n):
    expected = scipy.stats.binomtest(hits, n).proportion_ci(0.95, "wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_bootstrap_is_scipy_s_but_for_chance():
    scores, labels, _ = random(11, classes=2)
    truth = labels == 1
    found = bootstrap(weigh_auc(scores[:, 1], truth), len(labels))
    expected = scipy.stats.bootstrap(
        (scores[:, 1], truth),
        lambda score, flags: known.roc_auc_score(flags, score),
        paired=True, vectorized=False, method="percentile", n_resamples=1000,
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    assert found == pytest.approx((expected.low, expected.high), abs=0.015)
    assert found == bootstrap(weigh_auc(scores[:, 1], truth), len(labels))


def test_data_too_large_to_draw_anew_has_no_interval():
    assert bootstrap(lambda weights: weights.sum(axis=1), 3_000_000) is None


@pytest.mark.parametrize(("worse", "better"), [(0, 0), (1, 0), (5, 2), (20, 3), (900, 1100)])
def test_mcnemar_is_the_exact_binomial_test(worse, better):
    total = worse + better
    expected = scipy.stats.binomtest(worse, total).pvalue if total else 1.0
    assert mcnemar(worse, better) == pytest.approx(expected)


def test_two_models_on_the_same_samples():
    scores, labels, _ = random(12, n=400)
    first = scored("classification", scores, labels)
    spoiled = scores.copy()
    spoiled[:6] = 1 - np.eye(5)[labels[:6]]  # at most six right answers are lost
    found = compare_scores(first, scored("classification", spoiled, labels))
    lost = int((scores[:6].argmax(axis=1) == labels[:6]).sum())
    assert (found.worse, found.better, found.n) == (lost, 0, 400)
    assert found.difference == pytest.approx(-lost / 400)
    assert found.interval[0] < found.difference < found.interval[1]
    assert found.significant == (2 * 0.5**lost < 0.05)
    same = compare_scores(first, first)
    assert (same.p_value, same.difference, same.significant) == (1.0, 0.0, False)
    assert "within noise" in str(same)


def test_two_models_whose_figure_has_no_right_and_wrong():
    generator = np.random.default_rng(6)
    labels = generator.normal(0, 1, 300)
    close = scored("regression", (labels + generator.normal(0, 0.1, 300))[:, None], labels)
    far = scored("regression", (labels + generator.normal(0, 0.2, 300))[:, None], labels)
    found = compare_scores(close, far)
    assert found.p_value is None
    assert found.significant
    assert found.interval[0] > 0
    assert not compare_scores(close, close).significant
    assert compare_scores(close, scored("classification", *random(0)[:2])) is None


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([0, 2**64 - 1], np.uint64), "from 0 to 18446744073709551615;"),
        (np.array([0, 2**63], np.uint64), "from 0 to 9223372036854775808;"),
        (np.array([-3.0, 1e20]), "from -3 to 100000000000000000000;"),
    ],
)
def test_labels_that_int64_does_not_hold_are_named_as_they_are(labels, words):
    with pytest.raises(EdgeqError, match=f"Labels go {words} the model has the classes 0 to 1"):
        class_numbers(labels, 2)


@pytest.mark.parametrize("row", [[0, 0, 0], [np.nan, 0, 0]])
def test_a_row_of_labels_without_a_one_is_no_class(row):
    """Not class 0, as the largest of nothing would be."""
    labels = np.array([[0, 1, 0], row, [0, 0, 1], row], np.float64)
    with pytest.raises(EdgeqError, match="Sample 1 has no class") as caught:
        class_numbers(labels, 3)
    assert "2 of 4 samples" in caught.value.what
    assert class_numbers(labels[::2], 3).tolist() == [1, 2]
