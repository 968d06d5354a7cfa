"""Why somebody's file could not be read, in words about the file and not in Python's own."""

from __future__ import annotations

from edgeq.support.text import visible_line

_LONGEST = 200
# What Python and numpy say of values that an expression did not expect, and what that is for
# whoever made the file. What libraries say in their own words passes.
_PLAIN = {
    "a number is not finite": ("cannot convert float", "NaN to integer", "infinity to integer"),
    "a divisor is zero": ("division by zero", "modulo by zero", "division or modulo by zero"),
    "a number is too large": (
        "too large to convert", "too big to convert", "too large to pack", "int too large",
        "math range error", "Result too large", "out of range for", "format requires",
    ),
    "a list is too short or too long": (
        "index out of range", "values to unpack", "cannot unpack", "dictionary update",
        "positional argument", "unexpected keyword", "argument is an empty sequence",
        "iterable argument is empty",
    ),
    "a value is of another type than it must be": (
        "indices must be", "not subscriptable", "unhashable", "not iterable", "not callable",
        "object has no attribute", "has no len", "unsupported operand", "bad operand",
        "not supported between", "cannot be interpreted as", "unsupported format string",
        "argument must be", "must be real number", "must be str", "not a mapping",
        "can only concatenate", "could not convert string", "invalid literal",
    ),
    "a text is no UTF-8": ("codec can't decode", "codec can't encode", "surrogates not allowed"),
    "it is too deep": ("recursion depth",),
    "it is no list of plain values": ("malformed node or string",),
    "it is of no kind of image that can be read": ("cannot identify image file",),
}  # fmt: skip


def reason_of(error: BaseException) -> str:
    """What an exception says, in one line of at most 200 characters.

    Args:
        error: Of Python, numpy or a library.
    """
    if type(error) is KeyError and error.args:
        return f"there is no '{visible_line(str(error.args[0]))[:60]}'"
    if isinstance(error, UnicodeDecodeError):
        return f"a text is no UTF-8 (byte {error.start:,})"
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if not line:
        return "there is not enough memory" if isinstance(error, MemoryError) else "it is damaged"
    return plain_words(visible_line(line))[:_LONGEST]


def plain_words(line: str) -> str:
    """A library's line as it is; Python's own words as what they mean for a file."""
    return next((words for words, said in _PLAIN.items() if any(s in line for s in said)), line)
