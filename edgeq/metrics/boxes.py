"""Detected boxes: mean average precision."""

from __future__ import annotations

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.metrics.base import Figure, Samples, Score, score_of
from edgeq.metrics.curves import mean_of_known
from edgeq.metrics.intervals import Weigh
from edgeq.support.array import Array


def detection(samples: Samples) -> Score:
    """Mean average precision at an intersection over union of 0.5.

    Outputs are those of TFLite_Detection_PostProcess: boxes (N, D, 4) as ymin, xmin, ymax, xmax;
    classes (N, D); scores (N, D); count (N, 1). Labels are (N, K, 5): class and box, padded with
    rows of class -1.

    Source: PASCAL VOC 2010 and later: area under the interpolated precision-recall curve.

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
    kept = np.arange(boxes.shape[1])[None, :] < count.reshape(-1, 1)
    present = sorted({int(number) for number in labels[..., 0].ravel() if number >= 0})
    if not present:
        raise EdgeqError("No label holds a box.")
    parts = {
        number: _weigh_precision(
            boxes, scores, kept & (np.round(classes) == number), _of_class(labels, number)
        )
        for number in present
    }

    def mean(weights: Array) -> Array:
        return mean_of_known(np.stack([part(weights) for part in parts.values()], axis=1))

    each = {str(k): float(part(np.ones((1, n)))[0]) for k, part in parts.items()}
    figure = Figure(mean, 4 * len(parts) * max(1, boxes.shape[1]))
    return score_of({"map_50": figure}, n, {"average_precision": each})


def _of_class(labels: Array, number: int) -> list[Array]:
    return [rows[rows[:, 0] == number][:, 1:] for rows in labels]


def _weigh_precision(
    boxes: Array, scores: Array, kept: Array, truth: list[Array], overlap: float = 0.5
) -> Weigh:
    """Average precision of one class, for any weights of the images."""
    samples, slots = np.nonzero(kept)
    order = np.argsort(-scores[samples, slots], kind="stable")
    taken = [np.zeros(len(rows), bool) for rows in truth]
    hits = np.zeros(len(order))
    for position, pick in enumerate(order):
        sample = samples[pick]
        shared = _overlaps(boxes[sample, slots[pick]], truth[sample])
        if not len(shared):
            continue
        best = int(shared.argmax())
        # A second detection of the same object is a false one.
        if shared[best] >= overlap and not taken[sample][best]:
            taken[sample][best] = True
            hits[position] = 1.0
    images = samples[order]
    wanted = np.array([len(rows) for rows in truth], np.float64)

    def weigh(weights: Array) -> Array:
        found = np.cumsum(weights[:, images] * hits, axis=1)
        shown = np.cumsum(weights[:, images], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = found / (weights @ wanted)[:, None]
            precision = np.where(shown > 0, found / shown, 0.0)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        steps = np.diff(recall, prepend=0.0, axis=1)
        area: Array = (steps * envelope).sum(axis=1)
        return area

    return weigh


def _overlaps(box: Array, others: Array) -> Array:
    """Intersection over union of one box with each of the others."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / np.maximum(areas - shared, 1e-12))
