"""TFRecord files of tf.train.Example, plain or compressed, without TensorFlow.

Source: the framing is documented in tensorflow/core/lib/io/record_writer.h (length, masked CRC32C
of the length, data, masked CRC32C of the data).
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from edgeq.data.audio import read_audio
from edgeq.data.base import InputSpec, Labels, Request, Row, Source, file_error
from edgeq.data.crc32c import masked_crc32c
from edgeq.data.example import Damaged, read_example, read_tensor
from edgeq.data.images import read_image
from edgeq.data.preprocess import unrolled
from edgeq.errors import EdgeqError
from edgeq.support.array import Array
from edgeq.support.foreign import open_file

_LABEL_NAMES = ("y", "label", "labels", "image/class/label")
_DATA_NAMES = ("0", "x", "image", "image/encoded", "image_raw", "data", "inputs")
_IMAGE_STARTS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
)
# Two letters are no sign: raw values begin with them, too. The length of a BMP's second header is.
_BMP, _BMP_HEADERS = b"BM", (12, 40, 52, 56, 64, 108, 124)
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 16
_LONGEST_RECORD = 1 << 28  # one sample; a few packed bytes may claim to be far more
# Where bytes may be floats or whole numbers: floats of data lie between these.
_LEAST, _MOST = 1e-12, 1e12


def open_records(path: Path, request: Request) -> Source:
    """Samples from a TFRecord file; features by key, by tensor name or by the usual names.

    Bytes are an image, a .wav file or a serialized tensor where they begin as one; else raw values,
    one byte each, or of the input's own type, or of 4 or 8 bytes.
    """

    def examples() -> Iterator[tuple[dict[str, Any], str]]:
        for index, record in enumerate(_records(path)):
            where = f"{path}, record {index}"
            try:
                yield read_example(record), where
            except Damaged:
                raise EdgeqError("The record is no tf.train.Example.", where) from None

    def rows() -> Iterator[Row]:
        for features, where in examples():
            inputs = [
                _value(features, _names(request, position), spec, request, where)
                for position, spec in enumerate(request.inputs)
            ]
            yield inputs, _label(features, request, where) if request.labelled else None, where

    def labels() -> Labels:
        for features, where in examples():
            yield _label(features, request, where), where

    return Source(str(path), rows, _kind(path, request), labels=labels)


def _kind(path: Path, request: Request) -> str:
    """Whether the records hold images, which are raw data for certain."""
    record = next(_records(path), None)
    if record is None:
        return "records"
    try:
        features = read_example(record)
        value = features[next(name for name in _names(request, 0) if name in features)]
    except (*Damaged, StopIteration):
        return "records"  # the pass will say what is wrong
    return "images" if isinstance(value, list) and value and _is_image(value[0]) else "records"


def _is_image(content: bytes) -> bool:
    webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    bmp = content[:2] == _BMP and int.from_bytes(content[14:18], "little") in _BMP_HEADERS
    return webp or bmp or content.startswith(_IMAGE_STARTS)


def _names(request: Request, position: int) -> tuple[str, ...]:
    if request.keys:
        return (request.keys[position],) if position < len(request.keys) else ()
    usual = _DATA_NAMES if len(request.inputs) == 1 else (str(position),)
    return (request.inputs[position].name, *usual)


def _label(features: dict[str, Any], request: Request, where: str) -> Any:
    names: tuple[str, ...] = _LABEL_NAMES
    if request.options.label:
        names = (request.options.label,)
    elif len(request.keys) > len(request.inputs):
        names = (request.keys[-1],)
    name, value = _pick(features, names, where)
    if isinstance(value, list):
        if len(value) != 1:
            raise EdgeqError(f"The feature '{name}' has {len(value)} labels.", where)
        tensor = read_tensor(value[0])
        return value[0] if tensor is None else tensor
    if not np.size(value):
        raise EdgeqError(f"The feature '{name}' is empty: the sample has no label.", where)
    return value


def _pick(features: dict[str, Any], names: tuple[str, ...], where: str) -> tuple[str, Any]:
    for name in names:
        if name in features:
            return name, features[name]
    raise EdgeqError(
        f"The record has no feature {' or '.join(names)}; it has {', '.join(sorted(features))}.",
        where,
        "name them: FILE.tfrecord:FEATURE,LABEL",
    )


def _value(
    features: dict[str, Any], names: tuple[str, ...], spec: InputSpec, request: Request, where: str
) -> Array:
    name, feature = _pick(features, names, where)
    size = int(np.prod(spec.shape, dtype=np.int64))
    if isinstance(feature, list):
        if len(feature) != 1:
            raise EdgeqError(
                f"The feature '{name}' has {len(feature)} values of bytes; one is read.", where
            )
        return _from_bytes(feature[0], name, spec, request, where)
    if np.size(feature) != size:
        raise EdgeqError(
            f"The feature '{name}' has {np.size(feature)} values; input '{spec.name}' takes "
            f"{size}.",
            where,
        )
    return unrolled(np.ravel(feature), spec, request)


def _from_bytes(content: bytes, name: str, spec: InputSpec, request: Request, where: str) -> Array:
    size = int(np.prod(spec.shape, dtype=np.int64))
    if _is_image(content) and len(content) != size:
        return read_image(content, spec, request, where)
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return read_audio(content, spec, request, where)
    if len(content) == size:
        return np.frombuffer(content, np.uint8).reshape(spec.shape)
    tensor = read_tensor(content)
    if tensor is not None:
        return tensor
    raw = _raw(content, size, spec)
    if raw is not None:
        return unrolled(raw, spec, request)
    raise EdgeqError(
        f"The feature '{name}' holds {len(content):,} bytes (they begin with "
        f"{content[:4].hex(' ')}): no PNG, JPEG, GIF, BMP, TIFF, WebP or .wav file, no serialized "
        f"tensor, and no {size:,} raw values of 1, 4 or 8 bytes, which input '{spec.name}' takes.",
        where,
        "write float_list or int64_list, or tf.io.serialize_tensor",
    )


def _raw(content: bytes, size: int, spec: InputSpec) -> Array | None:
    """Raw values, whose type is told by what makes sense; None where nothing does."""
    own = np.dtype(spec.own or spec.dtype)
    width, rest = divmod(len(content), max(size, 1))
    if rest or width not in (2, 4, 8):
        return None
    if own.kind in "iu" and own.itemsize == width:
        return np.frombuffer(content, own.newbyteorder("<"))
    if width == 2:
        return None  # int16, uint16 or float16: nothing tells
    floats = np.frombuffer(content, f"<f{width}")
    # Small whole numbers, read as floats, are next to nothing; large ones beyond all measure.
    magnitude = np.abs(floats[floats != 0])
    if np.isfinite(floats).all() and (
        not magnitude.size or (magnitude.max() > _LEAST and magnitude.max() < _MOST)
    ):
        return floats
    return np.frombuffer(content, f"<i{width}")


class _Unpacked(io.RawIOBase):
    """What a file of zlib's format holds, unpacked as far as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._packed = zlib.decompressobj()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a part of a buffer; 0 at the end."""
        while not self._packed.eof:
            piece = self._packed.unconsumed_tail or self._file.read(_CHUNK)
            found = self._packed.decompress(piece, len(buffer))
            if found:
                buffer[: len(found)] = found
                return len(found)
            if not piece and not self._packed.eof:
                raise EOFError("the compressed file is cut off")
        return 0


