"""Bytes and text of other people: files, devices, models. Read here, under limits, or not at all.

Whatever they hold, a reader in this module ends in a value or in an `EdgeqError`: never in another
exception, an endless loop, or memory filled because a few bytes claimed to be many.
"""

from __future__ import annotations

import io
import json
import lzma
import math
import os
import re
import stat
import struct
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from edgeq.errors import EdgeqError
from edgeq.support.reasons import reason_of
from edgeq.support.text import visible_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_TEXT_BYTES = 256 << 20
"""Largest text file: a long measurement's raw samples are some 10 MB."""

MOST_FILE_BYTES = 4 << 30
"""Largest binary file that is read at once: what a .wav file can be."""

MOST_DEPTH = 64
"""Lists and tables inside each other; edgeq's own results have 8."""

MOST_VALUES = 5_000_000
"""Values of a JSON text: half a gigabyte of Python; a graph of 50,000 ops has as many."""

# Of a pipe without a writer, opening alone would wait.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_KINDS = {
    stat.S_ISREG: None,
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISSOCK: "a socket",
}
_MOST_BITS = 64
_MOST_PIPED = 64 << 20
_MOST_DIGITS = 20  # of an integer, so that it fits 64 bits or nearly so
_MOST_MEMBERS = 100_000
# Strings that do not end are taken to the end of their line, so that no text is looked at twice.
_TOML_TOKEN = re.compile(
    r'''(?P<text>#[^\n]*|"""(?:.|\n)*?"""|'{3}(?:.|\n)*?'{3})'''
    r"""|(?P<name>"(?:\\.|[^"\\\n])*"?|'[^'\n]*'?|[\w-]+)"""
    r"""|(?P<dot>\.)|(?P<blank>[ \t]+)|(?P<rest>.|\n)"""
)
# Weights are hardly ever packed; those of a pruned network may shrink to a twentieth.
_SPARE_BYTES, _MOST_TIMES = 64 << 20, 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:[/\\]|(^|[/\\])\.\.([/\\]|$)")

ARCHIVE_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, KeyError,
    RuntimeError, struct.error, IndexError, OverflowError, MemoryError,
)  # fmt: skip
"""What a damaged archive makes Python's readers raise; RuntimeError: it has a password."""


def open_file(path: Path, what: str) -> IO[bytes]:
    """A file opened for reading: the one door for what others may have put there.

    What is no plain file is refused: a pipe would wait for ever, a device gives bytes for ever. A
    pipe that this process was given (`/dev/stdin`, `<(command)` in a shell) is the user's own.

    Args:
        path: The file.
        what: What it is for the user, such as "configuration".

    Raises:
        EdgeqError: It is none.
        OSError: It is not there, or may not be read.
    """
    check_file(path, what)  # some cannot even be opened
    handle = os.open(path, os.O_RDONLY | _AT_ONCE | _BINARY)
    try:
        state = os.fstat(handle)
        _check_kind(path, state, what)
        if stat.S_ISREG(state.st_mode) and not state.st_size and _flows(handle):
            raise _no_file(path, what, "a stream of the system")  # such as /proc/kmsg
        if _AT_ONCE and _given(path):
            os.set_blocking(handle, True)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _flows(handle: int) -> bool:
    """Whether a file of no bytes gives some all the same, or has them later."""
    try:
        return bool(os.read(handle, 1))
    except BlockingIOError:
        return True


def check_file(path: Path, what: str) -> None:
    """Refuse what `open_file` refuses, for files that other libraries open.

    One that is not there is their matter.

    Raises:
        EdgeqError: It is no plain file.
    """
    try:
        state = path.stat()
    except (OSError, ValueError):
        return
    _check_kind(path, state, what)


def kind_of(state: os.stat_result) -> str | None:
    """What a path leads to, such as "a device"; None for a plain file."""
    return next((name for test, name in _KINDS.items() if test(state.st_mode)), "something else")


