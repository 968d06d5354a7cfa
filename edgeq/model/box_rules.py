"""A detection for one model: where its numbers lie, and tables of what they mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import EdgeqError, first_few
from edgeq.model.arrays import quantize
from edgeq.model.decision import NEVER, ONE, score_units
from edgeq.model.detection import Anchors, BoxRules, Detection, Layout
from edgeq.model.graph import Quantization, Tensor
from edgeq.model.scores import as_int8, check_scores
from edgeq.support.array import Array
from edgeq.support.text import twice_named

_FAR = 4.0  # anchors away, or pictures wide: what is further is cut
_LARGEST = 64.0  # times its anchor
# float32 answers become int16 of these scales: scores, logits, offsets, boxes in parts.
_SCALES = {"none": 1 / ONE, "sigmoid": 16 / ONE, "offsets": 32 / ONE, "parts": 4 / ONE}


@dataclass(frozen=True)
class _Place:
    """What was found in the shapes: how many boxes, how many numbers each has, and where."""

    source: tuple[int, int]
    count: int
    classes: int
    layout: Layout
    rows: int = 0
    columns: int = 0


def box_rules_of(
    detection: Detection,
    outputs: Sequence[Tensor],
    first: int,
    step: int,
    *,
    labels: Sequence[str] = (),
    where: str = "decision",
) -> BoxRules:
    """A detection for a model with such outputs.

    Args:
        detection: What the file says.
        outputs: Of the model, in order.
        first, step: Samples until the first answer, and from one answer to the next.
        labels: Of the model's metadata.
        where: What to blame.

    Raises:
        EdgeqError: It does not fit: all of it at once.
    """
    place = _place(detection, outputs, where)
    names = detection.labels or (tuple(labels) if len(labels) == place.classes else ())
    names = names or tuple(str(number) for number in range(place.classes))
    problems = []
    if len(names) != place.classes:
        problems.append(f"{len(names)} labels stand there and the model has {place.classes}")
    limits = detection.threshold if isinstance(detection.threshold, Mapping) else {}
    if twice := twice_named(names):
        problems.append(f"several classes of the model are called {', '.join(twice)}: labels = ...")
    unknown = sorted({*detection.background, *limits} - set(names))
    if unknown:
        problems.append(f"{', '.join(unknown)}: no label of {', '.join(names)}")
    if problems:
        raise EdgeqError(
            f"The decision does not fit the model: {'; '.join(first_few(problems))}.", where
        )
    _check_outputs(detection, outputs, place, where)
    kind = detection.anchors.kind
    boxes, scores = read_tensors(detection, outputs, place.source)
    anchors, levels = _anchor_tables(detection.anchors, place)
    centers, sizes = _box_tables(detection, boxes)
    return BoxRules(
        labels=names,
        thresholds=tuple(
            NEVER if name in detection.background else score_units(detection.threshold, name, 1.0)
            for name in names
        ),
        count=place.count,
        layout=place.layout,
        source=place.source,
        scores=_table(scores, _activation(detection.activation), ONE, 0, 1 - 1 / ONE),
        centers=centers,
        sizes=sizes,
        wide=(boxes.dtype == "int16", scores.dtype == "int16"),
        corners=kind == "none" and detection.anchors.order in ("yxyx", "xyxy"),
        boxed=kind != "cells",
        anchored=kind != "none",
        anchors=anchors,
        levels=levels,
        step_y=_step(kind, place.rows),
        step_x=_step(kind, place.columns),
        overlap=round(detection.iou_threshold * ONE),
        most=detection.max_detections,
        most_of_class=detection.max_per_class,
        per_class=detection.per_class,
        top_k=min(detection.top_k, place.count * place.classes),
        queue=detection.queue,
        first=first,
        step=step,
    )


def read_tensors(
    detection: Detection, outputs: Sequence[Tensor], source: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The outputs with boxes and with scores in the form that they are read in: int8 or int16."""
    kind = detection.anchors.kind
    of_boxes = _SCALES["parts" if kind == "none" else "offsets"]
    of_scores = _SCALES[detection.activation]
    if source[0] == source[1]:
        of_boxes = of_scores = of_scores if kind == "cells" else max(of_boxes, of_scores)
    return _read(outputs[source[0]], of_boxes), _read(outputs[source[1]], of_scores)


