"""TFLite model metadata: class labels and input normalization, as phone apps read them.

A flatbuffer of its own in the model's "TFLITE_METADATA" entry, and the label file in a zip archive
behind the model.

Source: tflite-support, metadata_schema.fbs 1.1.0 (file identifier M001).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.model.tflite.reader import Malformed, Table
from edgeq.support.foreign import read_members
from edgeq.support.text import visible_line

ENTRY = "TFLITE_METADATA"
_LABEL_FILE = "labels.txt"
_IDENTIFIER = b"M001"
_VERSION, _AUDIO_VERSION = "1.0.0", "1.3.0"  # of the schema that has all fields in use
_FEATURE, _IMAGE, _AUDIO = 1, 2, 4  # ContentProperties
_NORMALIZATION = 1  # ProcessUnitOptions
_AXIS_LABELS = 2  # AssociatedFileType
_MOST_LABEL_BYTES = 2 << 20
_MOST_LABELS = 200_000
LONGEST_LABEL = 1000
"""Characters of a class's name; a file with a longer one is taken for none of labels."""

_MOST_ARCHIVE_BYTES = 64 << 20
_COLORS = {3: 1, 1: 2}  # channels to ColorSpaceType: RGB, GRAYSCALE


@dataclass(frozen=True)
class Described:
    """What the metadata says of one input or output.

    Attributes:
        name: For apps to show.
        shape: Shape without the batch axis.
        mean, std: Raw values are normalised by (x - mean) / std; empty where they are not.
        low, high: Range of the (normalised) values; equal where it is not known.
        labels: Names of the classes along the last axis; empty for none.
        sample_rate: Of recordings, in Hz; 0 where it is no recording or not known.
    """

    name: str
    shape: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    labels: tuple[str, ...] = ()
    sample_rate: int = 0


@dataclass(frozen=True)
class ModelInfo:
    """Metadata of a model, inputs and outputs by position."""

    name: str
    inputs: tuple[Described, ...]
    outputs: tuple[Described, ...]


