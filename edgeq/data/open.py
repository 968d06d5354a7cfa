"""From what the user typed after `--data` to a Dataset."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.data.arrays import open_arrays
from edgeq.data.audio import AUDIO_SUFFIXES, open_audio
from edgeq.data.base import (
    DatasetOptions,
    Expected,
    InputSpec,
    Labels,
    Request,
    Row,
    Source,
)
from edgeq.data.boxes import BOX_FILE, has_boxes, open_box_arrays, open_box_folder
from edgeq.data.dataset import Dataset
from edgeq.data.folders import files_below
from edgeq.data.generator import import_function, open_generator
from edgeq.data.images import IMAGE_SUFFIXES, open_images
from edgeq.data.labels import decide
from edgeq.data.preprocess import plan_steps, refuse_masked
from edgeq.data.table import open_table
from edgeq.data.tfrecord import open_records
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.array import Array
from edgeq.support.reasons import reason_of

_READERS: dict[str, Callable[[Path, Request], Source]] = {
    ".npy": open_arrays,
    ".npz": open_arrays,
    ".csv": open_table,
    ".tsv": open_table,
    ".tfrecord": open_records,
    ".tfrecords": open_records,
}
_KINDS = "a .npz, .npy, .csv or .tfrecord file, a folder of images or .wav files, module:function"
_COMPRESSED = frozenset({".gz", ".gzip", ".zlib"})
_SHARD = re.compile(r"(\.tfrecords?)-\d+-of-\d+")


def open_dataset(
    source: str | Path | Any,
    inputs: Sequence[InputSpec],
    *,
    labelled: bool = False,
    options: DatasetOptions | None = None,
    limit: int | None = None,
    spread: bool = True,
    expected: Expected | None = None,
) -> Dataset:
    """The data set that `source` names; headers, keys and labels are checked now, samples later.

    Args:
        source: A path, `file.npz:specs,labels`, `x.npy,y.npy`, `module:function`; or in Python an
            array with the samples on its first axis, a tuple (x, y) of such arrays when labelled,
            or a function that yields samples.
        inputs: The model's inputs, in order.
        labelled: Whether every sample must have a label.
        options: Label column, class names, normalisation, resizing, background, sample rate.
        limit: Use at most so many samples.
        spread: Whether those are spread evenly over the set; of a stream they are the first ones.
        expected: What is known of the labels; nothing if None.

    Raises:
        EdgeqError: Nothing there, an unknown kind, or data that does not fit the model.
    """
    options = options or DatasetOptions()
    request = Request(tuple(inputs), labelled, options=options)
    opened = _open(source, request)
    if opened.count == 0:
        raise EdgeqError("The data is empty; at least one sample is needed.", opened.where)
    labels = decide(opened, request, expected or Expected()) if labelled else None
    steps = plan_steps(opened, request)
    return Dataset(opened, steps, labels, limit, spread, request.remarks)


def _open(source: Any, request: Request) -> Source:
    if isinstance(source, str | Path):
        return _open_text(str(source), request)
    if callable(source):
        return open_generator(getattr(source, "__name__", "generator"), source, request)
    return _open_memory(source, request)


def check_source(text: str) -> None:
    """Refuse a text that names no data; what is there is not looked at.

    Raises:
        EdgeqError: No such file or folder.
    """
    path, _ = _place(text)
    if path is not None and not path.exists():
        raise EdgeqError(f"There is no '{path}'.", hint=f"data is {_KINDS}")


def _place(text: str) -> tuple[Path | None, tuple[str, ...]]:
    """The file or folder of a text, and the keys that follow it; no path where it is a function."""
    path, keys = Path(text), ""
    if path.exists():
        return path, ()
    if ".npy," in text:
        left, _, keys = text.partition(",")
    else:
        left, _, keys = text.rpartition(":")
    if _reader(Path(left)) is not None:
        return Path(left), tuple(key.strip() for key in keys.split(","))
    function = re.fullmatch(r"[\w.]+|.*\.py", left) and keys.isidentifier()
    return None if function else path, ()


def _open_text(text: str, request: Request) -> Source:
    path, keys = _place(text)
    if path is None:
        return open_generator(text, import_function(text), request)
    check_source(text)
    request = replace(request, keys=keys)
    if path.is_dir():
        return _open_folder(path, request)
    if path.suffix.lower() in AUDIO_SUFFIXES and not request.labelled:
        return open_audio(path, request)
    reader = _reader(path)
    if reader is None:
        raise UsageError(f"'{path.name}' is no kind of data that edgeq reads.", str(path), _KINDS)
    if request.labelled and not request.keys and not request.options.label and has_boxes(path):
        return open_box_arrays(path, request)
    return reader(path, request)


def _reader(path: Path) -> Callable[[Path, Request], Source] | None:
    """What reads a file of this name; compressed ones and shards of TFRecords are known too."""
    suffix = path.suffix.lower()
    if suffix in _COMPRESSED:
        suffix = Path(path.stem).suffix.lower()
        if suffix in (".npy", ".npz"):
            return None
    shard = _SHARD.fullmatch(suffix)
    return _READERS.get(shard[1] if shard else suffix)


def _open_folder(path: Path, request: Request) -> Source:
    if request.labelled and (path / BOX_FILE).is_file():
        return open_box_folder(path, request)
    files = files_below(path)
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    recordings = [file for file in files if file.suffix.lower() in AUDIO_SUFFIXES]
    if images and recordings:
        raise EdgeqError(
            f"The folder has images ({images[0].relative_to(path)}) and recordings "
            f"({recordings[0].relative_to(path)}); which are the data?",
            str(path),
            "leave one kind in the folder",
        )
    if images:
        return open_images(path, request)
    if recordings:
        return open_audio(path, request)
    readable = [file for file in files if _reader(file) is not None]
    raise EdgeqError(
        "The folder has no images and no .wav files.",
        str(path),
        f"give one file, such as {readable[0]}" if readable else "",
    )


def _by_name(arrays: Mapping[str, Any], request: Request) -> list[Any]:
    """The arrays in the order of the model's inputs."""
    chosen = []
    for spec in request.inputs:
        names = [name for name in (spec.name, spec.name.split(":")[0]) if name in arrays]
        if not names:
            there = ", ".join(map(str, arrays)) or "none"
            raise EdgeqError(
                f'There is no array "{spec.name}"; there is {there}.',
                "the arrays given",
                "name each array as the model names its input",
            )
        chosen.append(arrays[names[0]])
    return chosen


