"""The options of custom ops: a flexbuffer that holds a map of names to numbers.

Like the reader of flatbuffers it survives any bytes: every offset is checked before it is
followed, and a map can never claim more entries than there are bytes for.

Source of the layout: FlatBuffers documentation, "FlexBuffers", binary encoding.
"""

from __future__ import annotations

import struct

from edgeq.model.tflite.reader import Malformed

Scalar = int | float | bool | None

_NULL, _INT, _UINT, _FLOAT = 0, 1, 2, 3
_INDIRECT = {6: _INT, 7: _UINT, 8: _FLOAT}
_MAP, _BOOL = 9, 26
_LONGEST_NAME = 256
_FORMATS = {_INT: "bhiq", _UINT: "BHIQ", _BOOL: "BHIQ"}


def read_scalars(data: bytes) -> dict[str, Scalar]:
    """The numbers, booleans and nulls of a map; entries of other types are left out.

    Args:
        data: The whole flexbuffer; no bytes at all are an empty map.

    Raises:
        Malformed: It is no flexbuffer, or holds no map.
    """
    if not data:
        return {}
    if len(data) < 3:
        raise Malformed("custom options of less than 3 bytes")
    width, kind = data[-1], data[-2]
    if width not in (1, 2, 4, 8) or kind >> 2 != _MAP:
        raise Malformed("the custom options are no map")
    return _map(data, _target(data, len(data) - 2 - width, width), 1 << (kind & 3))


def _map(data: bytes, start: int, width: int) -> dict[str, Scalar]:
    count = _uint(data, start - width, width)
    key_width = _uint(data, start - 2 * width, width)
    if key_width not in (1, 2, 4, 8) or start + count * (width + 1) > len(data):
        raise Malformed("a map in the custom options lies outside them")
    keys = _target(data, start - 3 * width, width)
    entries: dict[str, Scalar] = {}
    for i in range(count):
        name = _name(data, _target(data, keys + i * key_width, key_width))
        kind = data[start + count * width + i] >> 2
        place, size = start + i * width, width
        if kind in _INDIRECT:
            size = 1 << (data[start + count * width + i] & 3)
            place, kind = _target(data, place, width), _INDIRECT[kind]
        if kind == _NULL:
            entries[name] = None
        elif kind == _FLOAT:
            entries[name] = _float(data, place, size)
        elif kind in _FORMATS:
            value = _unpack(data, place, size, _FORMATS[kind][size.bit_length() - 1])
            entries[name] = bool(value) if kind == _BOOL else int(value)
    return entries


def _unpack(data: bytes, position: int, width: int, code: str) -> int | float:
    if position < 0 or position + width > len(data):
        raise Malformed(f"the custom options end before byte {position + width}")
    value: int | float = struct.unpack_from("<" + code, data, position)[0]
    return value


def _uint(data: bytes, position: int, width: int) -> int:
    return int(_unpack(data, position, width, "BHIQ"[width.bit_length() - 1]))


def _float(data: bytes, position: int, width: int) -> float:
    if width == 1:
        raise Malformed("a floating point number of one byte in the custom options")
    return float(_unpack(data, position, width, " efd"[width.bit_length() - 1]))


def _target(data: bytes, position: int, width: int) -> int:
    """Where an offset points; offsets in flexbuffers lead backwards."""
    return position - _uint(data, position, width)


def _name(data: bytes, start: int) -> str:
    if start < 0:
        raise Malformed("a name in the custom options lies before them")
    end = data.find(b"\0", start, start + _LONGEST_NAME)
    if end < 0:
        raise Malformed("a name in the custom options has no end")
    return data[start:end].decode("utf-8", "replace")
