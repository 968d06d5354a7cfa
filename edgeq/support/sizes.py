"""Sizes as people write them."""

from __future__ import annotations

import re

from edgeq.errors import UsageError

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
