"""tf.train.Example and serialized tensors, without TensorFlow.

Source: tensorflow/core/example/example.proto, tensorflow/core/framework/tensor.proto.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgeq.support.array import Array

# DataType of tensorflow/core/framework/types.proto
_TYPES = {
    1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?", 17: "<u2",
    19: "<f2", 22: "<u4", 23: "<u8",
}  # fmt: skip
# Fields of TensorProto that hold values of some types one by one.
_LISTS = {5: "<f4", 6: "<f8"}
_INTEGERS = (7, 10, 11, 16, 17)  # int_val, int64_val, bool_val, uint32_val, uint64_val

Damaged = (
    IndexError, ValueError, struct.error, UnicodeDecodeError, KeyError, TypeError, AttributeError,
    OverflowError, RecursionError,
)  # fmt: skip
"""What a message that is none makes the functions here raise."""

_MOST_VALUES = 1 << 28


def read_example(record: bytes) -> dict[str, Any]:
    """Features by name: a list of bytes, or an array of float32 or int64.

    Raises:
        Damaged: It is none.
    """
    found: dict[str, Any] = {}
    for number, features in _fields(record):
        if number != 1:
            raise ValueError("no Example")
        for _, entry in _fields(features):
            parts = dict(_fields(entry))
            found[parts[1].decode()] = _feature(parts.get(2, b""))
    return found


def read_tensor(message: bytes) -> Array | None:
    """The array that `tf.io.serialize_tensor` wrote; None where the bytes are no such thing."""
    try:
        return _tensor(message)
    except Damaged:
        return None


def _tensor(message: bytes) -> Array | None:
    kind, shape, content = 0, None, b""
    values: list[Array] = []
    for number, value in _fields(message):
        if number == 1:
            kind = int(value)
        elif number == 2:
            shape = _shape(value)
        elif number == 4:
            content = value
        elif number != 3:  # the version
            values.append(_listed(number, value))
    if kind not in _TYPES or shape is None:
        return None
    dtype = np.dtype(_TYPES[kind])
    if content:
        return np.frombuffer(content, dtype).reshape(shape)
    size = math.prod(shape)
    if size > _MOST_VALUES:  # a few bytes may claim any number
        return None
    flat = np.concatenate(values) if values else np.zeros(1)
    # The last one stands for all that follow.
    flat = np.concatenate([flat, np.repeat(flat[-1:], max(size - len(flat), 0))])
    return flat.astype(dtype).reshape(shape)


def _listed(number: int, value: Any) -> Array:
    """Values that stand one by one in a field.

    Raises:
        ValueError: The field is none of those.
    """
    if number in _LISTS:
        return np.frombuffer(value, _LISTS[number])
    if number in _INTEGERS:
        return np.array(list(_integers(value)))
    raise ValueError(number)


def _shape(message: bytes) -> tuple[int, ...]:
    return tuple(
        dict(_fields(dimension)).get(1, 0) for number, dimension in _fields(message) if number == 2
    )


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
        if position > len(message):
            raise ValueError("cut off")
        yield tag >> 3, value


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a number of more than 64 bits")


def _feature(message: bytes) -> Any:
    for kind, body in _fields(message):
        values = [value for _, value in _fields(body)]
        if kind == 1:
            if not all(isinstance(value, bytes) for value in values):
                raise ValueError("no bytes")
            return values
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
