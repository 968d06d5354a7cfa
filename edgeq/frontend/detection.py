"""The table [decision] of a detector, checked before it is believed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgeq.errors import EdgeqError, first_few
from edgeq.frontend.decision import is_number, texts
from edgeq.model.detection import FORMS, ORDERS, Anchors, Detection, Level

_TABLE = ("kind", "labels", "background", "activation", "objectness", "transposed", "outputs",
          "queue", "anchors", "nms")  # fmt: skip
_NMS = ("score_threshold", "iou_threshold", "max_detections", "max_per_class", "per_class", "top_k")
_ANCHORS = {
    "ssd": ("kind", "boxes", "levels", "order", "center_variance", "size_variance"),
    "grid": ("kind", "sizes", "order"),
    "cells": ("kind", "sizes"),
    "none": ("kind", "order"),
}
_MOST_DETECTIONS, _MOST_CANDIDATES, _MOST_BOXES = 255, 4096, 1 << 15


def read_detection(given: Mapping[str, Any], where: str) -> Detection:
    """A detection from the values of its table.

    Raises:
        EdgeqError: It makes no sense: all of it at once.
    """
    problems = [f"{key} is unknown" for key in sorted(set(given) - set(_TABLE))]
    anchors = _anchors(_table(given, "anchors", problems), problems)
    nms = _table(given, "nms", problems)
    problems += [f"nms.{key} is unknown" for key in sorted(set(nms) - set(_NMS))]
    most = _whole(nms, "max_detections", 10, _MOST_DETECTIONS, problems)
    labels, background = (texts(key, given.get(key, []), problems) for key in _TABLE[1:3])
    if labels and set(labels) <= set(background):
        problems.append("all classes are background")
    grid = anchors.kind == "grid"
    made = Detection(
        labels=labels,
        background=background,
        activation=_chosen(
            given, "activation", ("none", "sigmoid"), "sigmoid" if grid else "none", problems
        ),
        objectness=_flag(given, "objectness", grid, problems),
        transposed=_flag(given, "transposed", False, problems),
        outputs=_positions(given.get("outputs", []), problems),
        threshold=_limits(nms.get("score_threshold", 0.5), problems),
        iou_threshold=_limit("iou_threshold", nms.get("iou_threshold", 0.5), problems),
        max_detections=most,
        max_per_class=_whole(nms, "max_per_class", most, _MOST_DETECTIONS, problems),
        per_class=_flag(nms, "per_class", True, problems),
        top_k=_whole(nms, "top_k", max(100, most), _MOST_CANDIDATES, problems),
        queue=_whole(given, "queue", most, 255, problems),
        anchors=anchors,
    )
    for key in ("top_k", "queue"):
        if getattr(made, key) < most:
            problems.append(f"{key} is {getattr(made, key)}, fewer than max_detections, {most}")
    if made.transposed and anchors.kind in ("grid", "cells"):
        problems.append(f"transposed has no meaning for {anchors.kind}")
    if problems:
        raise EdgeqError(f"The decision makes no sense: {'; '.join(first_few(problems))}.", where)
    return made


def _anchors(given: Mapping[str, Any], problems: list[str]) -> Anchors:
    kind = _chosen(given, "kind", FORMS, "none", problems)
    unknown = sorted(set(given) - set(_ANCHORS[kind]))
    problems += [f"anchors.{key} has no meaning for {kind}" for key in unknown]
    allowed = ORDERS if kind == "none" else ORDERS[:2]
    usual = {"ssd": "yxhw", "grid": "xywh"}.get(kind, "yxyx")
    order = usual if kind == "cells" else _chosen(given, "order", allowed, usual, problems)
    boxes = _rows("boxes", given.get("boxes", []), 4, problems)
    levels = given.get("levels", [])
    if not isinstance(levels, list):
        problems.append("anchors.levels is no list of tables")
        levels = []
    made = Anchors(
        kind,
        boxes,
        tuple(_level(each, problems) for each in levels),
        _rows("sizes", given.get("sizes", []), 2, problems),  # type: ignore[arg-type]
        order if kind != "cells" else "yxhw",
        _factor(given, "center_variance", problems),
        _factor(given, "size_variance", problems),
    )
    if kind == "ssd" and bool(made.boxes) == bool(made.levels):
        problems.append("anchors has no boxes or levels, or both")
    if kind == "grid" and not made.sizes:
        problems.append("anchors.sizes is missing: (width, height) of the anchors of a cell")
    if kind == "cells" and len(made.sizes) > 1:
        problems.append("anchors.sizes is one size for all cells")
    return made


def _level(given: Any, problems: list[str]) -> Level:
    if not isinstance(given, Mapping) or set(given) != {"rows", "columns", "sizes"}:
        problems.append(f"a level is {given!r:.100}, not {{rows, columns, sizes}}")
        return Level(1, 1, ((1.0, 1.0),))
    rows, columns = (_whole(given, key, 1, 1024, problems) for key in ("rows", "columns"))
    sizes = _rows("sizes", given["sizes"], 2, problems)
    if not sizes:
        problems.append("a level has no sizes")
    return Level(rows, columns, sizes)  # type: ignore[arg-type]


def _rows(key: str, given: Any, width: int, problems: list[str]) -> tuple[tuple[float, ...], ...]:
    """Rows of lengths in parts of the picture."""
    rows: list[Any] = list(given) if isinstance(given, list | tuple) else [None]
    right = all(
        isinstance(row, list | tuple)
        and len(row) == width
        and all(is_number(value) and 0 <= value < 2 for value in row)
        for row in rows
    )
    if not right or len(rows) > _MOST_BOXES:
        problems.append(
            f"anchors.{key} is no list of {width} numbers each, parts of the picture from 0 to 2"
        )
        return ()
    return tuple(tuple(float(value) for value in row) for row in rows)


def _table(given: Mapping[str, Any], key: str, problems: list[str]) -> Mapping[str, Any]:
    value = given.get(key, {})
    if isinstance(value, Mapping):
        return value
    problems.append(f"{key} is no table")
    return {}


def _chosen(
    given: Mapping[str, Any], key: str, allowed: tuple[str, ...], usual: str, problems: list[str]
) -> str:
    value = given.get(key, usual)
    if value in allowed:
        return str(value)
    problems.append(f"{key} is {value!r:.100}, not one of {', '.join(allowed)}")
    return usual


def _flag(given: Mapping[str, Any], key: str, usual: bool, problems: list[str]) -> bool:
    value = given.get(key, usual)
    if not isinstance(value, bool):
        problems.append(f"{key} is {value!r:.100}, neither true nor false")
    return bool(value)


def _whole(given: Mapping[str, Any], key: str, usual: int, most: int, problems: list[str]) -> int:
    value = given.get(key, usual)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        problems.append(f"{key} is {value!r:.100}, no integer from 1 to {most}")
        return usual
    return value


def _factor(given: Mapping[str, Any], key: str, problems: list[str]) -> float:
    value = given.get(key, 1.0)
    if not is_number(value) or not 0 < value <= 100:
        problems.append(f"anchors.{key} is {value!r:.100}, no number above 0")
        return 1.0
    return float(value)


def _positions(value: Any, problems: list[str]) -> tuple[int, ...]:
    right = isinstance(value, list | tuple) and len(value) in (0, 1, 2)
    if not right or not all(type(each) is int and each >= 0 for each in value):
        problems.append(f"outputs is {value!r:.100}, not [BOXES, SCORES] as positions from 0")
        return ()
    return tuple(value)


def _limits(value: Any, problems: list[str]) -> float | Mapping[str, float]:
    if not isinstance(value, Mapping):
        return _limit("score_threshold", value, problems)
    return {k: _limit(f"score_threshold of {k}", each, problems) for k, each in value.items()}


def _limit(key: str, value: Any, problems: list[str]) -> float:
    if not is_number(value) or not 0 <= value <= 1 or not math.isfinite(value):
        problems.append(f"{key} is {value!r:.100}, no number from 0 to 1")
        return 0.5
    return float(value)
