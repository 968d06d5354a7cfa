"""Areas under curves, for any weights of the samples."""

from __future__ import annotations

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.metrics.intervals import Weigh
from edgeq.support.array import Array


def roc_auc(score: Array, truth: Array) -> float:
    """Probability that a positive sample scores above a negative one; ties count a half.

    Raises:
        EdgeqError: Only one of the two classes is there.
    """
    if truth.all() or not truth.any():
        raise EdgeqError("An area under the curve needs samples of both classes.")
    return float(weigh_auc(score, truth)(np.ones((1, len(score))))[0])


def weigh_auc(score: Array, truth: Array) -> Weigh:
    """The area under the ROC curve; NaN where one of the two classes has no weight.

    Args:
        score: (N,), larger for positives.
        truth: (N,), whether a sample is positive.

    Source: Mann-Whitney U statistic.
    """
    order, starts = _steps(score)
    positive = truth[order].astype(np.float64)

    def weigh(weights: Array) -> Array:
        sorted_weights = weights[:, order]
        ups = np.add.reduceat(sorted_weights * positive, starts, axis=1)
        downs = np.add.reduceat(sorted_weights * (1 - positive), starts, axis=1)
        below = np.cumsum(downs, axis=1) - downs / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            area: Array = (ups * below).sum(axis=1) / (ups.sum(axis=1) * downs.sum(axis=1))
        return area

    return weigh


def weigh_average_precision(score: Array, truth: Array) -> Weigh:
    """Average precision, not interpolated; NaN where no positive has weight.

    Args:
        score: (N,), larger for positives.
        truth: (N,), whether a sample is positive.

    Source: AP = sum of (R_n - R_(n-1)) P_n over the thresholds, as scikit-learn defines it.
    """
    order, starts = _steps(-score)
    positive = truth[order].astype(np.float64)

    def weigh(weights: Array) -> Array:
        sorted_weights = weights[:, order]
        hits = np.add.reduceat(sorted_weights * positive, starts, axis=1)
        taken = np.cumsum(np.add.reduceat(sorted_weights, starts, axis=1), axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(taken > 0, np.cumsum(hits, axis=1) / taken, 0.0)
            found: Array = (hits * precision).sum(axis=1) / hits.sum(axis=1)
        return found

    return weigh


def mean_of(parts: list[Weigh]) -> Weigh:
    """The mean of several figures, those left out that are not defined."""

    def weigh(weights: Array) -> Array:
        return mean_of_known(np.stack([part(weights) for part in parts], axis=1))

    return weigh


def mean_of_known(values: Array) -> Array:
    """The mean over the last axis of what is no NaN; NaN where nothing is left."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = np.where(known, values, 0.0).sum(axis=-1) / known.sum(axis=-1)
    return found


def _steps(score: Array) -> tuple[Array, Array]:
    """The order of rising scores, and where each value begins in it."""
    order = np.argsort(score, kind="stable")
    rising = score[order]
    return order, np.flatnonzero(np.r_[True, rising[1:] != rising[:-1]])
