"""Average precision of detected boxes."""

from __future__ import annotations

import numpy as np

from edgeq.support.array import Array


def mean_average_precision(
    boxes: Array, classes: Array, scores: Array, count: Array, labels: Array, overlap: float = 0.5
) -> dict[str, float]:
    """Average precision per class that occurs in the labels.

    Args:
        boxes: (N, D, 4), ymin, xmin, ymax, xmax.
        classes: (N, D).
        scores: (N, D).
        count: (N, 1), how many of the D detections count.
        labels: (N, K, 5), class and box; rows of class -1 are padding.
        overlap: Intersection over union from which a detection is a hit.

    Source: PASCAL VOC 2010 and later: area under the interpolated precision-recall curve.
    """
    kept = np.arange(boxes.shape[1])[None, :] < count.reshape(-1, 1)
    present = sorted({int(number) for number in labels[..., 0].ravel() if number >= 0})
    return {
        str(number): _average_precision(
            boxes, scores, kept & (np.round(classes) == number), _of_class(labels, number), overlap
        )
        for number in present
    }


def _of_class(labels: Array, number: int) -> list[Array]:
    return [rows[rows[:, 0] == number][:, 1:] for rows in labels]


def _average_precision(
    boxes: Array, scores: Array, kept: Array, truth: list[Array], overlap: float
) -> float:
    samples, slots = np.nonzero(kept)
    order = np.argsort(-scores[samples, slots], kind="stable")
    taken = [np.zeros(len(rows), bool) for rows in truth]
    hits = np.zeros(len(order), bool)
    for position, pick in enumerate(order):
        sample = samples[pick]
        shared = _overlaps(boxes[sample, slots[pick]], truth[sample])
        if not len(shared):
            continue
        best = int(shared.argmax())
        # A second detection of the same object is a false one.
        if shared[best] >= overlap and not taken[sample][best]:
            taken[sample][best] = True
            hits[position] = True
    found = np.cumsum(hits)
    recall = found / sum(len(rows) for rows in truth)
    precision = found / np.arange(1, len(order) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * envelope).sum())


def _overlaps(box: Array, others: Array) -> Array:
    """Intersection over union of one box with each of the others."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / np.maximum(areas - shared, 1e-12))
