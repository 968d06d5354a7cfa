"""Lists: one thing or several, and numbers of channels and the like as a person writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def several(given: Any) -> list[Any]:
    """What a caller gave as a list; a text, path or mapping alone is one thing."""
    alone = isinstance(given, str | Path | Mapping) or not isinstance(given, Iterable)
    return [given] if alone else list(given)


def listed(noun: str, numbers: Iterable[int], most: int = 8) -> str:
    """Ascending numbers behind their noun: "channels 4 to 8, 12".

    Args:
        noun: What they are the numbers of, in the singular.
        numbers: One or more.
        most: Runs that are named; how many numbers there are in all is said then.
    """
    runs: list[list[int]] = []
    count = 0
    for number in numbers:
        count += 1
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    parts = [f"{a}" if a == b else f"{a} to {b}" for a, b in runs]
    more = f" and others ({count} in all)" if len(parts) > most else ""
    return f"{noun}{'' if count == 1 else 's'} {', '.join(parts[:most])}{more}"
