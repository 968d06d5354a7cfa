"""One of several classes per sample."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeq.metrics.base import Figure, Samples, Score, score_of, share
from edgeq.metrics.curves import mean_of, mean_of_known, weigh_auc, weigh_average_precision
from edgeq.metrics.intervals import Weigh
from edgeq.metrics.labels import class_numbers, count_classes
from edgeq.metrics.outputs import CLASSES, Outputs, class_scores, evidence
from edgeq.support.array import Array

# Samples times classes that are sorted for areas under curves; more would take a minute.
_MOST_IN_CURVES = 50_000_000
# Rows of a confusion matrix; of more, nearly all that is written down would be zeros.
_MOST_IN_TABLE = 1024


def classification(samples: Samples) -> Score:
    """Accuracy; top-3 and top-5, balanced accuracy, F1, areas under curves, confusion matrix.

    Rows of the confusion matrix are true classes. Of a model with many classes the areas are means
    over classes, each against all others. One-hot labels are understood.

    Raises:
        EdgeqError: The labels are no class numbers of this model.
    """
    if samples.first.kind == CLASSES:
        return _of_numbers(samples)
    scores, labels = scored(samples)
    # A stable sort on the negated scores: of equal scores the first class wins, as in argmax.
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = order == labels[:, None]
    figures = _of_answers(order[:, 0], labels)
    figures |= _of_curves(evidence(scores, samples.first), labels)
    tops = {k: share(hits[:, :k].any(axis=1)) for k in _top_k(scores.shape[1])}
    n = len(labels)
    details = {
        "correct": int(hits[:, 0].sum()),
        "top_k": {str(k): figure.value(n) for k, figure in tops.items()},
        **_table(order[:, 0], labels, scores.shape[1]),
    }
    found = score_of(figures, n, details)
    beside = {f"top_{k}": figure for k, figure in tops.items() if k > 1}
    return Score(found.metric, found.value, True, found.details, n, {**found.figures, **beside})


def scored(samples: Samples) -> tuple[Array, Array]:
    """Scores (N, classes) of the first output, and class numbers (N,).

    Raises:
        EdgeqError: The labels are no class numbers of this model.
    """
    scores = class_scores(samples.outputs[0], samples.first)
    return scores, class_numbers(samples.labels, scores.shape[1])


def answers(values: Array, kind: Outputs) -> Array:
    """The class that a model chose for each sample, (N,), int64.

    Args:
        values: Its output, (N, ...).
        kind: What its numbers are.
    """
    flat = values.reshape(len(values), -1)
    if kind.kind == CLASSES:
        chosen: Array = np.round(flat[:, 0]).astype(np.int64)
    elif flat.shape[1] == 1:
        chosen = (flat[:, 0] > kind.threshold).astype(np.int64)
    else:
        chosen = flat.argmax(axis=1)
    return chosen


def _of_numbers(samples: Samples) -> Score:
    """Of a model that gives the class itself: all that needs no scores."""
    chosen = answers(samples.outputs[0], samples.first)
    known = count_classes(samples.classes, chosen, samples.labels)
    labels = class_numbers(samples.labels, known)
    details = {"correct": int((chosen == labels).sum()), **_table(chosen, labels, known)}
    return score_of(_of_answers(chosen, labels), len(labels), details)


def _table(chosen: Array, labels: Array, classes: int) -> dict[str, object]:
    """Recall by class, and the confusion matrix: of many classes that of those that appear."""
    found = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels[labels == chosen], minlength=classes)
    recall = [float(h / count) if count else None for h, count in zip(hits, found, strict=True)]
    seen, places = np.unique(np.stack([labels, chosen]), return_inverse=True)
    if classes <= _MOST_IN_TABLE:
        confusion = np.zeros((classes, classes), np.int64)
        np.add.at(confusion, (labels, chosen), 1)
        return {"recall": recall, "confusion": confusion}
    if len(seen) > _MOST_IN_TABLE:
        return {"recall": recall}
    confusion = np.zeros((len(seen), len(seen)), np.int64)
    np.add.at(confusion, tuple(places.reshape(2, -1)), 1)
    return {"recall": recall, "confusion": confusion, "confusion_classes": seen}


def _of_answers(chosen: Array, labels: Array) -> dict[str, Figure]:
    """Figures of which class was chosen."""
    right = chosen == labels
    # Classes that neither labels nor answers hold have no figures, and the others the same.
    seen, places = np.unique(np.stack([labels, chosen]), return_inverse=True)
    (labels, chosen), classes = places.reshape(2, -1), len(seen)
    hits = _by_class(np.where(right, labels, classes), classes)
    truth, guess = _by_class(labels, classes), _by_class(chosen, classes)

    def balanced(weights: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return mean_of_known(hits(weights) / truth(weights))

    def f1(weights: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return mean_of_known(2 * hits(weights) / (truth(weights) + guess(weights)))

    return {
        "accuracy": share(right),
        "balanced_accuracy": Figure(balanced, 2),
        "f1_micro": share(right),
        "f1_macro": Figure(f1, 3),
    }


def _by_class(numbers: Array, classes: int) -> Weigh:
    """Weights (R, N) summed by class: (R, classes); numbers beyond the classes are left out."""

    def weigh(weights: Array) -> Array:
        sums = [np.bincount(numbers, row, classes + 1)[:classes] for row in weights]
        return np.stack(sums)

    return weigh


def _of_curves(scores: Array, labels: Array) -> dict[str, Figure]:
    """Areas under the curves: of class 1 where there are two, else the mean over classes."""
    present = set(np.unique(labels).tolist())
    classes = [1] if scores.shape[1] == 2 else sorted(present)
    if len(present) < 2 or len(labels) * len(classes) > _MOST_IN_CURVES:
        return {}

    def area(weigh: Callable[[Array, Array], Weigh]) -> Figure:
        parts = [weigh(scores[:, k], labels == k) for k in classes]
        return Figure(mean_of(parts), 4 * len(classes))

    return {"roc_auc": area(weigh_auc), "average_precision": area(weigh_average_precision)}


def _top_k(classes: int) -> list[int]:
    return [k for k in (1, 3, 5) if k < classes or k == 1]
