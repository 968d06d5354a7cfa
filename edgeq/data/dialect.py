"""How a CSV file is written: what separates its fields, its decimals, whether it has a header."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edgeq.data.base import file_error
from edgeq.data.labels import listed, plain_number
from edgeq.errors import EdgeqError
from edgeq.support.foreign import open_file

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?", re.ASCII)
_DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?", re.ASCII)
_NUMBERS = re.compile(r"[-+.,eE]*\d[-+\d.,eE]*", re.ASCII)
# Excel's first line that names the separator.
_NAMED_SEPARATOR = re.compile(r"sep=(.)")
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

_LONGEST_LINE = 1 << 25  # characters; three million pixels with all their digits

# What a packed table may unpack to.
_SPARE_BYTES, _MOST_TIMES = 16 << 20, 50


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        separator: Between fields.
        decimal_comma: Whether 1,5 is one and a half.
        header: Names of the columns; their numbers where the file has none.
        has_header: Whether the first line holds the names.
        encoding: Of the text.
        skipped: Lines before the first one that counts.
    """

    separator: str
    decimal_comma: bool
    header: tuple[str, ...]
    has_header: bool
    encoding: str
    skipped: int = 0

    def number(self, text: str) -> float:
        """The number that a field holds.

        Raises:
            ValueError: It holds none.
        """
        if self.decimal_comma:
            if "." in text:
                raise ValueError(text)
            text = text.replace(",", ".", 1)
        return plain_number(text)

    def __str__(self) -> str:
        text = f"separated by {_SEPARATORS.get(self.separator, repr(self.separator))}"
        if self.decimal_comma:
            text += ", decimal commas"
        return text if self.has_header else f"{text}, no header: columns are numbered from 0"

    def columns(
        self, path: Path, names: Sequence[str], wanted: str
    ) -> Iterator[tuple[str, list[str]]]:
        """Of every line of data where it stands, and its fields of some columns.

        Args:
            path: The file.
            names: Of the columns, which need not be all.
            wanted: What columns the file should have, for messages.

        Raises:
            EdgeqError: A column is missing, or a line has more or fewer fields than the header.
        """
        missing = [name for name in names if name not in self.header]
        if missing:
            raise EdgeqError(
                f"The file has no column {', '.join(missing)}; it has {listed(self.header)}.",
                str(path),
                wanted,
            )
        places = [self.header.index(name) for name in names]
        for number, fields in self.lines(path):
            where = f"{path}, line {number}"
            if len(fields) != len(self.header):
                raise EdgeqError(
                    f"The line has {len(fields)} fields; the header has {len(self.header)}.", where
                )
            yield where, [fields[place].strip() for place in places]

    def lines(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """Line number and fields of every line of data that is not blank."""
        skip = self.skipped + self.has_header
        for number, fields in _records(path, self.encoding, self.separator):
            if skip:
                skip -= 1
                continue
            yield number, fields


def find_dialect(path: Path, label: str | None = None) -> Dialect:
    """How a file is written, from the whole of it.

    Args:
        path: The file.
        label: Name or number of the label's column, if it is known.

    Raises:
        EdgeqError: It cannot be read, or has numbers with commas and such with points.
    """
    encoding = _encoding(path)
    first = _first_line(path, encoding)
    named = _NAMED_SEPARATOR.fullmatch(first.strip("\r\n\"'"))
    separator = named[1] if named else _separator(path, encoding)
    records = _records(path, encoding, separator)
    if named:
        next(records, None)
    header = tuple(next(records, (0, []))[1])
    if not header:
        raise EdgeqError("The file is empty.", str(path))
    comma = separator != "," and _has_decimal_commas(path, encoding, separator)
    second = next(records, (0, []))[1]
    has_header = not _is_data(_numbers(header, comma), header, _numbers(second, comma), label, path)
    names = header if has_header else tuple(str(number) for number in range(len(header)))
    _check_names(names, path)
    return Dialect(separator, comma, names, has_header, encoding, int(named is not None))


def _check_names(names: Sequence[str], path: Path) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise EdgeqError(
            f"Two columns have the name '{twice[0]}'.", f"{path}, line 1", "rename one of them"
        )


class _Unpacked(gzip.GzipFile):
    """A packed table, as far as it unpacks to what a table may: text seldom packs twentyfold."""

    def __init__(self, path: Path) -> None:
        self._file = open_file(path, "table")
        super().__init__(fileobj=self._file, mode="rb")
        self._path, self._most = path, _SPARE_BYTES + _MOST_TIMES * path.stat().st_size

    def close(self) -> None:
        """Close the file below too."""
        super().close()
        self._file.close()

    def read1(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            EdgeqError: The file claims to be much more than it is.
        """
        data = super().read1(size)
        if self.tell() > self._most:
            raise EdgeqError(
                f"It unpacks to more than {self._most:,} bytes.",
                str(self._path),
                "a real table? unpack it first",
            )
        return data


def _open(path: Path) -> IO[bytes]:
    if path.suffix.lower() in (".gz", ".gzip"):
        packed: Any = _Unpacked(path)
        opened: IO[bytes] = packed
        return opened
    return open_file(path, "table")


def _encoding(path: Path) -> str:
    try:
        with _open(path) as file:
            return _BOMS.get(file.read(2), "utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise file_error(path, error) from error


class _Lines:
    """The lines of a text; those of one record, too, may be as long as one line together.

    Raises:
        EdgeqError: They are longer than any of a table.
    """

    def __init__(self, file: io.TextIOWrapper, path: Path) -> None:
        self._file, self._path = file, path
        self._number = self._characters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(_LONGEST_LINE)
        if not line:
            raise StopIteration
        self._number += 1
        self._characters += len(line)
        if self._characters >= _LONGEST_LINE:
            raise EdgeqError(
                f"The line has over {_LONGEST_LINE:,} characters.",
                f"{self._path}, line {self._number}",
                "a real table? a line for each sample",
            )
        return line

    def begin_record(self) -> None:
        """What comes now belongs to another record."""
        self._characters = 0


def _first_line(path: Path, encoding: str) -> str:
    try:
        with _open(path) as raw, io.TextIOWrapper(raw, encoding, newline="") as file:
            lines = _Lines(file, path)
            for line in lines:
                if line.strip():
                    return line
                lines.begin_record()
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise file_error(path, error) from error
    return ""


def _records(path: Path, encoding: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of every line that is not blank."""
    try:
        with _open(path) as raw, io.TextIOWrapper(raw, encoding, newline="") as file:
            lines = _Lines(file, path)
            if separator == " ":  # several count as one, which csv does not know
                for number, line in enumerate(lines, 1):
                    lines.begin_record()
                    if fields := line.split():
                        yield number, fields
                return
            reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
            for fields in reader:
                lines.begin_record()
                if any(fields) or len(fields) > 1:
                    yield reader.line_num, [field.strip() for field in fields]
    except UnicodeError:
        raise EdgeqError(
            "The text is not in UTF-8 (or UTF-16).", str(path), "save it as CSV UTF-8"
        ) from None
    except csv.Error as error:
        raise EdgeqError(
            f"The line cannot be read: {error}.", f"{path}, line {reader.line_num}"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise file_error(path, error) from error


def _separator(path: Path, encoding: str) -> str:
    """What separates fields: what cuts the first line into fields that make sense, and into most.

    A space only where nothing else does: names may hold some.
    """
    whole, some = {}, {}
    for separator in _SEPARATORS:
        try:
            fields = next(_records(path, encoding, separator), (0, []))[1]
        except EdgeqError:  # quotes that make sense with another separator only
            fields = []
        if len(fields) > 1:
            some[separator] = sum(map(_is_whole, fields))
            if some[separator] == len(fields):
                whole[separator] = len(fields)
    spaces = " " in whole
    for counts in (whole, some):
        counts.pop(" ", None)
    if whole:
        return max(whole, key=lambda separator: whole[separator])
    if spaces or not some:
        return " " if spaces else ","
    return max(some, key=lambda separator: some[separator])


def _is_whole(field: str) -> bool:
    """Whether a field holds no other separator; 1,5 is one number, and 1 5 are two."""
    words = field.split()
    if len(words) > 1 and all(_NUMBERS.fullmatch(word) for word in words):
        return False
    return bool(_DECIMAL_COMMA.fullmatch(field)) or not any(mark in field for mark in ",;\t|")


def _has_decimal_commas(path: Path, encoding: str, separator: str) -> bool:
    """Whether numbers have decimal commas.

    Raises:
        EdgeqError: Some do, others have points.
    """
    comma = point = None
    for number, fields in _records(path, encoding, separator):
        for field in fields:
            if comma is None and _DECIMAL_COMMA.fullmatch(field):
                comma = number, field
            elif point is None and _DECIMAL_POINT.fullmatch(field):
                point = number, field
    if comma and point:
        raise EdgeqError(
            f"'{comma[1]}' (line {comma[0]}) has a decimal comma, '{point[1]}' a decimal point.",
            f"{path}, line {max(comma[0], point[0])}",
            "one of both in the whole file",
        )
    return comma is not None


def _numbers(fields: Sequence[str], decimal_comma: bool) -> list[float | None]:
    """Each field's number; None for what is none."""
    found: list[float | None] = []
    for field in fields:
        try:
            found.append(plain_number(field.replace(",", ".", 1) if decimal_comma else field))
        except ValueError:
            found.append(None)
    return found


def _is_data(
    first: Sequence[float | None],
    texts: Sequence[str],
    second: Sequence[float | None],
    label: str | None,
    path: Path,
) -> bool:
    """Whether the first line is a sample, not the names of columns.

    Args:
        first: Its numbers.
        texts: Its text.
        second: The numbers of the second line.
        label: Name or number of the label's column, if it is known.
        path: The file.

    Raises:
        EdgeqError: Nobody can tell.
    """
    numbers = [value for value in first if value is not None]
    counted = ([float(n + start) for n in range(len(numbers))] for start in (0, 1))
    if not numbers or numbers in counted:
        return False
    if label is not None and label.isdecimal() and label not in texts:
        return True
    named = label is not None and not label.isdecimal() and label in texts
    words = any(a is None and b is not None for a, b in zip(first, second, strict=False))
    if named or words:
        return False
    if len(set(numbers)) < len(numbers):
        return True
    raise EdgeqError(
        "The first line may be names of columns or a sample: it has numbers as the others do.",
        f"{path}, line 1",
        "give the file a header with the columns' names, or the label's column by number: "
        "--label 0",
    )
