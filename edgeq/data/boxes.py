"""Objects in pictures: `boxes.csv` beside a folder of images, or boxes and labels in an .npz."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeq.data.arrays import open_arrays, read_columns
from edgeq.data.base import Labels, Request, Row, Source
from edgeq.data.dialect import find_dialect
from edgeq.data.folders import files_below
from edgeq.data.images import IMAGE_SUFFIXES, image_mode, image_size, read_image
from edgeq.data.labels import listed, plain_number
from edgeq.errors import EdgeqError
from edgeq.metrics.boxes import MOST_CLASSES, check_boxes
from edgeq.support.array import Array
from edgeq.support.foreign import MOST_FILE_BYTES, read_bytes

BOX_FILE = "boxes.csv"
COLUMNS = ("file", "xmin", "ymin", "xmax", "ymax", "label")
BOX_KEYS = ("boxes", "labels")
_WANTED = f"columns {', '.join(COLUMNS)}; pixels of the image"
_SLACK = 1.0  # pixels that annotations may reach out of a picture


@dataclass(frozen=True)
class Annotation:
    """One object: its box in pixels, (xmin, ymin, xmax, ymax), its class, and where that stands."""

    box: tuple[float, ...]
    label: str
    where: str


def open_box_folder(path: Path, request: Request) -> Source:
    """Samples from a folder of images with a `boxes.csv`.

    Images without a line hold nothing. A label is an array of rows: class, and ymin, xmin, ymax,
    xmax in parts of the picture; rows of class -1 fill it up.

    Raises:
        EdgeqError: No images, boxes of a file that is not there, or a line that makes no sense.
    """
    spec = request.single_input(str(path), "a folder of images")
    image_mode(spec, str(path))
    if request.options.resize != "stretch":
        raise EdgeqError(
            f"--resize {request.options.resize} would move the boxes.", str(path), "stretch"
        )
    found = read_boxes(path / BOX_FILE)
    files = [file for file in files_below(path) if file.suffix.lower() in IMAGE_SUFFIXES]
    names = {file.relative_to(path).as_posix(): file for file in files}
    strange = [name for name in found if name not in names]
    if strange:
        raise EdgeqError(f"There is no image '{strange[0]}'.", found[strange[0]][0].where)
    numbers = _class_numbers(
        {each.label: each.where for annotations in found.values() for each in annotations}, request
    )
    _warn_of_ones(np.asarray(list(numbers.values())), request)
    most = max((len(each) for each in found.values()), default=0)

    def label(name: str, content: bytes) -> Array:
        return _rows(found.get(name, ()), numbers, image_size(content), most)

    listing = list(names.items())

    def some(places: Sequence[int]) -> Iterator[Row]:
        for name, file in (listing[place] for place in places):
            content = read_bytes(file, "image", MOST_FILE_BYTES)
            pixels = read_image(content, spec, request, str(file))
            yield [pixels], label(name, content), str(file)

    def rows() -> Iterator[Row]:
        return some(range(len(listing)))

    return Source(str(path), rows, "images", len(files), labels=lambda: _plain(path), some=some)


def open_box_arrays(path: Path, request: Request) -> Source:
    """Samples of an .npz with `boxes` (N, K, 4) and `labels` (N, K) beside the pictures.

    Boxes are xmin, ymin, xmax, ymax in parts of the picture; labels are class numbers, -1 for
    places without a box.

    Raises:
        EdgeqError: The arrays do not fit each other, or boxes lie outside the picture.
    """
    columns = read_columns(path)
    boxes, labels = (columns[key].whole() for key in BOX_KEYS)
    if boxes.dtype.kind not in "fiu" or labels.dtype.kind not in "fiuUS":
        raise EdgeqError(
            f"boxes of type {boxes.dtype} and labels of type {labels.dtype} are none.",
            str(path),
            "boxes are numbers; labels are class numbers or names",
        )
    if boxes.ndim != 3 or boxes.shape != (*labels.shape, 4):
        raise EdgeqError(
            f"boxes of shape {boxes.shape} and labels of shape {labels.shape} do not fit: "
            "(N, K, 4) and (N, K).",
            str(path),
        )
    numbers = _numbered(labels, f"{path}:labels", request)
    outside = (numbers != -1) & ~((boxes >= 0) & (boxes <= 1)).all(-1)
    if outside.any():
        raise EdgeqError(
            "Boxes are no parts of the picture from 0 to 1.",
            f"{path}:boxes, sample {np.argwhere(outside)[0][0]}",
            "divide x by the picture's width and y by its height",
        )
    whole = np.concatenate([numbers[..., None], boxes[..., [1, 0, 3, 2]]], axis=-1)
    check_boxes(whole, str(path), _count(request))
    _warn_of_ones(numbers, request)
    inner = open_arrays(path, replace(request, labelled=False))
    if inner.count != len(whole):
        raise EdgeqError(f"{inner.count} pictures and boxes of {len(whole)}.", str(path))

    def rows() -> Iterator[Row]:
        for (arrays, _, where), label in zip(inner.rows(), whole, strict=True):
            yield arrays, label, where

    def some(places: Sequence[int]) -> Iterator[Row]:
        assert inner.some is not None
        for (arrays, _, where), place in zip(inner.some(places), places, strict=True):
            yield arrays, whole[place], where

    return replace(inner, rows=rows, labels=lambda: _plain(path), some=some)


def has_boxes(path: Path) -> bool:
    """Whether an .npz file holds boxes and labels."""
    if path.suffix.lower() != ".npz":
        return False
    return set(BOX_KEYS) <= set(read_columns(path))


def _plain(path: Path) -> Labels:
    """What tells that labels are numbers."""
    yield np.zeros((1, 5)), str(path)


def read_boxes(path: Path) -> dict[str, list[Annotation]]:
    """What a file of boxes says, by image.

    Raises:
        EdgeqError: It has other columns, or a line makes no sense.
    """
    dialect = find_dialect(path, "label")
    found: dict[str, list[Annotation]] = {}
    for where, (name, *corners, label) in dialect.columns(path, COLUMNS, _WANTED):
        try:
            box = tuple(dialect.number(corner) for corner in corners)
        except ValueError:
            box = (math.nan,) * 4
        if not all(map(math.isfinite, box)) or not (box[0] < box[2] and box[1] < box[3]):
            raise EdgeqError(f"{', '.join(corners)} are no corners of a box.", where, _WANTED)
        if not name or not label:
            raise EdgeqError("The file or the label is empty.", where)
        found.setdefault(name.replace("\\", "/"), []).append(Annotation(box, label, where))
    return found


def _numbered(labels: Array, where: str, request: Request) -> Array:
    """Labels (N, K) as numbers of classes, -1 for none; an empty name is none."""
    if labels.dtype.kind not in "US":
        return labels.astype(np.float64)
    names = np.char.strip(labels.astype(str))
    texts = {
        str(names[sample, slot]): f"{where}, sample {sample}"
        for sample, slot in np.argwhere(names != "")[::-1]
    }
    numbers = {"": -1, **_class_numbers(texts, request)}
    found: Array = np.vectorize(numbers.__getitem__, [np.float64])(names)
    return found


def _count(request: Request) -> int:
    return len(request.options.classes) or MOST_CLASSES


def _warn_of_ones(numbers: Array, request: Request) -> None:
    """Say so where classes seem to count from 1, and no names tell."""
    there = numbers[numbers >= 0]
    if there.size and there.min() == 1 and not request.options.classes:
        request.remarks.warn("no box has class 0: classes count from 0, as the model's do")


def _class_numbers(texts: Mapping[str, str], request: Request) -> Mapping[str, int]:
    """The number of each label: of the classes' names, or what it says itself.

    Args:
        texts: Where each label stands.
        request: With the names of the classes, if they are known.

    Raises:
        EdgeqError: One is none of the classes.
    """
    known = request.options.classes
    if known and set(texts) <= set(known):
        return {name: number for number, name in enumerate(known)}
    numbers = {text: _number(text) for text in texts}
    if all(number is not None for number in numbers.values()):
        count = _count(request)
        for text, number in numbers.items():
            if number is not None and number >= count:
                raise EdgeqError(
                    f"The label {text} is no class: "
                    + (f"there are {count}, from 0 to {count - 1}." if known else "too large."),
                    texts[text],
                    "classes count from 0",
                )
        return {text: number for text, number in numbers.items() if number is not None}
    if known:
        strange = next(text for text in texts if text not in known)
        raise EdgeqError(f"'{strange}' is not among the classes {listed(known)}.", texts[strange])
    request.remarks.note("class names in alphabetical order")
    return {name: number for number, name in enumerate(sorted(texts))}


def _number(text: str) -> int | None:
    try:
        value = plain_number(text)
    except ValueError:
        return None
    return int(value) if value >= 0 and value.is_integer() else None


def _rows(
    annotations: Sequence[Annotation],
    numbers: Mapping[str, int],
    size: tuple[int, int],
    most: int,
) -> Array:
    rows = np.full((max(most, 1), 5), -1.0)
    width, height = size
    for row, each in zip(rows, annotations, strict=False):
        xmin, ymin, xmax, ymax = each.box
        inside = min(xmin, ymin) >= -_SLACK and xmax <= width + _SLACK and ymax <= height + _SLACK
        if not inside:
            raise EdgeqError(
                f"The box {xmin:g}, {ymin:g}, {xmax:g}, {ymax:g} reaches out of a picture of "
                f"{width} x {height} pixels.",
                each.where,
            )
        parts = (ymin / height, xmin / width, ymax / height, xmax / width)
        row[:] = [numbers[each.label], *(min(max(part, 0.0), 1.0) for part in parts)]
    return rows
