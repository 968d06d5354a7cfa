"""What is nearly always an error in an evaluation: answers no better than chance, one class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeq.metrics.base import Samples, Score
from edgeq.metrics.classification import answers
from edgeq.metrics.labels import class_numbers
from edgeq.metrics.pixels import UNLABELLED
from edgeq.support.array import Array

# Of two classes in a thousand samples, chance alone gives a few points more than a half.
_CHANCE = 1.1
# So much more of the answers must fit once classes are renamed.
_RENAMED = 0.2
_MOST_NAMED = 4


@dataclass(frozen=True)
class Suspicion:
    """A sign that data and model do not belong together.

    Attributes:
        words: What was seen, in a sentence.
        chance: Whether the figure is no better than chance, so that nothing can be judged by it.
    """

    words: str
    chance: bool = False


def suspicions(metric: str, samples: Samples, score: Score) -> list[Suspicion]:
    """What looks wrong about a score.

    Args:
        metric: A name of METRICS; a metric of the user's own is not looked at.
        samples: What it was computed from.
        score: What came.
    """
    if metric == "classification":
        return list(_of_classes(samples, score))
    if metric == "anomaly":
        return list(_of_anomalies(score))
    if metric == "regression":
        return list(_of_values(samples, score))
    if metric == "segmentation":
        return list(_of_pixels(samples.labels))
    return []


def _of_classes(samples: Samples, score: Score) -> Iterator[Suspicion]:
    classes = len(score.details["recall"])
    labels = class_numbers(samples.labels, classes)
    chosen = answers(samples.outputs[0], samples.first)
    present = np.unique(labels)
    if len(present) == 1:
        yield Suspicion(f"All {len(labels)} samples have the label {present[0]}: one class only.")
        return
    commonest = np.bincount(labels).argmax()
    guess = float((labels == commonest).mean())
    balanced = score.details["balanced_accuracy"]
    if score.value <= guess and balanced <= _CHANCE / len(present):
        yield Suspicion(
            f"The accuracy of {score.value:.4f} is no better than chance: always answering "
            f"{commonest} has {guess:.4f}. Labels, their order, or the preprocessing are not "
            "those that the model was trained with.",
            chance=True,
        )
    if len(np.unique(chosen)) == 1:
        yield Suspicion(f"All {len(chosen)} predictions are the class {chosen[0]}.")
    yield from _renamed(score)


def _renamed(score: Score) -> Iterator[Suspicion]:
    """Whether answers would fit much better if the classes had other numbers."""
    if "confusion" not in score.details:
        return
    confusion: Array = score.details["confusion"]
    numbers = score.details.get("confusion_classes", np.arange(len(confusion)))
    present = np.flatnonzero(confusion.sum(axis=1))
    best = confusion.argmax(axis=1)[present]
    if len(set(best.tolist())) < len(present) or (best == present).all():
        return
    share = float(confusion[present, best].sum() / confusion.sum())
    if share < score.value + _RENAMED:
        return
    moved = [f"{numbers[a]} as {numbers[b]}" for a, b in zip(present, best, strict=True) if a != b]
    listed = ", ".join(moved[:_MOST_NAMED]) + (", ..." if len(moved) > _MOST_NAMED else "")
    yield Suspicion(
        f"The labels seem to be numbered otherwise than the model's classes: {share:.4f} of the "
        f"answers fit if they are read in another order (label {listed})."
    )


def _of_anomalies(score: Score) -> Iterator[Suspicion]:
    if score.value < 0.5:
        yield Suspicion(
            f"The area of {score.value:.4f} is below chance (0.5): label 1 must be the anomaly.",
            chance=True,
        )


def _of_values(samples: Samples, score: Score) -> Iterator[Suspicion]:
    outputs = samples.outputs[0].reshape(len(samples.labels), -1)
    if len(outputs) > 1 and not np.ptp(outputs, axis=0).any():
        yield Suspicion(f"All {len(outputs)} predictions are the same.")
    r2 = score.details["r2"]
    if r2 is not None and r2 <= 0:
        yield Suspicion(
            f"The error is no smaller than that of always answering the mean (R2 {r2:.3g}): "
            "labels or inputs may be in other units than those of the training.",
            chance=True,
        )


def _of_pixels(labels: Array) -> Iterator[Suspicion]:
    counted = np.unique(labels[labels != UNLABELLED])
    if len(counted) == 1 and (labels == UNLABELLED).any():
        yield Suspicion(
            f"All pixels that count have the label {counted[0]:g}: {UNLABELLED} stands for pixels "
            f"without a label. Masks of 0 and {UNLABELLED} want to be 0 and 1."
        )
