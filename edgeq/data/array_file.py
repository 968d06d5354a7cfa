"""One array of a .npy or .npz file, read row by row.

A memory map would do for .npy, but its pages count as the process's memory, and a compressed
.npz has none; reading rows from the file is as fast and stays small for both.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from edgeq.data.base import file_error
from edgeq.errors import EdgeqError
from edgeq.support.array import Array
from edgeq.support.foreign import ARCHIVE_ERRORS, open_file
from edgeq.support.reasons import reason_of

UNREADABLE = (*ARCHIVE_ERRORS, SyntaxError, TypeError, RecursionError)
"""What the readers of such files raise where a file is damaged."""

_BLOCK_BYTES, _BLOCK_TEXTS = 1 << 20, 1 << 14


@dataclass(frozen=True)
class Column:
    """One array of a file: its header, and how to stream its rows."""

    path: Path
    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def where(self) -> str:
        """File and key, for messages."""
        return f"{self.path}:{self.key}" if self.key else str(self.path)

    def whole(self) -> Array:
        """All of the array at once.

        Raises:
            EdgeqError: It is damaged, or does not fit into memory.
        """
        try:
            with open_file(self.path, "array") as file:
                loaded = np.load(file, allow_pickle=False)
                if not self.key:
                    return np.asarray(loaded)
                with loaded:
                    return np.asarray(loaded[self.key])
        except UNREADABLE as error:
            raise file_error(self.path, error) from error

    def rows(self, places: Sequence[int] | None = None) -> Iterator[Array]:
        """One array per sample, in order.

        Args:
            places: Which samples, in rising order; None for all.
        """
        places = range(self.shape[0]) if places is None else places
        if self.fortran:
            # Columns first on disk: rows cannot be streamed, so the whole array is read.
            whole = self.whole()
            yield from (whole[place] for place in places)
            return
        shape = self.shape[1:]
        size = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        with self._values() as stream:
            at = 0
            for place in places:
                self._pass_over(stream, (place - at) * size)
                raw = stream.read(size)
                if len(raw) != size:
                    raise EdgeqError(
                        f"The file ends after {place} of {self.shape[0]} samples.", self.where
                    )
                yield np.frombuffer(raw, self.dtype).reshape(shape)
                at = place + 1
            # An archive compares its checksum only when it sees the end.
            self._pass_over(stream, (self.shape[0] - at) * size)
            stream.read(1)

    def texts(self) -> Iterator[tuple[int, str | bytes]]:
        """Each text of a column of texts where it stands first: names of classes are few."""
        seen: set[str | bytes] = set()
        with self._values() as stream:
            for start in range(0, self.shape[0], _BLOCK_TEXTS):
                count = min(_BLOCK_TEXTS, self.shape[0] - start)
                raw = stream.read(count * self.dtype.itemsize)
                for index, text in enumerate(np.frombuffer(raw, self.dtype, count).tolist(), start):
                    if text not in seen:
                        seen.add(text)
                        yield index, text

    @contextlib.contextmanager
    def _values(self) -> Iterator[IO[bytes]]:
        """The file after its header; what is wrong with it is said as of this file."""
        try:
            with _open(self.path, self.key) as stream:
                read_header(stream)
                yield stream
        except UNREADABLE as error:
            raise file_error(self.path, error) from error

    def _pass_over(self, stream: IO[bytes], size: int) -> None:
        """Go on by so many bytes; through all of an archive's, which go into its checksum."""
        if not self.key:
            stream.seek(size, os.SEEK_CUR)
            return
        while size > 0 and (block := stream.read(min(size, _BLOCK_BYTES))):
            size -= len(block)


def _open(path: Path, key: str) -> IO[bytes]:
    if not key:
        return open_file(path, "array")
    return zipfile.ZipFile(path).open(key + ".npy")


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and dtype of an array in .npy form.

    Raises:
        ValueError: It is damaged.
    """
    version = npy.read_magic(stream)  # type: ignore[no-untyped-call]
    one = version == (1, 0)
    read: Any = npy.read_array_header_1_0 if one else npy.read_array_header_2_0
    try:
        shape, fortran, dtype = read(stream)
    except Exception as error:  # numpy has Python's own parser read it
        # numpy's own words recommend allow_pickle, which is never right here.
        raise ValueError(f"its header is damaged ({reason_of(error)})") from error
    return shape, fortran, dtype