def _given(path: Path) -> bool:
    return str(path) == "/dev/stdin" or str(path.parent) in ("/dev/fd", "/proc/self/fd")


def _check_kind(path: Path, state: os.stat_result, what: str) -> None:
    kind = kind_of(state)
    if kind is None or (stat.S_ISFIFO(state.st_mode) and _given(path)):
        return
    raise _no_file(path, what, kind)


def _no_file(path: Path, what: str, kind: str) -> EdgeqError:
    where = visible_line(str(path))
    return EdgeqError(f"the {what} is {kind}, no file.", where, "give a regular file")


def read_bytes(path: Path, what: str, most: int = MOST_TEXT_BYTES) -> bytes:
    """The content of a file.

    Args:
        path: The file.
        what: What it is for the user, such as "configuration".
        most: Most bytes.

    Raises:
        EdgeqError: It cannot be read, or is larger.
    """
    try:
        with open_file(path, what) as file:
            # Asked for more than there is, `read` would take the memory for it all the same.
            state = os.fstat(file.fileno())
            size = state.st_size
            if not stat.S_ISREG(state.st_mode):
                most = size = min(most, _MOST_PIPED)
            data = file.read(min(size, most) + 1) if size <= most else b""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EdgeqError(f"cannot read the {what}: {reason}.", visible_line(str(path))) from None
    if max(size, len(data)) > most:
        raise EdgeqError(f"the {what} is larger than {most >> 20} MiB.", str(path))
    return data


def parse_json(
    text: str | bytes, where: str, *, unique: bool = False, depth: int = MOST_DEPTH
) -> Any:
    """The value of a JSON text.

    Args:
        text: The text, in UTF-8.
        where: What to blame.
        unique: Refuse objects in which a name stands twice; one reader takes the first, another
            the last.
        depth: How many lists and objects may lie in each other.

    Raises:
        EdgeqError: It is no JSON, lists lie too deep in each other, or a number is too long; or it
            holds so many values that some bytes would become gigabytes.
    """
    if _most_values(text) > MOST_VALUES:
        raise EdgeqError(f"this is no sound JSON: over {MOST_VALUES:,} values.", where)
    try:
        value = json.loads(
            text,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_no_constant,
            object_pairs_hook=_without_doubles if unique else None,
        )
        _check_depth(value, depth)
    except (ValueError, RecursionError, MemoryError) as error:
        raise EdgeqError(f"this is no sound JSON: {reason_of(error)}.", where) from None
    return value


def _most_values(text: str | bytes) -> int:
    """No fewer values than a JSON text holds, without making them."""
    if isinstance(text, bytes):
        return text.count(b"[") + text.count(b"{") + text.count(b",")
    return text.count("[") + text.count("{") + text.count(",")


