"""Numbers against numbers: regression, and anomaly scores."""

from __future__ import annotations

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.metrics.base import Figure, Samples, Score, average, score_of
from edgeq.metrics.curves import weigh_auc, weigh_average_precision
from edgeq.metrics.intervals import Weigh
from edgeq.support.array import Array

_ROUNDING = 1e-12


def same_shape(samples: Samples, what: str) -> tuple[Array, Array]:
    """First output and labels as float64, both of shape (N, values).

    Args:
        samples: Outputs and labels.
        what: Name of the metric, for the message.

    Raises:
        EdgeqError: They are not equally many.
    """
    outputs = samples.outputs[0].astype(np.float64)
    count = len(samples.labels)
    if outputs.size != samples.labels.size:
        raise EdgeqError(
            f"{what} compares like with like: outputs have shape {outputs.shape}, "
            f"labels {samples.labels.shape}."
        )
    return outputs.reshape(count, -1), samples.labels.reshape(count, -1).astype(np.float64)


def regression(samples: Samples) -> Score:
    """Mean absolute error; root mean squared error, largest error, R squared beside it.

    Of several values per sample, the figures are those of each value, averaged.
    """
    outputs, labels = same_shape(samples, "Regression")
    error = outputs - labels
    figures = {
        "mae": Figure(average(np.abs(error).mean(axis=1))),
        "rmse": Figure(_rmse(error), labels.shape[1]),
        "r2": Figure(_r2(error, labels), 2 * labels.shape[1]),
    }
    details = {"max_error": float(np.abs(error).max())}
    return score_of(figures, len(labels), details, larger_is_better=False)


def _rmse(error: Array) -> Weigh:
    squared = error**2

    def weigh(weights: Array) -> Array:
        found: Array = np.sqrt(weights @ squared / weights.sum(axis=1, keepdims=True))
        return np.asarray(found.mean(axis=1))

    return weigh


def _r2(error: Array, labels: Array) -> Weigh:
    """1 - (squared error) / (squared distance from the mean label), of each value, averaged.

    Of values whose labels are all equal it is 1 where there is no error, else 0, as in
    scikit-learn; NaN where there are no others.
    """
    squared = error**2
    centred = labels - labels.mean(axis=0)
    least = (_ROUNDING * np.abs(labels).max(axis=0)) ** 2

    def weigh(weights: Array) -> Array:
        total = weights.sum(axis=1, keepdims=True)
        around = weights @ centred**2
        spread = around - (weights @ centred) ** 2 / total
        lost = weights @ squared
        varies = spread > np.maximum(_ROUNDING * around, total * least)
        same = np.where(lost == 0, 1.0, 0.0)
        found = np.where(varies, 1 - lost / np.where(varies, spread, 1), same)
        return np.asarray(np.where(varies.any(axis=1), found.mean(axis=1), np.nan))

    return weigh


def anomaly(samples: Samples) -> Score:
    """Area under the ROC curve; label 1 is an anomaly. Average precision beside it.

    The anomaly score is the model's output where it is one number per sample, else the mean
    squared difference between output and input, as of an autoencoder.

    Raises:
        EdgeqError: Labels are not 0 and 1, or the output is no score.
    """
    count = len(samples.labels)
    labels = samples.labels.reshape(count, -1)
    if labels.shape[1] != 1 or not np.isin(labels, (0, 1)).all():
        raise EdgeqError("Anomaly labels are 0 or 1 (1: an anomaly), one per sample.")
    truth = labels[:, 0] == 1
    if truth.all() or not truth.any():
        raise EdgeqError("An area under the curve needs samples of both classes.")
    score = _anomaly_score(samples, count)
    figures = {
        "auc": Figure(weigh_auc(score, truth), 4),
        "average_precision": Figure(weigh_average_precision(score, truth), 4),
    }
    details = {
        "anomalies": int(truth.sum()),
        "mean_score_normal": float(score[~truth].mean()),
        "mean_score_anomaly": float(score[truth].mean()),
    }
    return score_of(figures, count, details)


def _anomaly_score(samples: Samples, count: int) -> Array:
    outputs = samples.outputs[0].astype(np.float64).reshape(count, -1)
    if outputs.shape[1] == 1:
        one: Array = outputs[:, 0]
        return one
    if outputs.size != samples.inputs.size:
        raise EdgeqError(
            "The anomaly metric wants one score per sample or an output like the input; "
            f"the output has shape {samples.outputs[0].shape}, the input {samples.inputs.shape}."
        )
    squares: Array = ((outputs - samples.inputs.reshape(count, -1)) ** 2).mean(axis=1)
    return squares
