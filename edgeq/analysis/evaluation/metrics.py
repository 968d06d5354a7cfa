"""Metrics: model outputs and labels in, numbers out. Plain numpy, no model and no device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.analysis.evaluation.detection import mean_average_precision
from edgeq.errors import EdgeqError
from edgeq.support.array import Array


@dataclass(frozen=True)
class Samples:
    """Everything a metric may look at.

    Attributes:
        outputs: One real-valued (dequantized) array per model output, shape (N, ...).
        labels: Shape (N, ...).
        inputs: First model input as given, shape (N, ...).
    """

    outputs: Sequence[Array]
    labels: Array
    inputs: Array


@dataclass(frozen=True)
class Score:
    """What a metric found.

    Attributes:
        metric: Name of the headline figure, such as "accuracy" or "auc".
        value: The headline figure.
        larger_is_better: Which way is good.
        details: Further figures by name; JSON types and numpy arrays.
    """

    metric: str
    value: float
    larger_is_better: bool
    details: Mapping[str, Any]


def classification(samples: Samples) -> Score:
    """Accuracy, top-3 and top-5, confusion matrix (rows: true class), recall of each class.

    A single output column is taken as the probability of class 1. One-hot labels are understood.

    Raises:
        EdgeqError: The labels are no class numbers of this model.
    """
    scores, labels = class_scores(samples)
    classes = scores.shape[1]
    # A stable sort on the negated scores: of equal scores the first class wins, as in argmax.
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = order == labels[:, None]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, order[:, 0]), 1)
    present = confusion.sum(axis=1)
    recall = [float(confusion[k, k] / count) if count else None for k, count in enumerate(present)]
    return Score(
        "accuracy",
        float(hits[:, 0].mean()),
        True,
        {
            "correct": int(hits[:, 0].sum()),
            "top_k": {str(k): float(hits[:, :k].any(axis=1).mean()) for k in _top_k(classes)},
            "recall": recall,
            "confusion": confusion,
        },
    )


def class_scores(samples: Samples) -> tuple[Array, Array]:
    """Scores (N, classes) and class numbers (N,).

    A single output column is the probability of class 1.

    Raises:
        EdgeqError: The labels are no class numbers of this model.
    """
    scores = samples.outputs[0].reshape(len(samples.labels), -1)
    if scores.shape[1] == 1:
        scores = np.concatenate([1 - scores, scores], axis=1)
    return scores, _class_numbers(samples.labels, scores.shape[1])


def _top_k(classes: int) -> list[int]:
    return [k for k in (1, 3, 5) if k < classes or k == 1]


def _class_numbers(labels: Array, classes: int) -> Array:
    if labels.ndim == 2 and labels.shape[1] == classes and classes > 1:
        if not (np.sort(labels, axis=1)[:, :-1] == 0).all():
            raise EdgeqError(
                "Labels have several ones per sample; accuracy needs one class each.",
                hint="--metric multi-label",
            )
        labels = labels.argmax(axis=1)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise EdgeqError(
            f"Labels of shape {labels.shape} do not match a model with {classes} classes.",
            hint="one class number per sample, or another --metric",
        )
    if labels.dtype.kind == "f" and not (labels == np.round(labels)).all():
        raise EdgeqError(
            "Labels are not whole numbers; accuracy needs class numbers.",
            hint="--metric regression",
        )
    numbers = labels.astype(np.int64)
    if numbers.min() < 0 or numbers.max() >= classes:
        raise EdgeqError(
            f"Labels go from {numbers.min()} to {numbers.max()}; "
            f"the model has the classes 0 to {classes - 1}."
        )
    return numbers


def _same_shape(samples: Samples, what: str) -> tuple[Array, Array]:
    """First output and labels as float64, of the same shape (N, ...)."""
    outputs = samples.outputs[0].astype(np.float64)
    count = len(samples.labels)
    if outputs.size != samples.labels.size:
        raise EdgeqError(
            f"{what} compares like with like: outputs have shape {outputs.shape}, "
            f"labels {samples.labels.shape}."
        )
    return outputs.reshape(count, -1), samples.labels.reshape(count, -1).astype(np.float64)


def regression(samples: Samples) -> Score:
    """Mean absolute error; root mean squared error, largest error, R squared beside it."""
    outputs, labels = _same_shape(samples, "Regression")
    error = outputs - labels
    variance = float(((labels - labels.mean(axis=0)) ** 2).sum())
    r2 = 1 - float((error**2).sum()) / variance if variance else None
    return Score(
        "mae",
        float(np.abs(error).mean()),
        False,
        {
            "rmse": float(np.sqrt((error**2).mean())),
            "max_error": float(np.abs(error).max()),
            "r2": r2,
        },
    )


def anomaly(samples: Samples) -> Score:
    """Area under the ROC curve; label 1 is an anomaly.

    The anomaly score is the model's output where it is one number per sample, else the mean
    squared difference between output and input, as of an autoencoder.
    """
    count = len(samples.labels)
    labels = samples.labels.reshape(count, -1)
    if labels.shape[1] != 1 or not np.isin(labels, (0, 1)).all():
        raise EdgeqError("Anomaly labels are 0 or 1 (1: an anomaly), one per sample.")
    outputs = samples.outputs[0].astype(np.float64).reshape(count, -1)
    if outputs.shape[1] == 1:
        score = outputs[:, 0]
    elif outputs.size == samples.inputs.size:
        score = ((outputs - samples.inputs.reshape(count, -1)) ** 2).mean(axis=1)
    else:
        raise EdgeqError(
            "The anomaly metric wants one score per sample or an output like the input; "
            f"the output has shape {samples.outputs[0].shape}, the input {samples.inputs.shape}."
        )
    truth = labels[:, 0] == 1
    return Score(
        "auc",
        roc_auc(score, truth),
        True,
        {
            "anomalies": int(truth.sum()),
            "mean_score_normal": float(score[~truth].mean()),
            "mean_score_anomaly": float(score[truth].mean()),
        },
    )


def roc_auc(score: Array, truth: Array) -> float:
    """Probability that a positive sample scores above a negative one; ties count a half.

    Source: Mann-Whitney U statistic, by ranks.

    Raises:
        EdgeqError: Only one of the two classes is there.
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        raise EdgeqError("An area under the curve needs samples of both classes.")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_rank[inverse][truth].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def segmentation(samples: Samples) -> Score:
    """Mean intersection over union; per class, and pixel accuracy.

    Outputs are (N, H, W, classes), or (N, H, W[, 1]) with the probability of class 1; labels are
    (N, H, W[, 1]) class numbers. Classes that neither truth nor prediction holds do not count;
    label 255 is not counted.
    """
    outputs = samples.outputs[0]
    labels = samples.labels
    if labels.ndim == outputs.ndim and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if outputs.shape == labels.shape:
        outputs = outputs[..., None]
    if outputs.shape[:-1] != labels.shape or labels.ndim < 2:
        raise EdgeqError(
            f"Segmentation labels have shape {samples.labels.shape}; the output has "
            f"{samples.outputs[0].shape}.",
            hint="one class number per pixel",
        )
    binary = outputs.shape[-1] == 1
    predicted = (outputs[..., 0] > 0.5).astype(np.int64) if binary else outputs.argmax(axis=-1)
    classes = 2 if binary else outputs.shape[-1]
    counted = labels != 255
    truth, predicted = labels[counted].astype(np.int64), predicted[counted]
    if truth.size == 0 or truth.min() < 0 or truth.max() >= classes:
        raise EdgeqError(f"Segmentation labels are not class numbers from 0 to {classes - 1}.")
    confusion = np.bincount(truth * classes + predicted, minlength=classes * classes)
    confusion = confusion.reshape(classes, classes)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - np.diag(confusion)
    iou = [float(confusion[k, k] / union[k]) if union[k] else None for k in range(classes)]
    return Score(
        "mean_iou",
        float(np.mean([value for value in iou if value is not None])),
        True,
        {
            "iou": iou,
            "pixel_accuracy": float(np.diag(confusion).sum() / confusion.sum()),
            "confusion": confusion,
        },
    )