def as_array(values: Any) -> Array:
    """Samples that are in memory as an array.

    Raises:
        EdgeqError: They are of several shapes, or some are masked.
    """
    refuse_masked(values, "the arrays given")
    try:
        return np.asarray(values)
    except ValueError as error:
        raise EdgeqError(
            f"These are no samples of one shape: {reason_of(error)}", "the arrays given"
        ) from error


def _in_order(labels: Any) -> Any:
    """Labels that a number finds by their place; in a table's column it finds the row's name."""
    if labels is None or isinstance(labels, list | tuple):
        return labels
    found = as_array(labels)
    if not found.ndim:
        raise EdgeqError("The labels have no axis of samples.", "the arrays given")
    return found


def _open_memory(source: Any, request: Request) -> Source:
    """Arrays that are in memory already."""
    labels = None
    if request.labelled:
        if not isinstance(source, tuple | list) or len(source) != 2:
            raise EdgeqError("Labelled data in memory is a pair (x, y).", "the arrays given")
        source, labels = source[0], _in_order(source[1])
    if isinstance(source, Mapping):
        source = _by_name(source, request)
    arrays = [as_array(a) for a in (source if isinstance(source, list | tuple) else [source])]
    if not all(array.ndim for array in arrays):
        raise EdgeqError(
            "The data has no axis of samples.", "the arrays given", f"data is {_KINDS}"
        )
    counts = {len(array) for array in arrays} | ({len(labels)} if labels is not None else set())
    if len(counts) != 1:
        raise EdgeqError(f"The arrays do not have the same number of samples: {sorted(counts)}.")

    def some(places: Sequence[int]) -> Iterator[Row]:
        for place in places:
            row = [array[place] for array in arrays]
            yield row, None if labels is None else labels[place], f"sample {place}"

    def labels_alone() -> Labels:
        for index, label in enumerate(labels if labels is not None else ()):
            yield label, f"sample {index}"

    return Source(
        "the arrays given",
        lambda: some(range(len(arrays[0]))),
        "arrays",
        counts.pop(),
        labels=labels_alone,
        some=some,
    )
