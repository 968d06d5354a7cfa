"""What labels are: class numbers, one-hot rows, several yes or no per sample, or values.

Decided from the labels and the width of the output, the same way in every command.
"""

from __future__ import annotations

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.support.array import Array

_MOST_CLASSES = 4096
INDEX, ONE_HOT, MULTI, VALUES = "index", "one-hot", "multi-label", "values"


def label_kind(labels: Array, width: int) -> str:
    """What the labels are.

    Args:
        labels: (N, ...).
        width: Numbers in the last axis of the output that they are for; 1 for a single column.

    Returns:
        "index", "one-hot", "multi-label" or "values".
    """
    flat = labels.reshape(len(labels), -1)
    whole = bool(np.isfinite(flat).all() and (flat == np.round(flat)).all())
    if labels.ndim > 1 and labels.shape[-1] == width and width > 1:
        if is_one_hot(labels):
            return ONE_HOT
        return MULTI if bool(np.isin(flat, (0, 1)).all()) else VALUES
    if width == 1:
        return INDEX if whole and bool(np.isin(flat, (-1, 0, 1)).all()) else VALUES
    return INDEX if whole else VALUES


def is_one_hot(labels: Array) -> bool:
    """Whether each row of the last axis holds a single one and zeros."""
    return bool(np.isin(labels, (0, 1)).all() and (labels.sum(axis=-1) == 1).all())


def count_classes(known: int | None, chosen: Array, labels: Array) -> int:
    """How many classes there are where a model gives the class itself.

    Args:
        known: What its file says; None to go by the numbers.
        chosen: The model's answers, class numbers.
        labels: Class numbers, of any shape.

    Raises:
        EdgeqError: There are more than can be counted one by one.
    """
    if known is not None:
        return max(known, int(chosen.max(initial=0)) + 1)
    largest = max(float(numbers.max(initial=0)) for numbers in (chosen, labels))
    if largest >= _MOST_CLASSES:
        raise EdgeqError(
            f"Class numbers go up to {largest:.0f}; at most {_MOST_CLASSES - 1} are counted where "
            "the model does not say how many classes it has.",
            hint="number the classes from 0 on, or convert with --head scores",
        )
    return int(largest) + 1


def class_numbers(labels: Array, classes: int) -> Array:
    """Labels, class numbers or one-hot, as class numbers (N,), int64.

    For two classes -1 and 1 are understood too.

    Raises:
        EdgeqError: They are labels of another problem, or beyond the model's classes.
    """
    if labels.ndim == 2 and labels.shape[1] == classes and classes > 1:
        if not (np.sort(labels, axis=1)[:, :-1] == 0).all():
            raise EdgeqError(
                "Labels have several ones per sample; accuracy needs one class each.",
                hint="--metric multi-label",
            )
        none = np.flatnonzero(~(labels.max(axis=1) > 0))
        if none.size:
            raise EdgeqError(
                f"Sample {none[0]} has no class: none of its {classes} labels is one "
                f"({none.size} of {len(labels)} samples are like that).",
                hint="leave such samples out, or --metric multi-label",
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
    low, high = int(labels.min()), int(labels.max())  # as they are: int64 does not hold them all
    if classes == 2 and low == -1 and bool(np.isin(labels, (-1, 1)).all()):
        return (labels.astype(np.int64) + 1) // 2
    if low < 0 or high >= classes:
        raise EdgeqError(
            f"Labels go from {low} to {high}; the model has the classes 0 to {classes - 1}."
        )
    return labels.astype(np.int64)
