"""Long lines of C, broken where a reader expects it."""

from __future__ import annotations

from collections.abc import Sequence


def wrapped(opening: str, items: Sequence[str], closing: str) -> list[str]:
    """A call or declaration, broken before column 100 and aligned behind its bracket."""
    lines, line = [], opening
    for position, item in enumerate(items):
        text = item + (closing if position == len(items) - 1 else ",")
        if len(line) + len(text) + 1 > 100 and line.strip() != opening.strip():
            lines.append(line)
            line = " " * len(opening) + text
        else:
            line += text if line == opening else " " + text
    return [*lines, line]
