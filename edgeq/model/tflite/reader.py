"""A flatbuffer reader that survives any bytes.

Every offset, length and string is checked against the file before it is followed, so a damaged
or hostile file ends in a `Malformed` error, never in a crash, an endless loop or a huge
allocation: a vector can never claim more elements than the file has bytes for, and all that is
read together is a few times the file, however many places lead to the same part of it.

Source of the layout: FlatBuffers internals (root offset, tables with vtables, vectors).
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SCALARS: dict[str, tuple[str, int]] = {
    "i8": ("<b", 1),
    "u8": ("<B", 1),
    "bool": ("<B", 1),
    "i32": ("<i", 4),
    "u32": ("<I", 4),
    "i64": ("<q", 8),
    "u64": ("<Q", 8),
    "f32": ("<f", 4),
}
_VECTORS: dict[str, str] = {"[u8]": "<u1", "[i32]": "<i4", "[i64]": "<i8", "[f32]": "<f4"}


# Of vectors, in files; names may be shared.
_MOST_TIMES, _SPARE_BYTES = 8, 1 << 20
_TABLE_BYTES = 16  # none that says anything is smaller, with the offset that leads to it


class Malformed(Exception):
    """The bytes are no valid flatbuffer of the expected shape."""


class _Budget:
    """What may still be read of a file."""

    def __init__(self, size: int) -> None:
        self._left = _MOST_TIMES * size + _SPARE_BYTES

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise Malformed("its parts are used many times over")


class Table:
    """One flatbuffer table: typed access to its fields by slot number."""

    __slots__ = ("_budget", "_data", "_position", "_vtable", "_vtable_bytes")

    def __init__(self, data: bytes, position: int, budget: _Budget) -> None:
        self._data = data
        self._budget = budget
        self._position = position
        self._vtable = position - _read(data, "<i", position)
        self._vtable_bytes = _read(data, "<H", self._vtable)
        if self._vtable_bytes < 4 or self._vtable + self._vtable_bytes > len(data):
            raise Malformed(f"table at byte {position} has no valid vtable")

    @classmethod
    def root(cls, data: bytes) -> Table:
        """The root table of a finished buffer.

        Raises:
            Malformed: There is none.
        """
        return cls(data, _read(data, "<I", 0), _Budget(len(data)))

    def _field(self, slot: int) -> int | None:
        entry = 4 + 2 * slot
        if entry + 2 > self._vtable_bytes:
            return None
        offset: int = _read(self._data, "<H", self._vtable + entry)
        return self._position + offset if offset else None

    def _target(self, slot: int) -> int | None:
        field = self._field(slot)
        if field is None:
            return None
        target: int = field + _read(self._data, "<I", field)
        return target

    def scalar(self, slot: int, kind: str, default: int | float = 0) -> Any:
        """A number; `default` where the file leaves the field out."""
        field = self._field(slot)
        if field is None:
            return default
        return _read(self._data, _SCALARS[kind][0], field)

    def has(self, slot: int) -> bool:
        """Whether the file holds this field."""
        return self._field(slot) is not None

    def table(self, slot: int) -> Table | None:
        """A sub-table; None where there is none."""
        target = self._target(slot)
        return None if target is None else Table(self._data, target, self._budget)

    def text(self, slot: int) -> str:
        """A string; empty where there is none. Bytes that are no UTF-8 are replaced."""
        raw = self.vector(slot, "[u8]")
        return "" if raw is None else raw.tobytes().decode("utf-8", "replace")

    def vector(self, slot: int, kind: str) -> NDArray[Any] | None:
        """A vector of numbers as a read-only view of the file; None where there is none."""
        start = self._target(slot)
        if start is None:
            return None
        count: int = _read(self._data, "<I", start)
        dtype = np.dtype(_VECTORS[kind])
        if start + 4 + count * dtype.itemsize > len(self._data):
            raise Malformed(f"vector at byte {start} is longer than the file")
        self._budget.take(count * dtype.itemsize)
        return np.frombuffer(self._data, dtype, count, start + 4)

    def tables(self, slot: int) -> list[Table]:
        """A vector of tables; empty where there is none."""
        start = self._target(slot)
        if start is None:
            return []
        count: int = _read(self._data, "<I", start)
        if start + 4 + 4 * count > len(self._data):
            raise Malformed(f"vector at byte {start} is longer than the file")
        self._budget.take(_TABLE_BYTES * count)
        return [
            Table(self._data, entry + _read(self._data, "<I", entry), self._budget)
            for entry in range(start + 4, start + 4 + 4 * count, 4)
        ]

    def part(self, offset: int, size: int) -> bytes:
        """Bytes of the file that lie outside of all tables; fewer where it ends before."""
        self._budget.take(size)
        return self._data[offset : offset + size]


def _read(data: bytes, layout: str, position: int) -> Any:
    if position < 0:
        raise Malformed(f"offset {position} lies before the file")
    try:
        return struct.unpack_from(layout, data, position)[0]
    except struct.error:
        raise Malformed(f"offset {position} lies behind the end of the file") from None
