"""The one place where a device's text becomes numbers: digits, length and size are bounded."""

from __future__ import annotations

import math

from edgeq.support.text import whole_number

_LONGEST_TEXT = 40
MOST_CORES = 4096


def whole(text: str) -> int | None:
    """A number from 0 on in decimal digits; None if the text is none."""
    return whole_number(text)


def real(text: str, most: float = 1e18) -> float | None:
    """A finite number whose size is at most `most`; None if the text is none."""
    text = text.strip()
    if len(text) > _LONGEST_TEXT or not text.isascii():
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= most else None


def core_list(text: str) -> tuple[int, ...] | None:
    """The cores of a list such as `0,2-5` or `0-31:2`, as taskset and Linux write them.

    None if the text is no such list, or names a core that no machine has.
    """
    found: set[int] = set()
    for part in text.strip().split(","):
        span, _, step = part.partition(":")
        first, dash, last = span.partition("-")
        low = whole(first)
        high = whole(last) if dash else low
        stride = whole(step) if ":" in part else 1
        if low is None or high is None or not stride or not low <= high < MOST_CORES:
            return None
        if ":" in part and not dash:
            return None
        found.update(range(low, high + 1, stride))
    return tuple(sorted(found))
