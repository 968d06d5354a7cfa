"""CSV files: one sample a line, one column a feature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgeq.data.base import InputSpec, Labels, Request, Row, Source
from edgeq.data.dialect import Dialect, find_dialect
from edgeq.data.labels import listed
from edgeq.data.preprocess import unrolled
from edgeq.errors import EdgeqError


def open_table(path: Path, request: Request) -> Source:
    """Samples from a CSV file; features in the order of the columns, or of the keys given.

    Labels come as text.

    Raises:
        EdgeqError: Unknown columns, another number of features than the model takes, or a line of
            another length than the first.
    """
    spec = request.single_input(str(path), "a CSV file")
    label = request.options.label
    dialect = find_dialect(path, label)
    if request.labelled and label is None:
        raise EdgeqError(
            f"Which column is the label? The file has {listed(dialect.header)}.",
            str(path),
            "--label COLUMN",
        )
    features = _features(path, dialect, request, spec)
    request.remarks.note(str(dialect))
    places = {name: position for position, name in enumerate(dialect.header)}
    columns = [places[name] for name in features]
    target = dialect.header.index(label) if label and request.labelled else None
    count = _count(path, dialect)

    def value(fields: Sequence[str], column: int, where: str) -> float:
        try:
            return dialect.number(fields[column])
        except ValueError:
            found = f"'{fields[column]}'" if fields[column] else "An empty field"
            raise EdgeqError(
                f"{found} in column '{dialect.header[column]}' is no number.",
                where,
                "numbers only; a column that is no feature: name the features, FILE.csv:A,B,C"
                if dialect.has_header
                else "",
            ) from None

    def label_of(fields: Sequence[str]) -> str | None:
        return None if target is None else fields[target]

    def place(number: int) -> str:
        return f"{path}, line {number}"

    def rows() -> Iterator[Row]:
        for number, fields in dialect.lines(path):
            where = place(number)
            values = [value(fields, column, where) for column in columns]
            yield [unrolled(np.array(values), spec, request)], label_of(fields), where

    def labels() -> Labels:
        for number, fields in dialect.lines(path):
            yield label_of(fields), f"{place(number)}, column '{label}'"

    return Source(
        str(path), rows, "table", count, labels=labels, number=dialect.number,
        columns=tuple(features),
    )  # fmt: skip


def _features(path: Path, dialect: Dialect, request: Request, spec: InputSpec) -> list[str]:
    """Names of the feature columns, in order."""
    header, label = dialect.header, request.options.label
    features = list(request.keys) or [name for name in header if name != label]
    known = set(header)
    missing = [name for name in [*features, *([label] if label else [])] if name not in known]
    if missing:
        raise EdgeqError(
            f"The file has no column {', '.join(missing)}; it has {listed(header)} ({dialect}).",
            str(path),
        )
    size = int(np.prod(spec.shape, dtype=np.int64))
    if len(features) == size + 1 and not request.keys and _is_index(path, dialect, features[0]):
        request.remarks.note(f"left out the column of row numbers '{features[0]}'")
        features = features[1:]
    if len(features) != size:
        raise EdgeqError(
            f"The file has {len(features)} feature columns; input '{spec.name}' takes {size} "
            f"values {spec.shape}.",
            f"{path} ({dialect})",
            f"name the features: {path.name}:A,B,C"
            if label
            else "--label COLUMN leaves one out"
            if len(features) == size + 1
            else "",
        )
    return features


def _is_index(path: Path, dialect: Dialect, name: str) -> bool:
    """Whether a column is pandas's index: without a name, counting from 0."""
    if name not in ("", "Unnamed: 0") or dialect.header[0] != name:
        return False
    return all(fields[:1] == [str(row)] for row, (_, fields) in enumerate(dialect.lines(path)))


def _count(path: Path, dialect: Dialect) -> int:
    """Number of samples; every line must have as many fields as the header."""
    count = 0
    for number, fields in dialect.lines(path):
        count += 1
        if len(fields) != len(dialect.header):
            what = "header" if dialect.has_header else "first line"
            raise EdgeqError(
                f"The line has {len(fields)} fields; the {what} has {len(dialect.header)}.",
                f"{path}, line {number}",
                f"fields are taken as {dialect}",
            )
    return count