def parse_toml(text: bytes, where: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        EdgeqError: It is no TOML in UTF-8, or too deep.
    """
    try:
        written = text.decode("utf-8-sig")  # some editors of Windows put a mark in front
        _check_keys(written)
        found: dict[str, Any] = tomllib.loads(written)
        _check_depth(found, MOST_DEPTH)
        _check_numbers(found)
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise EdgeqError(f"this is no TOML: {reason_of(error)}.", where) from None
    return found


def _check_keys(text: str) -> None:
    """Bound dotted keys: their reader keeps every beginning of each, which fills the memory."""
    dots, after_name = 0, False
    for token in _TOML_TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "dot" and after_name:
            dots += 1
            if dots > MOST_DEPTH:
                raise ValueError(f"a key has more than {MOST_DEPTH} parts")
        elif kind in ("text", "rest"):
            dots = 0
        if kind != "blank":
            after_name = kind == "name"


def _check_numbers(value: Any) -> None:
    """Refuse what is no figure.

    TOML's hexadecimal numbers have no limit of their own, and Python cannot print them; its floats
    may be nan and inf.
    """
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict | list):
            todo += each.values() if isinstance(each, dict) else each
        elif isinstance(each, float) and not math.isfinite(each):
            raise ValueError(f"{each} is no number that means anything here")
        elif isinstance(each, int) and each.bit_length() > _MOST_BITS:
            raise ValueError(f"a number has {each.bit_length()} bits")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is too large")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _check_depth(value: Any, most: int) -> None:
    level = [value]
    for _ in range(most + 1):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise ValueError(f"lists lie more than {most} deep in each other")


@contextmanager
def shaped_as(what: str, where: str, hint: str = "") -> Iterator[None]:
    """Turn what a value of another shape makes its reader raise into an error about its file.

    Args:
        what: What the value should be, for the user.
        where: What to blame.
        hint: What makes such a thing.

    Raises:
        EdgeqError: The block looked for what is not there.
    """
    try:
        yield
    except EdgeqError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise EdgeqError(f"this is no {what} ({reason_of(error)}).", where, hint) from error


def read_members(
    archive: Path | bytes, where: str, wanted: Callable[[str], bool], *, member: int, whole: int
) -> dict[str, bytes]:
    """Members of a zip archive by name, unpacked.

    Args:
        archive: The file, or bytes with an archive at their end.
        where: What to blame.
        wanted: Which names.
        member: Most bytes of one member, unpacked.
        whole: Most bytes of all members of the archive, wanted or not, unpacked.

    Raises:
        EdgeqError: Damaged, encrypted, packed in an unusual way, or too large.
    """
    source = io.BytesIO(archive) if isinstance(archive, bytes) else archive
    found = {}
    try:
        with zipfile.ZipFile(source) as opened:
            for entry in check_sizes(opened, where, whole):
                if not wanted(entry.filename):
                    continue
                if entry.file_size > member:
                    raise too_large(visible_line(entry.filename), entry.file_size, member, where)
                with opened.open(entry) as stream:
                    found[entry.filename] = stream.read(member + 1)
    except ARCHIVE_ERRORS as error:
        reason = reason_of(error)
        raise EdgeqError(f"The archive cannot be read: {reason}.", where) from None
    return found


def check_sizes(opened: zipfile.ZipFile, where: str, whole: int) -> list[zipfile.ZipInfo]:
    """The entries of an archive, if they may be unpacked.

    Raises:
        EdgeqError: Too many, too large, encrypted, packed in an unusual way, a name that leads
            out of where it is unpacked, or one name twice: one reader takes the first, another the
            last.
    """
    entries = opened.infolist()
    if len(entries) > _MOST_MEMBERS:
        raise EdgeqError(f"The archive has {len(entries):,} members.", where)
    names = Counter(entry.filename for entry in entries)
    if entries and (most := names.most_common(1)[0])[1] > 1:
        raise EdgeqError(f"The archive holds '{visible_line(most[0])}' twice.", where)
    outside = next((name for name in names if _OUTSIDE.search(name)), None)
    if outside is not None:
        raise EdgeqError(
            f"The archive names a file outside: '{visible_line(outside)[:100]}'.", where
        )
    total = sum(entry.file_size for entry in entries)
    if total > whole:
        raise too_large("the archive", total, whole, where)
    for entry in entries:
        if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
            how = "encrypted" if entry.flag_bits & 1 else "packed in an unusual way"
            raise EdgeqError(f"'{visible_line(entry.filename)}' in the archive is {how}.", where)
    return entries


def unpacked_limit(path: Path) -> int:
    """How many bytes the content of an archive may come to: far more than it has is a bomb."""
    return _SPARE_BYTES + _MOST_TIMES * path.stat().st_size


def too_large(name: str, size: int, most: int, where: str) -> EdgeqError:
    """The error for something that would take more memory than it may."""
    held = f"{size:,}" if size < 1 << 62 else "more than 2^62"
    return EdgeqError(
        f"{name} holds {held} bytes unpacked; {most:,} are read at most.", where,
        "a file that is larger inside than it should be is damaged or made to do harm",
    )  # fmt: skip
