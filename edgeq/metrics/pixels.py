"""A class for every pixel, or for every step of a sequence."""

from __future__ import annotations

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.metrics.base import Figure, Samples, Score, score_of
from edgeq.metrics.curves import mean_of_known
from edgeq.metrics.labels import count_classes
from edgeq.metrics.outputs import CLASSES
from edgeq.support.array import Array

UNLABELLED = 255
"""The label of a pixel that is not counted."""


def segmentation(samples: Samples) -> Score:
    """Mean intersection over union; per class, and pixel accuracy.

    Outputs are (N, H, W, classes), or (N, H, W[, 1]) with the score of class 1; labels are
    (N, H, W[, 1]) class numbers. Classes that neither truth nor prediction holds do not count;
    label 255 is not counted.

    Raises:
        EdgeqError: Labels do not fit the output.
    """
    truth, chosen, classes = _numbers(samples)
    n = len(truth)
    counted = truth != UNLABELLED
    confusion = np.bincount(
        truth[counted] * classes + chosen[counted], minlength=classes * classes
    ).reshape(classes, classes)
    kinds = range(classes)
    found = np.stack([((truth == k) & counted).sum(axis=1) for k in kinds], 1).astype(float)
    given = np.stack([((chosen == k) & counted).sum(axis=1) for k in kinds], 1).astype(float)
    both = np.stack([((truth == k) & (chosen == k)).sum(axis=1) for k in kinds], 1).astype(float)

    def overlaps(weights: Array) -> Array:
        shared = weights @ both
        with np.errstate(invalid="ignore", divide="ignore"):
            union: Array = shared / (weights @ found + weights @ given - shared)
        return union

    def right(weights: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            part: Array = (weights @ both).sum(axis=1) / (weights @ found).sum(axis=1)
        return part

    figures = {
        "mean_iou": Figure(lambda weights: mean_of_known(overlaps(weights)), 3 * classes),
        "pixel_accuracy": Figure(right, 3 * classes),
    }
    iou = [float(v) if np.isfinite(v) else None for v in overlaps(np.ones((1, n)))[0]]
    return score_of(figures, n, {"iou": iou, "confusion": confusion})


def _numbers(samples: Samples) -> tuple[Array, Array, int]:
    """True and chosen classes, both (N, pixels), int64; and how many classes there are."""
    outputs, labels = samples.outputs[0], samples.labels
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
    counted = labels[labels != UNLABELLED]
    if not (counted == np.round(counted)).all():
        raise EdgeqError(
            "Segmentation labels are not whole numbers.",
            hint="one class number per pixel; a mask that was scaled or blurred is none",
        )
    counted = counted.astype(np.int64)
    if samples.first.kind == CLASSES:
        chosen = np.round(outputs[..., 0]).astype(np.int64)
        classes = count_classes(samples.classes, chosen, counted)
    elif outputs.shape[-1] == 1:
        chosen = (outputs[..., 0] > samples.first.threshold).astype(np.int64)
        classes = 2
    else:
        chosen, classes = outputs.argmax(axis=-1), outputs.shape[-1]
    if counted.size == 0 or counted.min() < 0 or counted.max() >= classes:
        raise EdgeqError(f"Segmentation labels are not class numbers from 0 to {classes - 1}.")
    n = len(labels)
    return labels.astype(np.int64).reshape(n, -1), chosen.reshape(n, -1), classes
