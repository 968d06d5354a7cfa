"""Numbers against numbers: regression, and anomaly scores."""

from __future__ import annotations

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.metrics.base import Figure, Samples, Score, average, score_of
from edgeq.metrics.curves import weigh_auc, weigh_average_precision
from edgeq.metrics.intervals import Weigh
from edgeq.support.array import Array


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

    Of several values per sample, errors are averaged over all of them; R squared sets the squared
    error of all against the variance of all.
    """
    outputs, labels = same_shape(samples, "Regression")
    error = outputs - labels
    squares = average((error**2).mean(axis=1))
    figures = {
        "mae": Figure(average(np.abs(error).mean(axis=1))),
        "rmse": Figure(lambda weights: np.sqrt(squares(weights))),
        "r2": Figure(_r2(error, labels), 2 * labels.shape[1]),
    }
    details = {"max_error": float(np.abs(error).max())}
    return score_of(figures, len(labels), details, larger_is_better=False)


def _r2(error: Array, labels: Array) -> Weigh:
    """1 - (squared error) / (squared distance from the mean label); NaN for equal labels."""
    squared = (error**2).sum(axis=1)
    centred = labels - labels.mean(axis=0)

    def weigh(weights: Array) -> Array:
        total = weights.sum(axis=1, keepdims=True)
        means = (weights @ centred) / total
        spread = (weights @ centred**2 - total * means**2).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Array = np.where(spread > 1e-12, 1 - (weights @ squared) / spread, np.nan)
        return found

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
