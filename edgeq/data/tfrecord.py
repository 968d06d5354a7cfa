"""TFRecord files of tf.train.Example, without TensorFlow.

Source: the framing is documented in tensorflow/core/lib/io/record_writer.h (length, masked CRC32C
of the length, data, masked CRC32C of the data); Example is Features{map<string, Feature>}.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.data.base import Array, InputSpec, Request, Row, Source
from edgeq.data.images import read_image
from edgeq.errors import EdgeqError

_LABEL_NAMES = ("y", "label", "labels", "image/class/label")
_DATA_NAMES = ("0", "x", "image", "image/encoded", "image_raw", "data", "inputs")


def open_records(path: Path, request: Request) -> Source:
    """Samples from a TFRecord file; features by key, by tensor name or by the usual names.

    Bytes are decoded as an image when they are one, else taken as raw values of the input's dtype
    (or one byte a value).
    """

    def rows() -> Iterator[Row]:
        for index, record in enumerate(_records(path)):
            where = f"{path}, record {index}"
            try:
                features = _example(record)
            except (IndexError, ValueError, struct.error, UnicodeDecodeError):
                raise EdgeqError("The record is no tf.train.Example.", where) from None
            inputs = [
                _value(_pick(features, _names(request, position), where), spec, where)
                for position, spec in enumerate(request.inputs)
            ]
            label = None
            if request.labelled:
                label = _pick(features, _label_names(request), where)
            yield inputs, label, where

    return Source(str(path), rows)


def _names(request: Request, position: int) -> tuple[str, ...]:
    if request.keys:
        return (request.keys[position],) if position < len(request.keys) else ()
    usual = _DATA_NAMES if len(request.inputs) == 1 else (str(position),)
    return (request.inputs[position].name, *usual)


def _label_names(request: Request) -> tuple[str, ...]:
    if request.options.label:
        return (request.options.label,)
    if len(request.keys) > len(request.inputs):
        return (request.keys[-1],)
    return _LABEL_NAMES


def _pick(features: dict[str, Any], names: tuple[str, ...], where: str) -> Any:
    for name in names:
        if name in features:
            return features[name]
    raise EdgeqError(
        f"The record has no feature {' or '.join(names)}; it has {', '.join(sorted(features))}.",
        where,
        "name them: FILE.tfrecord:FEATURE,LABEL",
    )


def _value(feature: Any, spec: InputSpec, where: str) -> Array:
    size = int(np.prod(spec.shape, dtype=np.int64))
    if isinstance(feature, bytes):
        wanted = np.dtype(spec.dtype)
        if len(feature) in (size, size * wanted.itemsize):
            kind = wanted if len(feature) == size * wanted.itemsize else np.dtype(np.uint8)
            return np.frombuffer(feature, kind).reshape(spec.shape)
        return read_image(io.BytesIO(feature), spec, "stretch", where)
    if np.size(feature) != size:
        raise EdgeqError(
            f"The feature has {np.size(feature)} values; input '{spec.name}' takes {size}.", where
        )
    return np.reshape(feature, spec.shape)


def _records(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        index = 0
        while head := file.read(12):
            where = f"{path}, record {index}"
            if len(head) < 12 or _masked_crc(head[:8]) != struct.unpack("<I", head[8:])[0]:
                raise EdgeqError("This is no TFRecord file, or it is damaged.", where)
            (length,) = struct.unpack("<Q", head[:8])
            record = file.read(length)
            if len(record) < length or len(file.read(4)) < 4:
                raise EdgeqError("The TFRecord file is cut short.", where)
            yield record
            index += 1


def _masked_crc(data: bytes) -> int:
    """CRC32C (polynomial 0x82F63B78 reflected), rotated and offset as TFRecord stores it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a protobuf message."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        value: Any
        if kind == 0:
            value, position = _varint(message, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, position = message[position : position + size], position + size
        elif kind == 2:
            length, position = _varint(message, position)
            value, position = message[position : position + length], position + length
        else:
            raise ValueError("unknown wire type")
        yield tag >> 3, value


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _example(record: bytes) -> dict[str, Any]:
    """Features by name: bytes, or an array of float32 or int64."""
    found: dict[str, Any] = {}
    for _, features in _fields(record):
        for _, entry in _fields(features):
            parts = dict(_fields(entry))
            found[parts[1].decode()] = _feature(parts.get(2, b""))
    return found


def _feature(message: bytes) -> Any:
    for kind, body in _fields(message):
        values = [value for _, value in _fields(body)]
        if kind == 1:
            return values[0] if values else b""
        if kind == 2:
            return np.frombuffer(b"".join(values), "<f4")
        return np.array([n for value in values for n in _integers(value)], np.int64)
    return np.zeros(0, np.float32)


def _integers(value: Any) -> Iterator[int]:
    """One int64, or the packed ones; negative numbers are two's complement."""
    packed = value if isinstance(value, bytes) else None
    position = 0
    while packed is None or position < len(packed):
        number = value
        if packed is not None:
            number, position = _varint(packed, position)
        yield number - (1 << 64) if number >= 1 << 63 else number
        if packed is None:
            return
