"""Text of other people: made visible, or measured at the door."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

_UNUSUAL = re.compile(r"[^ -~\n\t]")
_JOINERS = "\u200c\u200d"  # of Persian, Hindi, Sinhala and pictures: between letters they are text
_END_OF_LINE = re.compile(r"\r\n|\n|\r")
_LINE = 200
_MOST_DIGITS = 20  # a number of 64 bits has no more


def visible(text: str) -> str:
    """Text as a terminal may show it: what steers it, or turns its direction, is spelled out.

    Ends of lines and tabs stay, and joiners between characters that are none of ASCII. Source:
    Unicode's general categories, as `str.isprintable` knows them.
    """
    return _UNUSUAL.sub(_spelled, text)


def visible_line(text: str) -> str:
    """The same in one line: ends of lines are spelled out too."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _spelled(found: re.Match[str]) -> str:
    character, text = found[0], found.string
    if character.isprintable():
        return character
    around = text[found.start() - 1 : found.start()] + text[found.end() : found.end() + 1]
    between = len(around) == 2 and around.isprintable()
    if character in _JOINERS and between and not any(each.isascii() for each in around):
        return character
    return character.encode("unicode_escape").decode("ascii")


def kind_of_value(value: Any) -> str:
    """What a value of a TOML or JSON file is, in its user's words, such as "a whole number"."""
    names = {
        bool: "true or false", int: "a whole number", float: "a number", str: "a text",
        list: "a list", tuple: "a list", dict: "a table", type(None): "nothing",
    }  # fmt: skip
    return names.get(type(value), "a date or time")


def lines_of(text: str) -> list[str]:
    """The lines of a text of somebody else's, without their ends.

    `str.splitlines` ends lines at form feeds and at Unicode's own separators, too: those are
    characters in a line for every other program that reads such a file.
    """
    lines = _END_OF_LINE.split(text)
    return lines if lines[-1] else lines[:-1]


def line_problem(value: Any, most: int = _LINE) -> str:
    """What a value must be to be taken as a short text; empty if it is one.

    Args:
        value: Anything.
        most: Most characters.
    """
    good = isinstance(value, str) and value.strip() and len(value) <= most
    good = good and visible_line(value) == value
    return "" if good else f"a text of one line, of at most {most} printable characters"


def twice_named(names: Iterable[str]) -> list[str]:
    """Names that stand there more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


def whole_number(text: str) -> int | None:
    """A number from 0 on in decimal digits, such as devices print; None if it is none."""
    text = text.strip()
    good = text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS
    return int(text) if good else None
