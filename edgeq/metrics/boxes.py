"""Detected boxes: mean average precision as COCO counts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.metrics.base import Figure, Samples, Score, score_of
from edgeq.metrics.curves import mean_of_known
from edgeq.metrics.intervals import Weigh
from edgeq.support.array import Array

OVERLAPS = tuple(k / 100 for k in range(50, 100, 5))
"""Intersections over union, of 0.5 to 0.95, over which the mean is taken."""

MOST_CLASSES = 1_000_000
"""Classes have numbers below it."""

_RECALLS = np.linspace(0, 1, 101)
_MOST_OF_CLASS = 100  # detections in an image


@dataclass(frozen=True, eq=False)
class _Detections:
    """All detections of a class, the strongest first, and what there is to find.

    Attributes:
        images: Which image each is of.
        boxes: Of the detections.
        truth: Boxes of the class by image.
    """

    images: Array
    boxes: Array
    truth: Sequence[Array]


def detection(samples: Samples) -> Score:
    """Mean average precision at an intersection over union of 0.5, and of 0.5 to 0.95.

    Outputs are those of TFLite_Detection_PostProcess: boxes (N, D, 4) as ymin, xmin, ymax, xmax;
    classes (N, D); scores (N, D); count (N, 1). Labels are (N, K, 5): class and box, padded with
    rows of class -1.

    Source: COCO's evaluation: at most 100 detections of a class in an image; each takes, in order
    of scores, the free object that it overlaps most; precision at 101 recalls.

    Raises:
        EdgeqError: Outputs or labels are no boxes, or no label holds one.
    """
    if len(samples.outputs) < 4 or samples.labels.ndim != 3 or samples.labels.shape[2] != 5:
        raise EdgeqError(
            "Detection wants the outputs boxes, classes, scores and count, and labels of shape "
            f"(N, K, 5); there are {len(samples.outputs)} outputs and labels of shape "
            f"{samples.labels.shape}."
        )
    boxes, classes, scores, count = samples.outputs[:4]
    labels, n = samples.labels, len(samples.labels)
    if boxes.shape != (*scores.shape[:2], 4) or classes.shape != scores.shape or count.size != n:
        raise EdgeqError(
            "Detection wants the outputs boxes (N, D, 4), classes (N, D), scores (N, D) and count "
            f"(N, 1); they have the shapes {', '.join(str(o.shape) for o in samples.outputs[:4])}."
        )
    check_boxes(labels, "the labels")
    kept = np.arange(boxes.shape[1])[None, :] < count.reshape(-1, 1)
    present = sorted({int(number) for number in labels[..., 0].ravel() if number >= 0})
    if not present:
        raise EdgeqError("No label holds a box.")
    parts: dict[int, list[Weigh]] = {}
    for number in present:
        found = _detections(boxes, scores, kept & (np.round(classes) == number), labels, number)
        parts[number] = [_weigh_precision(found, overlap) for overlap in OVERLAPS]
    one = np.ones((1, n))
    low = {str(number): float(part[0](one)[0]) for number, part in parts.items()}
    all_of = {
        str(number): float(np.mean([weigh(one)[0] for weigh in part]))
        for number, part in parts.items()
    }
    cost = 4 * len(parts) * max(1, boxes.shape[1])
    figures = {
        "map_50": Figure(_mean([part[0] for part in parts.values()]), cost),
        "map_50_95": Figure(
            _mean([weigh for part in parts.values() for weigh in part]), cost * len(OVERLAPS)
        ),
    }
    details = {"average_precision": low, "average_precision_50_95": all_of}
    return score_of(figures, n, details)


def check_boxes(labels: Array, where: str, classes: int = MOST_CLASSES) -> None:
    """Refuse labels that are no boxes of classes.

    Args:
        labels: (N, K, 5): class and ymin, xmin, ymax, xmax; rows of class -1 are none.
        where: What they are, for messages.
        classes: How many there are.

    Raises:
        EdgeqError: A class is no whole number from -1 to the last one, or the first corner of a
            box is not before the second.
    """
    numbers, there = labels[..., 0], labels[..., 0] != -1
    known = (numbers == np.floor(numbers)) & (numbers >= 0) & (numbers < classes)
    for sample, slot in np.argwhere(there & ~known)[:1]:
        upto = f"from 0 to {classes - 1}" if classes < MOST_CLASSES else "from 0 on"
        raise EdgeqError(
            f"The label {numbers[sample, slot]:g} is no class: whole numbers {upto}, or -1.",
            f"{where}, sample {sample}",
            "classes count from 0" if numbers[sample, slot] >= 1 else "",
        )
    ymin, xmin, ymax, xmax = np.moveaxis(labels[..., 1:], -1, 0)
    turned = there & ~((ymin < ymax) & (xmin < xmax))  # NaN too
    for sample, slot in np.argwhere(turned)[:1]:
        corners = ", ".join(f"{side:g}" for side in labels[sample, slot, [2, 1, 4, 3]])
        raise EdgeqError(
            f"{corners} are no corners of a box, xmin, ymin, xmax, ymax.",
            f"{where}, sample {sample}",
            "of a centre and a size: centre - size / 2 and centre + size / 2",
        )


def _mean(parts: Sequence[Weigh]) -> Weigh:
    """The mean of several figures."""

    def mean(weights: Array) -> Array:
        return mean_of_known(np.stack([part(weights) for part in parts], axis=1))

    return mean


def _detections(
    boxes: Array, scores: Array, kept: Array, labels: Array, number: int
) -> _Detections:
    ranks = np.argsort(np.argsort(np.where(kept, -scores, np.inf), axis=1, kind="stable"), axis=1)
    images, slots = np.nonzero(kept & (ranks < _MOST_OF_CLASS))
    order = np.argsort(-scores[images, slots], kind="stable")
    images, slots = images[order], slots[order]
    truth = [rows[rows[:, 0] == number][:, 1:] for rows in labels]
    return _Detections(images, boxes[images, slots], truth)


def _weigh_precision(found: _Detections, overlap: float) -> Weigh:
    """Average precision of one class, for any weights of the images."""
    taken = [np.zeros(len(rows), bool) for rows in found.truth]
    hits = np.zeros(len(found.images))
    for position, (image, box) in enumerate(zip(found.images, found.boxes, strict=True)):
        # A second detection of the same object is a false one.
        shared = np.where(taken[image], -1.0, _overlaps(box, found.truth[image]))
        if not len(shared):
            continue
        best = len(shared) - 1 - int(shared[::-1].argmax())
        if shared[best] >= overlap:
            taken[image][best] = True
            hits[position] = 1.0
    wanted = np.array([len(rows) for rows in found.truth], np.float64)

    def weigh(weights: Array) -> Array:
        shown = np.cumsum(weights[:, found.images], axis=1)
        right = np.cumsum(weights[:, found.images] * hits, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = right / (weights @ wanted)[:, None]
            precision = np.where(shown > 0, right / shown, 0.0)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        envelope = np.pad(envelope, ((0, 0), (0, 1)))  # what is never recalled
        areas = [
            float(row[np.searchsorted(reached, _RECALLS)].mean())
            for row, reached in zip(envelope, recall, strict=True)
        ]
        return np.where(weights @ wanted > 0, areas, np.nan)

    return weigh


def _overlaps(box: Array, others: Array) -> Array:
    """Intersection over union of one box with each of the others."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / np.maximum(areas - shared, 1e-12))