def _stream(file: IO[bytes]) -> Any:
    """What to read records from: the file as it is, or decompressed."""
    start = file.read(12)
    file.seek(0)
    plain = len(start) == 12 and masked_crc32c(start[:8]) == struct.unpack("<I", start[8:])[0]
    if plain or len(start) < 2:
        return file
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=file)
    if start[0] & 15 == 8 and int.from_bytes(start[:2], "big") % 31 == 0:
        return io.BufferedReader(_Unpacked(file), _CHUNK)
    return file


def _records(path: Path) -> Iterator[bytes]:
    try:
        with open_file(path, "data") as file:
            yield from _framed(_stream(file), path)
    except (OSError, EOFError, zlib.error) as error:
        raise file_error(path, error) from error


def _framed(stream: Any, path: Path) -> Iterator[bytes]:
    index = 0
    while head := stream.read(12):
        where = f"{path}, record {index}"
        if len(head) < 12 or masked_crc32c(head[:8]) != struct.unpack("<I", head[8:])[0]:
            raise EdgeqError("This is no TFRecord file, or it is damaged.", where)
        (length,) = struct.unpack("<Q", head[:8])
        if length > _LONGEST_RECORD:
            raise EdgeqError(f"The record claims to have {length:,} bytes.", where)
        record, sum_ = stream.read(length), stream.read(4)
        if len(record) < length or len(sum_) < 4:
            raise EdgeqError("The TFRecord file is cut short.", where, "copy it again")
        if masked_crc32c(record) != struct.unpack("<I", sum_)[0]:
            raise EdgeqError("The record is damaged: its checksum does not match.", where)
        yield record
        index += 1
