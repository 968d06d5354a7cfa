"""Detectors: how boxes are read out of a model's answers, and which of them stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.model.decision import ONE

DETECTION = "FRONTEND_DETECTION"
FORMS = ("ssd", "grid", "cells", "none")
ORDERS = ("yxhw", "xywh", "yxyx", "xyxy")
BOX_WORDS = 2
"""Numbers that a box takes beside its event: xmin and ymin, xmax and ymax, of 16 bits each."""

_QUEUE_WORDS, _EVENT_WORDS = 3, 3


@dataclass(frozen=True)
class Level:
    """Anchors at the centres of a grid's cells, row by row; sizes are (width, height)."""

    rows: int
    columns: int
    sizes: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Anchors:
    """What a model's numbers for a box are measured from; lengths in parts of the picture.

    Attributes:
        kind: "ssd" (a box's centre in sizes of its anchor, the logarithm of its size), "grid"
            (YOLO: the centre in its cell), "cells" (a score for each cell, no boxes) or "none"
            (boxes as they are).
        boxes: Anchors one by one: (y, x, height, width) with the centre first.
        levels: Or by grids, one behind the other.
        sizes: (width, height) of a grid's anchors.
        order: The order of a box's four numbers.
        center_variance, size_variance: What they are multiplied by (kind ssd).
    """

    kind: str = "none"
    boxes: tuple[tuple[float, ...], ...] = ()
    levels: tuple[Level, ...] = ()
    sizes: tuple[tuple[float, float], ...] = ()
    order: str = "yxyx"
    center_variance: float = 1.0
    size_variance: float = 1.0


@dataclass(frozen=True)
class Detection:
    """How boxes are made of a model's answers, as a file says it.

    Attributes:
        labels: Names of the classes in the model's order; as in `Decision`.
        background: Classes that make no boxes.
        activation: "sigmoid" where the model gives logits, "none" for scores.
        objectness: Whether a score for any object at all stands before those of the classes.
        transposed: Whether all boxes' first numbers come first, then all their second ones.
        outputs: Positions of the outputs with boxes and with scores; empty to tell by shapes.
        threshold: Score that a box needs: one for all, or by label.
        iou_threshold: Of two boxes that overlap by more than this the stronger stays.
        max_detections, max_per_class: Of an answer, at the most.
        per_class: Whether only boxes of the same class are compared; else each place has the one
            class with the highest score.
        top_k: So many highest scores become boxes at all.
        queue: Events that wait to be taken; the oldest is lost where there are more.
    """

    labels: tuple[str, ...] = ()
    background: tuple[str, ...] = ()
    activation: str = "none"
    objectness: bool = False
    transposed: bool = False
    outputs: tuple[int, ...] = ()
    threshold: float | Mapping[str, float] = 0.5
    iou_threshold: float = 0.5
    max_detections: int = 10
    max_per_class: int = 10
    per_class: bool = True
    top_k: int = 100
    queue: int = 10
    anchors: Anchors = Anchors()


@dataclass(frozen=True)
class Layout:
    """Where the numbers of box b lie: number n at b * step + n * part.

    Attributes:
        y, x, h, w: Numbers of the box; of its corners where there is no centre.
        score: The first class's; `objectness` is -1 for none.
    """

    box_step: int
    box_part: int
    score_step: int
    score_part: int
    score: int
    objectness: int = -1
    y: int = 0
    x: int = 1
    h: int = 2
    w: int = 3


@dataclass(frozen=True, eq=False)
class BoxRules:
    """A detection for one model: integers only.

    Attributes:
        labels, thresholds: One a class, thresholds in 1/32768.
        count: Boxes that the model gives.
        layout: Where their numbers lie.
        source: Positions of the model's outputs with boxes and with scores.
        scores: Table of scores in 1/32768 by a number's value.
        centers, sizes: Tables in 1/65536: of the anchor, the cell, or the picture.
        wide: Whether boxes and scores are int16, whose tables have 513 places.
        corners: Whether a box's numbers are its corners.
        boxed: Whether there are numbers of boxes.
        anchored: Whether boxes are measured from anchors or cells.
        anchors: uint16 in 1/32768: (y, x, h, w) by box, or (h, w) of `levels`' cells.
        levels: int32 rows: rows, columns, anchors of a cell, the first of them.
        step_y, step_x: Of centres, in 1/32768; 0 for the anchor's own size.
        overlap: As `Detection.iou_threshold`, in 1/32768.
        most, most_of_class, per_class, top_k, queue: As in `Detection`.
        first, step: Samples until the first answer, and from one answer to the next.
        state: The tensor that holds what is remembered.
    """

    labels: tuple[str, ...]
    thresholds: tuple[int, ...]
    count: int
    layout: Layout
    source: tuple[int, int]
    scores: NDArray[np.int32]
    centers: NDArray[np.int32]
    sizes: NDArray[np.int32]
    wide: tuple[bool, bool]
    corners: bool
    boxed: bool
    anchored: bool
    anchors: NDArray[np.uint16]
    levels: NDArray[np.int32]
    step_y: int
    step_x: int
    overlap: int
    most: int
    most_of_class: int
    per_class: bool
    top_k: int
    queue: int
    first: int
    step: int
    state: int = -1

    full_scale = 1.0

    @property
    def state_words(self) -> int:
        """Numbers that are remembered: three, and the events that wait."""
        return _QUEUE_WORDS + self.event_words * self.queue

    @property
    def event_words(self) -> int:
        """Numbers of an event: label, score, sample, and its box."""
        return _EVENT_WORDS + BOX_WORDS

    @property
    def most_of_answer(self) -> int:
        """Events that one answer can make."""
        return min(self.most, self.queue)

    @property
    def firing(self) -> tuple[int, ...]:
        """The classes that can make events."""
        return tuple(c for c, limit in enumerate(self.thresholds) if limit < ONE)
