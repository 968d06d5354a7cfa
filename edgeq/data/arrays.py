"""Samples from .npy and .npz files: which arrays they are, and what is refused."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from edgeq.data.array_file import UNREADABLE, Column, read_header
from edgeq.data.base import Labels, Request, Row, Source, file_error
from edgeq.data.preprocess import check_dtype, fit_shape
from edgeq.errors import EdgeqError
from edgeq.support.array import Array
from edgeq.support.foreign import check_file, check_sizes, open_file
from edgeq.support.text import visible_line

# What is packed may be so much larger than the file: silence, masks and empty images pack well.
_SPARE_BYTES, _MOST_TIMES = 1 << 30, 20
_MOST_AXES = 32
_MOST_ARRAYS = 1000  # of one archive; a model has some inputs, a data set some columns
_DATA_NAMES = ("x", "data", "inputs", "images", "samples", "specs", "arr_0")
_LABEL_NAMES = ("y", "label", "labels", "targets", "arr_1")


def open_arrays(path: Path, request: Request) -> Source:
    """Samples from a .npy or .npz file; the first axis counts them.

    Raises:
        EdgeqError: Not such a file, a pickle, a missing key, or arrays that do not fit the model
            or each other.
    """
    columns, request = _all_columns(path, request)
    inputs, labels = _choose(path, columns, request)
    _check(inputs, labels, request)

    def some(places: Sequence[int]) -> Iterator[Row]:
        columns = [*inputs, *([labels] if labels else [])]
        streams = [column.rows(places) for column in columns]
        for index, *arrays in zip(places, *streams, strict=True):
            label = arrays.pop() if labels else None
            # What is wrong with one of several arrays is said with the name of its input.
            where = inputs[0].where if len(inputs) == 1 else str(path)
            yield arrays, label, f"{where}, sample {index}"

    def rows() -> Iterator[Row]:
        return some(range(inputs[0].shape[0]))

    def labels_alone() -> Labels:
        if labels is None:
            return
        listed = labels.dtype.kind in "US" and len(labels.shape) == 1
        for index, label in labels.texts() if listed else enumerate(labels.rows()):
            yield label, f"{labels.where}, sample {index}"

    return Source(str(path), rows, "arrays", inputs[0].shape[0], labels=labels_alone, some=some)


def _all_columns(path: Path, request: Request) -> tuple[dict[str, Column], Request]:
    """Every array by key, with the labels of a second .npy file; and the keys to take."""
    columns = read_columns(path)
    name = request.keys[-1] if request.keys else request.options.label or ""
    if "" in columns and name.lower().endswith(".npy"):
        keys: tuple[str, ...] = ()
        if request.labelled:
            columns |= {name: read_columns(_label_file(path, name))[""]}
            keys = ("", name)
        request = replace(request, keys=keys)
    return columns, request


def _check(inputs: Sequence[Column], labels: Column | None, request: Request) -> None:
    """Refuse arrays that do not fit the model or each other."""
    for column, spec in zip(inputs, request.inputs, strict=True):
        check_dtype(column.dtype, spec, column.where)
        if not column.shape:
            raise EdgeqError("The array has no axis of samples.", column.where)
        if column.shape[0]:
            if fit_shape(column.shape[1:], spec, column.where) == spec.file_shape != spec.shape:
                request.remarks.note(
                    f"axes of input '{spec.name}' lie as in the model's own file "
                    f"{spec.file_shape}, and are turned to {spec.shape}"
                )
            elif spec.file_axes and spec.file_shape == spec.shape:
                request.remarks.warn(
                    f"axes of input '{spec.name}' are equally long, {spec.shape}: they are taken "
                    "to lie as in the model's own file, channels first"
                )
    columns = [*inputs, *([labels] if labels else [])]
    counts = {column.where: column.shape[0] for column in columns if column.shape}
    if len(set(counts.values())) > 1 or len(counts) < len(columns):
        listed = ", ".join(f"{where} has {count}" for where, count in counts.items())
        raise EdgeqError(
            f"The arrays do not have the same number of samples: {listed}.", columns[-1].where
        )


def _label_file(path: Path, name: str) -> Path:
    """The .npy file of labels that goes with another, from here or from beside it.

    Raises:
        EdgeqError: It is not there.
    """
    for file in (Path(name), path.parent / name):
        if file.is_file() and not zipfile.is_zipfile(file):
            return file
    raise EdgeqError(f"There is no .npy file '{name}'.", str(path))


def read_columns(path: Path) -> dict[str, Column]:
    """Every array in a .npy or .npz file by key; one with the key "" for a .npy file.

    Raises:
        EdgeqError: Not such a file, a pickle, damaged, or far larger than it may be.
    """
    try:
        sizes = _sizes(path)
        if "" in sizes:
            with open_file(path, "array") as stream:
                return {"": _column(path, "", sizes[""], stream)}
        found = {}
        with zipfile.ZipFile(path) as archive:
            for key, size in sizes.items():
                with archive.open(key + ".npy") as stream:
                    found[key] = _column(path, key, size, stream)
        return found
    except EdgeqError:
        raise
    except UNREADABLE as error:
        raise file_error(path, error) from error


def whole_arrays(path: Path) -> dict[str, Array]:
    """Every array in a .npy or .npz file by key, as `read_columns` has them, read at once.

    Raises:
        EdgeqError: As `read_columns`; or it does not fit into memory.
    """
    columns = read_columns(path)
    if "" in columns:
        return {"": columns[""].whole()}
    try:
        with open_file(path, "arrays") as file, np.load(file, allow_pickle=False) as loaded:
            return {key: np.asarray(loaded[key]) for key in columns}
    except UNREADABLE as error:
        raise file_error(path, error) from error


def has_labels(text: str) -> bool:
    """Whether data that a user names hold labels too: as a second file or key, or by a usual name.

    Args:
        text: `x.npy,y.npy`, `file.npz:x,y`, `file.npz`; anything else has none here.
    """
    path = Path(text)
    if path.suffix == ".npz" and path.is_file():
        return not set(_LABEL_NAMES).isdisjoint(_sizes(path))
    left, _, keys = text.rpartition(":")
    return ".npy," in text or (left.endswith(".npz") and "," in keys)


def _sizes(path: Path) -> dict[str, int]:
    """Bytes, unpacked, of every array by key."""
    check_file(path, "data")
    if not zipfile.is_zipfile(path):
        _check_start(path)
        return {"": path.stat().st_size}
    limit = _SPARE_BYTES + _MOST_TIMES * path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = check_sizes(archive, str(path), limit)
    arrays = {
        member.filename.removesuffix(".npy"): member.file_size
        for member in members
        if member.filename.endswith(".npy")
    }
    if len(arrays) > _MOST_ARRAYS:
        raise EdgeqError(
            f"The archive has {len(arrays):,} arrays; {_MOST_ARRAYS:,} are read at most.",
            str(path),
            "one array for each input of the model, and one for the labels; samples lie along "
            "the first axis",
        )
    return arrays


def _column(path: Path, key: str, size: int, stream: IO[bytes]) -> Column:
    where = f"{path}:{visible_line(key)}" if key else str(path)
    shape, fortran, dtype = read_header(stream)
    left = size - stream.tell()
    if dtype.hasobject:
        raise EdgeqError(
            "The array holds Python objects (a pickle), which could run code when read; "
            "it is refused.",
            where,
            "save it as an array of numbers",
        )
    # In Python's integers: a header may claim any number.
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in shape)
    if not whole or len(shape) > _MOST_AXES:
        raise EdgeqError("The file's header is damaged: its shape is none.", where)
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > left:
        raise EdgeqError(
            f"The file is cut off: its header promises an array of shape {shape}, "
            f"{dtype}, and {left:,} bytes follow.",
            where,
            "copy or save it again",
        )
    return Column(path, key, shape, dtype, fortran and len(shape) > 1)


def _check_start(path: Path) -> None:
    """Say what is wrong with a file that is no sound zip archive and may be no array either.

    Raises:
        EdgeqError: It is empty, or an archive without its end.
    """
    with open_file(path, "data") as file:
        start = file.read(4)
    if not start:
        raise EdgeqError("The file is empty.", str(path))
    if start.startswith(b"PK"):
        raise EdgeqError("The archive is damaged or cut off.", str(path), "copy or save it again")


def _choose(
    path: Path, columns: Mapping[str, Column], request: Request
) -> tuple[list[Column], Column | None]:
    """The columns of the model's inputs, and that of the labels if they are wanted."""
    if request.keys:
        wanted = len(request.inputs) + request.labelled
        if len(request.keys) not in (len(request.inputs), len(request.inputs) + 1) or (
            len(request.keys) < wanted
        ):
            raise EdgeqError(
                f"{len(request.keys)} keys are given; {wanted} are needed "
                f"({len(request.inputs)} inputs{', then the labels' if request.labelled else ''}).",
                str(path),
            )
        chosen = [_named(path, columns, (key,)) for key in request.keys[:wanted]]
        return chosen[: len(request.inputs)], chosen[-1] if request.labelled else None
    names = (request.options.label,) if request.options.label else _LABEL_NAMES
    labels = _named(path, columns, names) if request.labelled else None
    if len(request.inputs) == 1:
        rest = [c for key, c in columns.items() if key not in names]
        if len(rest) == 1:
            return rest, labels
        return [_named(path, columns, ("0", request.inputs[0].name, *_DATA_NAMES))], labels
    return [
        _of_input(path, columns, position, [spec.name for spec in request.inputs])
        for position in range(len(request.inputs))
    ], labels


