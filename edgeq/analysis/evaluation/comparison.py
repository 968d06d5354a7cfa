"""Two models on the same samples: do they agree, are they as sure, which class pays?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.analysis.evaluation.metrics import Samples, class_scores
from edgeq.support.array import Array

_BINS = 15


@dataclass(frozen=True)
class Comparison:
    """An integer model against the float one, as classifiers.

    Attributes:
        agreement: Share of samples that both put into the same class.
        float_calibration_error: Expected calibration error of the float model.
        calibration_error: That of the integer model.
        recall_drop: Per class, float recall less integer recall; None without samples of it.
    """

    agreement: float
    float_calibration_error: float
    calibration_error: float
    recall_drop: tuple[float | None, ...]


def compare_classifiers(real: Samples, integer: Samples) -> Comparison:
    """The comparison of two models' outputs for the same samples.

    Raises:
        EdgeqError: The labels are no class numbers.
    """
    scores, labels = class_scores(real)
    others, _ = class_scores(integer)
    first, second = scores.argmax(axis=1), others.argmax(axis=1)
    drops: list[float | None] = []
    for number in range(scores.shape[1]):
        mine = labels == number
        drops.append(
            float((first[mine] == number).mean() - (second[mine] == number).mean())
            if mine.any()
            else None
        )
    return Comparison(
        agreement=float((first == second).mean()),
        float_calibration_error=calibration_error(scores, labels),
        calibration_error=calibration_error(others, labels),
        recall_drop=tuple(drops),
    )


def calibration_error(scores: Array, labels: Array) -> float:
    """Expected calibration error: how far confidence is from accuracy, averaged over samples.

    Args:
        scores: Probabilities, or logits, shape (N, classes).
        labels: Class numbers, shape (N,).

    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), with 15 bins.
    """
    confidence = np.clip(_probabilities(scores).max(axis=1), 0, 1)
    right = scores.argmax(axis=1) == labels
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(right[bins == number].mean() - confidence[bins == number].mean()))
        * int((bins == number).sum())
        for number in np.unique(bins)
    ]
    return sum(gaps) / len(labels)


def _probabilities(scores: Array) -> Array:
    """Scores as they are if they may be probabilities; of logits, the softmax."""
    # Integers of a softmax add up to 1 within a step for each class.
    slack = 0.05 + scores.shape[1] / 512
    if scores.min() >= -0.01 and float(np.abs(scores.sum(axis=1) - 1).max()) <= slack:
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: Array = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
