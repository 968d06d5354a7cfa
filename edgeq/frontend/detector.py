"""Detections in Python: the events and boxes that the C makes of the same answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeq.model.arrays import output_tensors
from edgeq.model.box_rules import numbers_of, read_tensors
from edgeq.model.decision import ONE, Event
from edgeq.model.detection import BoxRules, Detection
from edgeq.model.graph import Graph
from edgeq.support.array import Array

_MOST = 1 << 17  # of a box's sides: four pictures


def detect(
    answers: Sequence[Array], model: Graph, detection: Detection, rules: BoxRules
) -> list[list[Event]]:
    """The events of each of a model's answers, the strongest first.

    Args:
        answers: One array per output, of its type; the first axis counts them.
        model: The model.
        detection, rules: What the file says, and that for this model.
    """
    outputs = output_tensors(model.main)
    reads = read_tensors(detection, outputs, rules.source)
    boxes, scores = (
        numbers_of(answers[at], outputs[at], read)
        for at, read in zip(rules.source, reads, strict=True)
    )
    return [
        detect_one(scores[number], boxes[number], rules, number) for number in range(len(scores))
    ]


def detect_one(scores: Array, boxes: Array, rules: BoxRules, number: int = 0) -> list[Event]:
    """The events of one answer.

    Args:
        scores, boxes: int8 or int16, shape (numbers,); the same array where one output holds both.
        rules: The detection.
        number: Of the answer.
    """
    sample = (rules.first + number * rules.step) & 0xFFFFFFFF
    kept: list[tuple[int, tuple[int, int, int, int]]] = []
    events: list[Event] = []
    for score, at in _candidates(scores, rules):
        if len(kept) == rules.most:
            break
        box, label = divmod(at, len(rules.labels))
        found = _decoded(boxes, box, rules)
        rivals = [other for c, other in kept if c == label or not rules.per_class]
        if any(_overlaps(other, found, rules.overlap) for other in rivals):
            continue
        if sum(c == label for c, _ in kept) >= rules.most_of_class:
            continue
        kept.append((label, found))
        ymin, xmin, ymax, xmax = (min(max(side, 0), ONE - 1) for side in found)
        events.append(Event(label, score, sample, sample, (xmin, ymin, xmax, ymax)))
    return events[-rules.queue :]


def _candidates(numbers: Array, rules: BoxRules) -> list[tuple[int, int]]:
    """The highest scores, and at which place of (boxes, classes) they stand."""
    layout, classes = rules.layout, len(rules.labels)
    base = np.arange(rules.count)[:, None] * layout.score_step
    places = base + (layout.score + np.arange(classes)) * layout.score_part
    scores = _looked_up(rules.scores, numbers[places], wide=rules.wide[1])
    if layout.objectness >= 0:
        at = base + layout.objectness * layout.score_part
        scores = (scores * _looked_up(rules.scores, numbers[at], wide=rules.wide[1]) + 16384) >> 15
    limits = np.asarray(rules.thresholds)
    counted = np.where(limits < ONE, scores, -1)
    if not rules.per_class:
        best = np.zeros(counted.shape, bool)
        best[np.arange(rules.count), counted.argmax(axis=1)] = True
        counted = np.where(best, counted, -1)
    enough = np.flatnonzero((counted >= limits) & (counted >= 0))
    order = enough[np.argsort(-counted.reshape(-1)[enough], kind="stable")][: rules.top_k]
    return [(int(counted.reshape(-1)[at]), int(at)) for at in order]


def _looked_up(table: NDArray[np.int32], numbers: Array, *, wide: bool) -> NDArray[np.int64]:
    values = table.astype(np.int64)
    if not wide:
        return np.asarray(values[numbers.astype(np.int64) + 128])
    place = numbers.astype(np.int64) + 32768
    low, high = values[place >> 7], values[(place >> 7) + 1]
    return np.asarray(low + (((high - low) * (place & 127) + 64) >> 7))


def _anchor(rules: BoxRules, box: int) -> tuple[int, int, int, int]:
    """Centre and size of a box's anchor; the picture itself where there are none."""
    if not rules.anchored:
        return 0, 0, ONE, ONE
    table = rules.anchors.reshape(-1).tolist()
    if not len(rules.levels):
        y, x, h, w = table[4 * box : 4 * box + 4]
        return y, x, h, w
    levels = rules.levels.tolist()
    while box >= math.prod(levels[0][:3]):
        box -= math.prod(levels.pop(0)[:3])
    rows, columns, each, first = levels[0]
    cell, size = box // each, first + box % each
    row, column = divmod(cell, columns)
    y = ((2 * row + 1) * ONE + rows) // (2 * rows)
    x = ((2 * column + 1) * ONE + columns) // (2 * columns)
    return y, x, table[2 * size], table[2 * size + 1]


def _decoded(numbers: Array, box: int, rules: BoxRules) -> tuple[int, int, int, int]:
    """(ymin, xmin, ymax, xmax) in 1/32768, not yet cut at the picture."""
    layout = rules.layout
    moved = [0, 0, 1 << 16, 1 << 16]
    if rules.boxed:
        for k, at in enumerate((layout.y, layout.x, layout.h, layout.w)):
            value = numbers[[box * layout.box_step + at * layout.box_part]]
            table = rules.centers if k < 2 else rules.sizes
            moved[k] = int(_looked_up(table, value, wide=rules.wide[0])[0])
    if rules.corners:
        ymin, xmin, ymax, xmax = ((side + 1) >> 1 for side in moved)
        return ymin, xmin, ymax, xmax
    y, x, h, w = _anchor(rules, box)
    y += _times(rules.step_y or h, moved[0])
    x += _times(rules.step_x or w, moved[1])
    h, w = (min(max(_times(a, b), 0), _MOST) for a, b in ((h, moved[2]), (w, moved[3])))
    return y - (h >> 1), x - (w >> 1), y - (h >> 1) + h, x - (w >> 1) + w


def _times(a: int, b: int) -> int:
    return (a * b + 32768) >> 16


def _overlaps(a: tuple[int, int, int, int], b: tuple[int, int, int, int], overlap: int) -> bool:
    shared = _area(max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
    return shared * ONE > (_area(*a) + _area(*b) - shared) * overlap


def _area(ymin: int, xmin: int, ymax: int, xmax: int) -> int:
    return max(ymax - ymin, 0) * max(xmax - xmin, 0)