def _of_input(
    path: Path, columns: Mapping[str, Column], position: int, inputs: list[str]
) -> Column:
    """The array for one of several inputs, by position or by the name of the input."""
    name = inputs[position]
    known = (str(position), name, name.split(":")[0])
    if "" in columns or any(key in columns for key in known):
        return _named(path, columns, known)
    raise EdgeqError(
        f"There is no array for input '{name}' in the file; it has the keys "
        f"{', '.join(sorted(columns)) or 'none'}.",
        str(path),
        f"one key for each input: {', '.join(inputs)}; or their numbers, from 0 to "
        f"{len(inputs) - 1}",
    )


def _named(path: Path, columns: Mapping[str, Column], names: tuple[str, ...]) -> Column:
    for name in names:
        if name in columns:
            return columns[name]
    if "" in columns:
        raise EdgeqError(
            "A .npy file holds one array only; this needs several.",
            str(path),
            "x.npy,y.npy for a pair of files, or an .npz with the keys x and y",
        )
    listed = " or ".join(f"'{name}'" for name in dict.fromkeys(names[:3]))
    raise EdgeqError(
        f"There is no key {listed} in the file; it has {', '.join(sorted(columns)) or 'none'}.",
        str(path),
        f"name them: {path.name}:KEY or {path.name}:KEY,LABELKEY",
    )
