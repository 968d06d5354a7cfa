"""Patterns of hosts and names, as ssh_config and known_hosts have them."""

from __future__ import annotations

import re
from collections.abc import Sequence


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name matches ssh's patterns: `*`, `?`, and `!` for exclusion."""
    hit = False
    for pattern in patterns:
        if _fits(pattern.removeprefix("!"), name):
            if pattern.startswith("!"):
                return False
            hit = True
    return hit


def _fits(pattern: str, name: str) -> bool:
    """Whether a name is what one pattern says, in time that grows with both and no faster.

    What stands between two stars is taken where it first fits; nothing is lost by that.
    """
    first, *parts = (_exact(part) for part in re.split(r"\*+", pattern))
    if not parts:
        return re.fullmatch(first, name, re.DOTALL) is not None
    begin = re.match(first, name, re.DOTALL)
    if begin is None:
        return False
    place, last = begin.end(), parts.pop()
    for part in parts:
        found = re.compile(part, re.DOTALL).search(name, place)
        if found is None:
            return False
        place = found.end()
    return re.search(f"{last}\\Z", name[place:], re.DOTALL) is not None


def _exact(part: str) -> str:
    return re.escape(part).replace(r"\?", ".")
