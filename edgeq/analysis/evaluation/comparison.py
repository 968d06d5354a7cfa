"""Two models on the same samples: do they agree, are they as sure, which class pays?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.metrics.base import Samples
from edgeq.metrics.classification import scored
from edgeq.metrics.outputs import Outputs, outputs_by_value, probabilities
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
    scores, labels = scored(real)
    others, _ = scored(integer)
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
        float_calibration_error=calibration_error(scores, labels, real.first),
        calibration_error=calibration_error(others, labels, integer.first),
        recall_drop=tuple(drops),
    )


def calibration_error(scores: Array, labels: Array, kind: Outputs | None = None) -> float:
    """Expected calibration error: how far confidence is from accuracy, averaged over samples.

    Args:
        scores: Probabilities, or logits, shape (N, classes).
        labels: Class numbers, shape (N,).
        kind: Which of the two scores are; None to go by their values.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), with 15 bins.
    """
    confidence = np.clip(probabilities(scores, kind or outputs_by_value(scores)).max(axis=1), 0, 1)
    right = scores.argmax(axis=1) == labels
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(right[bins == number].mean() - confidence[bins == number].mean()))
        * int((bins == number).sum())
        for number in np.unique(bins)
    ]
    return sum(gaps) / len(labels)