def _read(answer: Tensor, scale: float) -> Tensor:
    if answer.dtype == "uint8":
        return as_int8(answer)
    if answer.dtype != "float32":
        return answer
    held = Quantization(np.asarray([scale], np.float32), np.zeros(1, np.int64))
    return replace(answer, dtype="int16", quantization=held, dynamic_axes=())


def numbers_of(answers: Array, answer: Tensor, read: Tensor) -> Array:
    """Answers as the generated C reads boxes from them.

    Args:
        answers: Of the output's type; the first axis counts them.
        answer: The model's output.
        read: `read_tensor` of it.

    Returns:
        int8 or int16, shape (answers, numbers).
    """
    rows = answers.reshape(len(answers), -1)
    if rows.dtype.kind == "f":
        return quantize(rows, read)
    if answer.dtype == "uint8":
        return np.asarray(rows.astype(np.int16) - 128, np.int8)
    return rows


def _check_outputs(
    detection: Detection, outputs: Sequence[Tensor], place: _Place, where: str
) -> None:
    for index in set(place.source):
        tensor = outputs[index]
        known = tensor.dtype == "float32" or tensor.quantization is not None
        if tensor.dtype not in ("int8", "uint8", "int16", "float32") or not known:
            raise EdgeqError(
                f"Output {index} is {tensor.dtype} without a scale; boxes are read from int8, "
                "uint8, int16 and float32.",
                where,
            )
    alone = place.source[0] != place.source[1] or detection.anchors.kind == "cells"
    if detection.activation == "none" and alone:
        check_scores(
            outputs[place.source[1]], 1.0, where,
            'activation = "sigmoid" under [decision], or a model with softmax or sigmoid at its '
            "end",
        )  # fmt: skip


def _place(d: Detection, outputs: Sequence[Tensor], where: str) -> _Place:
    """What the outputs' shapes say.

    Raises:
        EdgeqError: They are not those of such a detector.
    """
    kind = d.anchors.kind
    boxes, scores = source = _source(d, outputs, where)
    if boxes != scores and kind in ("ssd", "none"):
        return _apart(d, outputs, source, where)
    shape = outputs[scores].shape[1:]
    numbers = math.prod(shape)
    if not shape or not numbers:
        raise EdgeqError(f"The output {list(outputs[scores].shape)} has no place for boxes.", where)
    rows = columns = 0
    if kind in ("grid", "cells"):
        if len(shape) < 3:
            raise EdgeqError(
                f"The output {list(outputs[scores].shape)} has no rows and columns of cells.",
                where,
                "(1, rows, columns, numbers), of a model that does not flatten them",
            )
        rows, columns = shape[:2]
        count = rows * columns * (len(d.anchors.sizes) if kind == "grid" else 1)
    elif kind == "ssd":
        count = _anchors(d.anchors)
    else:
        each = shape[0] if d.transposed else shape[-1]
        count = numbers // each
    each, rest = divmod(numbers, count)
    before = (0 if kind == "cells" else 4) + d.objectness
    if rest or each <= before:
        raise EdgeqError(
            f"The output {list(outputs[scores].shape)} holds {numbers} numbers, which are not "
            f"{before} and some classes for each of {count} boxes.",
            where,
        )
    layout = Layout(
        *((1, count) if d.transposed else (each, 1)),
        *((1, count) if d.transposed else (each, 1)),
        score=before,
        objectness=before - 1 if d.objectness else -1,
        **_order(d.anchors.order),
    )
    return _Place(source, count, each - before, layout, rows, columns)


def _apart(d: Detection, outputs: Sequence[Tensor], source: tuple[int, int], where: str) -> _Place:
    """Boxes in one output, scores in another."""
    boxes, scores = (outputs[i] for i in source)
    count, rest = divmod(boxes.elements, 4)
    classes, left = divmod(scores.elements, max(count, 1))
    wanted = _anchors(d.anchors) if d.anchors.kind == "ssd" else count
    if rest or left or not classes or wanted != count:
        against = f" and {wanted} anchors" if wanted != count else ""
        raise EdgeqError(
            f"Outputs of shape {list(boxes.shape)} for boxes and {list(scores.shape)} for scores"
            f"{against} do not belong together.",
            where,
            "outputs = [BOXES, SCORES] under [decision] says which they are",
        )
    if classes <= d.objectness:
        raise EdgeqError("Behind the objectness no class is left.", where)
    layout = Layout(
        *((1, count) if d.transposed else (4, 1)),
        *((1, count) if d.transposed else (classes, 1)),
        score=int(d.objectness),
        objectness=0 if d.objectness else -1,
        **_order(d.anchors.order),
    )
    return _Place(source, count, classes - d.objectness, layout)