def multi_label(samples: Samples) -> Score:
    """F1 over all labels together (micro), threshold 0.5; macro F1 and exact matches beside it."""
    outputs, labels = _same_shape(samples, "Multi-label")
    if not np.isin(labels, (0, 1)).all():
        raise EdgeqError("Multi-label labels are 0 or 1, one column per label.")
    predicted, truth = outputs > 0.5, labels == 1
    hits = (predicted & truth).sum(axis=0)
    both = predicted.sum(axis=0) + truth.sum(axis=0)
    per_label = [
        float(2 * hit / total) if total else None for hit, total in zip(hits, both, strict=True)
    ]
    known = [value for value in per_label if value is not None]
    return Score(
        "f1",
        float(2 * hits.sum() / both.sum()) if both.sum() else 1.0,
        True,
        {
            "macro_f1": float(np.mean(known)) if known else None,
            "f1_per_label": per_label,
            "exact_match": float((predicted == truth).all(axis=1).mean()),
        },
    )


def detection(samples: Samples) -> Score:
    """Mean average precision at an intersection over union of 0.5.

    Outputs are those of TFLite_Detection_PostProcess: boxes (N, D, 4) as ymin, xmin, ymax, xmax;
    classes (N, D); scores (N, D); count (N, 1). Labels are (N, K, 5): class and box, padded with
    rows of class -1.
    """
    if len(samples.outputs) < 4 or samples.labels.ndim != 3 or samples.labels.shape[2] != 5:
        raise EdgeqError(
            "Detection wants the outputs boxes, classes, scores and count, and labels of shape "
            f"(N, K, 5); there are {len(samples.outputs)} outputs and labels of shape "
            f"{samples.labels.shape}."
        )
    boxes, classes, scores, count = samples.outputs[:4]
    per_class = mean_average_precision(boxes, classes, scores, count, samples.labels)
    if not per_class:
        raise EdgeqError("No label holds a box.")
    value = float(np.mean(list(per_class.values())))
    return Score("map_50", value, True, {"average_precision": per_class})


METRICS: dict[str, Callable[[Samples], Score]] = {
    "classification": classification,
    "regression": regression,
    "anomaly": anomaly,
    "segmentation": segmentation,
    "multi-label": multi_label,
    "detection": detection,
}
