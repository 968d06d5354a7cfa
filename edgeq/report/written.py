"""Figures that JSON holds, as lines of text with the kinds that stand beside them there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edgeq.report.account import NAMES, at_clock, figure_text
from edgeq.support.figures import figure_in

UNITS = {
    "latency_ms": "ms", "energy_uj": "uJ", "busy_power_w": "W", "idle_power_w": "W",
    "average_power_uw": "uW", "battery_life_h": "h",
}  # fmt: skip
"""Of figures whose names have their units in JSON."""


def written(
    result: Mapping[str, Any], paths: Iterable[str], *, more: bool = True
) -> list[tuple[str, str]]:
    """Name and value of those figures of a result's JSON that are known.

    Args:
        result: The JSON.
        paths: Keys of `UNITS`.
        more: Whether clocks and notes stand behind the values.
    """
    found = ((path, figure_in(result, path, UNITS[path])) for path in paths)
    known = [(path, each) for path, each in found if each.value is not None]
    return [
        (NAMES[path], at_clock(each) if more else figure_text(each))
        for path, each in known
        if each.kind != "unknown"
    ]