def _source(d: Detection, outputs: Sequence[Tensor], where: str) -> tuple[int, int]:
    """Which outputs hold boxes and scores."""
    if d.outputs:
        if max(d.outputs) >= len(outputs):
            raise EdgeqError(
                f"outputs is {list(d.outputs)}, and the model has {len(outputs)}.", where
            )
        return d.outputs[0], d.outputs[-1]
    if d.anchors.kind in ("grid", "cells") or len(outputs) == 1:
        return 0, 0
    if len(outputs) == 2:
        axis = 1 if d.transposed else -1
        fours = [i for i, t in enumerate(outputs) if len(t.shape) > 1 and t.shape[axis] == 4]
        if len(fours) == 1:
            return fours[0], 1 - fours[0]
    raise EdgeqError(
        f"Which of the model's {len(outputs)} outputs are boxes and scores?",
        where,
        "outputs = [BOXES, SCORES] under [decision], as positions",
    )


def _order(order: str) -> dict[str, int]:
    y, x = order.index("y"), order.index("x")
    if order in ("yxyx", "xyxy"):
        return {"y": y, "x": x, "h": y + 2, "w": x + 2}
    return {"y": y, "x": x, "h": order.index("h"), "w": order.index("w")}


def _anchors(anchors: Anchors) -> int:
    if anchors.boxes:
        return len(anchors.boxes)
    return sum(level.rows * level.columns * len(level.sizes) for level in anchors.levels)


def _anchor_tables(a: Anchors, place: _Place) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    if a.boxes:
        return _parts(a.boxes), np.zeros((0, 4), np.int32)
    levels = [(level.rows, level.columns, level.sizes) for level in a.levels]
    if a.kind in ("grid", "cells"):
        cell = (1 / place.columns, 1 / place.rows)
        levels = [(place.rows, place.columns, a.sizes or (cell,))]
    rows: list[tuple[int, ...]] = []
    sizes: list[tuple[float, float]] = []
    for height, width, each in levels:
        rows.append((height, width, len(each), len(sizes)))
        sizes += [(h, w) for w, h in each]
    return _parts(sizes or [(0.0, 0.0)]), np.asarray(rows, np.int32).reshape(-1, 4)


def _parts(values: Sequence[Sequence[float]]) -> NDArray[np.uint16]:
    fixed = np.rint(np.asarray(values, np.float64) * ONE)
    return np.clip(fixed, 0, 2 * ONE - 1).astype(np.uint16)


def _box_tables(d: Detection, boxes: Tensor) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """What numbers of a box mean in 1/65536: for centres and for sizes."""
    a, one = d.anchors, 2 * ONE
    if a.kind == "none":
        places = _table(boxes, _same, one, -_FAR, _FAR)
        return places, places if a.order in ("yxyx", "xyxy") else _table(boxes, _same, one, 0, _FAR)
    most = math.log(_LARGEST)
    if a.kind == "grid":
        inside = _activation(d.activation)
        return (
            _table(boxes, lambda x: inside(x) - 0.5, one, -_FAR, _FAR),
            _table(boxes, lambda x: np.exp(np.minimum(x, most)), one, 0, _LARGEST),
        )
    return (
        _table(boxes, lambda x: x * a.center_variance, one, -_FAR, _FAR),
        _table(boxes, lambda x: np.exp(np.minimum(x * a.size_variance, most)), one, 0, _LARGEST),
    )


_Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _same(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(x, -700, 700)))
    return found


def _activation(name: str) -> _Curve:
    return _sigmoid if name == "sigmoid" else _same


def _table(tensor: Tensor, curve: _Curve, one: int, low: float, high: float) -> NDArray[np.int32]:
    """The curve at all values of int8, or at 513 of int16, between which lines are drawn."""
    wide = tensor.dtype == "int16"
    at = np.arange(513) * 128 - 32768 if wide else np.arange(256) - 128
    real = (at - tensor.zero_point) * float(tensor.scale)
    found = curve(real.astype(np.float64))
    return np.rint(np.clip(found, low, high) * one).astype(np.int32)


def _step(kind: str, cells: int) -> int:
    """How far a centre is moved by 1, in 1/32768; 0 for the size of its anchor."""
    if kind == "ssd":
        return 0
    return round(ONE / cells) if kind == "grid" else ONE
