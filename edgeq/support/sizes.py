"""Sizes as people write them, and as files state them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edgeq.errors import UsageError

# What no file holds: work on larger numbers takes time itself.
_MOST_ELEMENTS = 1 << 62
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kKmMgG]?)(?:i?[bB])?", re.ASCII)


def parse_bytes(text: str | None) -> int | None:
    """A size such as "32K", "1.5M" or "4096", in bytes.

    Raises:
        UsageError: The text is no size.
    """
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise UsageError(f"'{text}' is no size.", hint="a number of bytes, or 32K, 1.5M, 1G")
    factor = {"": 1, "k": 1024, "m": 1 << 20, "g": 1 << 30}[match[2].lower()]
    return int(float(match[1]) * factor)


def element_count(shape: Iterable[int]) -> int:
    """The product of the sizes that a file states, 2^62 where it is larger than that.

    The product of thousands of large numbers would take time that grows with their square.
    """
    sizes = list(shape)
    found = 0 if 0 in sizes else 1
    for size in sizes:
        found *= size
        if not abs(found) < _MOST_ELEMENTS:
            return _MOST_ELEMENTS
    return found
