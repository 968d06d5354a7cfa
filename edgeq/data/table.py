"""CSV files with a header: one sample a line, one column a feature."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgeq.data.base import Request, Row, Source, class_indices, file_error
from edgeq.errors import EdgeqError


def open_table(path: Path, request: Request) -> Source:
    """Samples from a CSV file; features in the order of the columns, or of the keys given.

    Raises:
        EdgeqError: No header, unknown columns, or another number of features than the model takes.
    """
    spec = request.single_input(str(path), "a CSV file")
    header = next(_lines(path), (0, []))[1]
    label = request.options.label
    if request.labelled and label is None:
        raise EdgeqError(
            f"Which column is the label? The file has {', '.join(header)}.",
            str(path),
            "--label COLUMN",
        )
    features = list(request.keys) or [name for name in header if name != label]
    missing = [name for name in [*features, *([label] if label else [])] if name not in header]
    if missing:
        raise EdgeqError(
            f"The file has no column {', '.join(missing)}; it has {', '.join(header)}.", str(path)
        )
    size = int(np.prod(spec.shape, dtype=np.int64))
    if len(features) != size:
        raise EdgeqError(
            f"The file has {len(features)} feature columns; input '{spec.name}' takes {size} "
            f"values {spec.shape}.",
            str(path),
            "--label COLUMN leaves one out" if len(features) == size + 1 else "",
        )
    columns = [header.index(name) for name in features]
    target = header.index(label) if label and request.labelled else None
    count = _count(path, len(header))
    names = _class_names(path, target)
    classes, index = class_indices(names, request.options.classes, str(path)) if names else ((), {})

    def label_of(fields: list[str], where: str) -> float | int | None:
        if target is None:
            return None
        return index[fields[target]] if index else _number(fields[target], header[target], where)

    def rows() -> Iterator[Row]:
        lines = _lines(path)
        next(lines)
        for number, fields in lines:
            where = f"{path}, line {number}"
            values = [_number(fields[column], header[column], where) for column in columns]
            yield [np.array(values, np.float32).reshape(spec.shape)], label_of(fields, where), where

    return Source(str(path), rows, count, classes)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of every line that is not blank."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            for fields in reader:
                if fields:
                    yield reader.line_num, [field.strip() for field in fields]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise file_error(path, error) from error


def _count(path: Path, width: int) -> int:
    """Number of samples; every line must have as many fields as the header."""
    count = -1
    for number, fields in _lines(path):
        count += 1
        if len(fields) != width:
            raise EdgeqError(
                f"The line has {len(fields)} fields; the header has {width}.",
                f"{path}, line {number}",
            )
    return count


def _class_names(path: Path, target: int | None) -> list[str]:
    """Distinct labels where they are names; empty where they are numbers."""
    if target is None:
        return []
    lines = _lines(path)
    next(lines)
    if all(_is_number(fields[target]) for _, fields in lines):
        return []
    lines = _lines(path)
    next(lines)
    return sorted({fields[target] for _, fields in lines})


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str, column: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise EdgeqError(f"'{text}' in column '{column}' is no number.", where) from None
