"""What goes wrong with CSV files."""

import csv
import io
from pathlib import Path

from tests.data.damage import HARMLESS, SEEN, Damage, NotPossible


def _on_lines(change, fate=SEEN):
    """A damage of a table's text: lines in, lines out."""

    def apply(files, folder, rng):
        path = Path(files.data)
        raw = path.read_bytes()
        encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        text = raw.decode(encoding)
        end = "\r\n" if "\r\n" in text else "\n"
        lines = text.split(end)[:-1]
        changed = change(lines, files, rng)
        path.write_bytes(end.join([*changed, ""]).encode(encoding))
        return fate

    return apply


def _separator(line):
    return max(";\t|,", key=line.count) if any(s in line for s in ";\t|,") else " "


def _on_cell(value, *, label=False, fate=SEEN):
    """A damage of one field in one line that is a sample."""

    def change(lines, files, rng):
        separator = _separator(lines[0])
        if separator == " " and not value(rng, "0").strip():
            raise NotPossible
        bare = files.given["label"].isdigit()
        rows = list(csv.reader(lines, delimiter=separator))
        row = int(rng.integers(0 if bare else 1, len(rows)))
        header = [str(n) for n in range(len(rows[0]))] if bare else rows[0]
        target = header.index(files.given["label"])
        others = [n for n in range(len(header)) if n != target and header[n]]
        column = target if label else others[rng.integers(len(others))]
        if bare and row == 0 and not label:
            raise NotPossible  # the first line would be taken for a header, which is another error
        rows[row][column] = value(rng, rows[row][column])
        stream = io.StringIO()
        csv.writer(stream, delimiter=separator, lineterminator="\n").writerows(rows)
        return stream.getvalue().split("\n")[:-1]

    return _on_lines(change, fate)


def _pick(*values):
    return lambda rng, old: str(values[rng.integers(len(values))])


def _lines_twice(lines, files, rng):
    return [lines[0], *[line for text in lines[1:] for line in (text, "")]]


def _field_lost(lines, files, rng):
    separator = _separator(lines[0])
    row = int(rng.integers(1, len(lines))) if len(lines) > 1 else 0
    if row == 0:
        raise NotPossible
    fields = lines[row].split(separator)
    return [*lines[:row], separator.join(fields[:-1]), *lines[row + 1 :]]


def _field_more(lines, files, rng):
    if len(lines) < 2:
        raise NotPossible
    row = int(rng.integers(1, len(lines)))
    return [*lines[:row], lines[row] + _separator(lines[0]) + "7", *lines[row + 1 :]]


def _header_lost(lines, files, rng):
    if files.given["label"].isdigit():
        raise NotPossible
    return lines[1:]


def _header_renamed(lines, files, rng):
    if files.given["label"].isdigit():
        raise NotPossible
    return [lines[0].replace(files.given["label"], "other"), *lines[1:]]


def _column_twice(lines, files, rng):
    if files.given["label"].isdigit():
        raise NotPossible
    return [lines[0].replace("p1", "p2", 1), *lines[1:]]


def _quote_open(lines, files, rng):
    row = int(rng.integers(len(lines)))
    separator = _separator(lines[0])
    if separator == " ":
        raise NotPossible
    return [*lines[:row], '"' + lines[row], *lines[row + 1 :]]


def _mixed_decimals(lines, files, rng):
    separator = _separator(lines[0])
    if separator == ",":
        raise NotPossible
    return _on_both(lines, separator, files)


def _on_both(lines, separator, files):
    """Two fields: one with a point, one with a comma."""
    rows = list(csv.reader(lines, delimiter=separator))
    bare = files.given["label"].isdigit()
    header = [str(n) for n in range(len(rows[0]))] if bare else rows[0]
    target = header.index(files.given["label"])
    free = [n for n in range(len(header)) if n != target and header[n]]
    rows[-1][free[0]], rows[-1][free[1]] = "7.5", "7,5"
    return [separator.join(row) for row in rows]


def _latin(files, folder, rng):
    path = Path(files.data)
    raw = path.read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise NotPossible
    path.write_bytes(raw + "# größer\n".encode("latin-1"))
    return SEEN


_ODD = ("", "NA", "nan", "1.2 V")

TABLES = [
    Damage("table: blank lines", _on_lines(_lines_twice, HARMLESS)),
    Damage("table: odd label", _on_cell(_pick(*_ODD, "?", "3 4", "1,2 V"), label=True)),
    Damage("table: label out of range", _on_cell(_pick(-1, 10, 99, "2.5", "1e3"), label=True)),
    Damage("table: odd value", _on_cell(_pick(*_ODD, "inf", "1_0", "0x10", "-"))),
    Damage("table: huge value", _on_cell(_pick("1e39", "-1e400", "9" * 400))),
    Damage("table: field lost", _on_lines(_field_lost)),
    Damage("table: field more", _on_lines(_field_more)),
    Damage("table: header lost", _on_lines(_header_lost)),
    Damage("table: label column renamed", _on_lines(_header_renamed)),
    Damage("table: column twice", _on_lines(_column_twice)),
    Damage("table: quote open", _on_lines(_quote_open)),
    Damage("table: mixed decimals", _on_lines(_mixed_decimals)),
    Damage("table: latin-1", _latin),
]  # fmt: skip