def write_info(info: ModelInfo) -> bytes:
    """The metadata flatbuffer; the label file is `label_archive`'s part."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    inputs = [_tensor(builder, tensor) for tensor in info.inputs]
    outputs = [_tensor(builder, tensor) for tensor in info.outputs]
    subgraph = _table(builder, {2: _vector(builder, inputs), 3: _vector(builder, outputs)})
    fields = {
        0: builder.CreateString(info.name),
        3: _vector(builder, [subgraph]),
        7: builder.CreateString(
            _AUDIO_VERSION if any(t.sample_rate for t in info.inputs) else _VERSION
        ),
    }
    builder.Finish(_table(builder, fields), _IDENTIFIER)
    return bytes(builder.Output())


def label_archive(labels: Sequence[str]) -> bytes:
    """The zip archive to append to a model: one file with a label per line."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        # A fixed date, so that the same model gives the same bytes.
        entry = zipfile.ZipInfo(_LABEL_FILE, (1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        file.writestr(entry, "".join(f"{label}\n" for label in labels))
    return archive.getvalue()


def read_info(entry: bytes, model: bytes) -> ModelInfo | None:
    """What a model's metadata says; None where it is damaged.

    Args:
        entry: The "TFLITE_METADATA" buffer (`Graph.metadata[ENTRY]`).
        model: The whole file, for the label files behind it.
    """
    try:
        root = Table.root(entry)
        subgraph = root.tables(3)[0]
        sides = subgraph.tables(2), subgraph.tables(3)
        files = _associated(model, {name for side in sides for name in _label_files(side)})
        inputs, outputs = (tuple(_described(table, files) for table in side) for side in sides)
        return ModelInfo(visible_line(root.text(0)), inputs, outputs)
    except (Malformed, IndexError):
        return None


def _tensor(builder: Any, tensor: Described) -> int:
    """A TensorMetadata table."""
    fields = {0: builder.CreateString(tensor.name), 3: _content(builder, tensor)}
    if tensor.mean:
        mean, std = (
            builder.CreateNumpyVector(np.array(values, np.float32))
            for values in (tensor.mean, tensor.std)
        )
        options = _table(builder, {0: mean, 1: std})
        unit = _table(builder, {1: options}, {0: _NORMALIZATION})
        fields[4] = _vector(builder, [unit])
    if tensor.low < tensor.high:
        high, low = (
            builder.CreateNumpyVector(np.array([value], np.float32))
            for value in (tensor.high, tensor.low)
        )
        fields[5] = _table(builder, {0: high, 1: low})
    if tensor.labels:
        file = _table(builder, {0: builder.CreateString(_LABEL_FILE)}, {2: _AXIS_LABELS})
        fields[6] = _vector(builder, [file])
    return _table(builder, fields)


def _content(builder: Any, tensor: Described) -> int:
    """A Content table: a recording, an image where the shape is one, else plain features."""
    shape = tensor.shape
    if tensor.sample_rate:
        builder.StartObject(2)
        builder.PrependUint32Slot(0, tensor.sample_rate, 0)
        builder.PrependUint32Slot(1, shape[-1] if len(shape) > 1 else 1, 0)
        return _table(builder, {1: builder.EndObject()}, {0: _AUDIO})
    if len(shape) == 3 and shape[2] in _COLORS and min(shape[:2]) > 1:
        builder.StartObject(2)
        builder.PrependUint32Slot(0, shape[1], 0)
        builder.PrependUint32Slot(1, shape[0], 0)
        size = builder.EndObject()
        image = _table(builder, {1: size}, {0: _COLORS[shape[2]]})
        return _table(builder, {1: image}, {0: _IMAGE})
    return _table(builder, {1: _table(builder, {})}, {0: _FEATURE})


def _table(builder: Any, offsets: Mapping[int, int], small: Mapping[int, int] | None = None) -> int:
    """A table of references and byte-sized enums by slot."""
    small = small or {}
    builder.StartObject(max([*offsets, *small], default=-1) + 1)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, value in small.items():
        builder.PrependInt8Slot(slot, value, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _label_files(tensors: Sequence[Table]) -> Iterator[str]:
    """The names of the files with labels that tensors refer to."""
    for table in tensors:
        for file in table.tables(6):
            if file.scalar(2, "i8") == _AXIS_LABELS:
                yield file.text(0)


def _labels(text: str) -> tuple[str, ...]:
    """The lines of a label file without what surrounds a name; none if no model has so many."""
    lines = text.removeprefix("\ufeff").split("\n", _MOST_LABELS)
    if len(lines) > _MOST_LABELS or max(map(len, lines)) > LONGEST_LABEL:
        return ()
    return tuple(visible_line(line.strip()) for line in lines[: len(lines) - (not lines[-1])])


def _described(table: Table, files: Mapping[str, str]) -> Described:
    mean, std = _normalization(table)
    labels: tuple[str, ...] = ()
    for name in _label_files([table]):
        labels = _labels(files.get(name, ""))
    stats = table.table(5)
    high = _floats(stats, 0)
    low = _floats(stats, 1)
    return Described(
        visible_line(table.text(0)),
        mean=mean,
        std=std,
        low=min(low, default=0.0),
        high=max(high, default=0.0),
        labels=labels,
        sample_rate=_sample_rate(table.table(3)),
    )


def _sample_rate(content: Table | None) -> int:
    """Rate in Hz of a Content table that is a recording; else 0."""
    if content is None or content.scalar(0, "u8") != _AUDIO:
        return 0
    audio = content.table(1)
    return 0 if audio is None else int(audio.scalar(0, "u32"))


def _normalization(table: Table) -> tuple[tuple[float, ...], tuple[float, ...]]:
    for unit in table.tables(4):
        if unit.scalar(0, "u8") == _NORMALIZATION:
            options = unit.table(1)
            return _floats(options, 0), _floats(options, 1)
    return (), ()


def _floats(table: Table | None, slot: int) -> tuple[float, ...]:
    found = None if table is None else table.vector(slot, "[f32]")
    return () if found is None else tuple(float(value) for value in found)


def _associated(model: bytes, wanted: Set[str]) -> dict[str, str]:
    """Files in the archive behind a model, by name; none where it is damaged."""
    if not wanted or not zipfile.is_zipfile(io.BytesIO(model)):
        return {}
    try:
        found = read_members(
            model,
            "the model's metadata",
            lambda name: name in wanted,
            member=_MOST_LABEL_BYTES,
            whole=_MOST_ARCHIVE_BYTES,
        )
    except EdgeqError:
        return {}
    return {name: data.decode("utf-8", "replace") for name, data in found.items()}
