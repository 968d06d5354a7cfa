"""The table [decision] of a front end's file, checked before it is believed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from edgeq.errors import EdgeqError, first_few
from edgeq.model.decision import Decision, limit_of
from edgeq.support.text import line_problem

_COUNTS = {
    "average": (1, 1024),
    "min_count": (1, 1024),
    "refractory": (0, 1 << 20),
    "suppression": (0, 1 << 20),
    "top_k": (1, 1 << 15),
    "queue": (1, 255),
}
_TIMES = ("average", "min_count", "refractory", "suppression")
_MOST_MS = 600_000


def read_decision(given: Mapping[str, Any], where: str) -> Decision:
    """A decision from the values of its table.

    Raises:
        EdgeqError: It makes no sense: all of it at once.
    """
    known = {field.name for field in fields(Decision)} - {"times_ms"}
    times = {f"{key}_ms" for key in _TIMES}
    problems = [f"{key} is unknown" for key in sorted(set(given) - known - times)]
    values = {key: value for key, value in given.items() if key in known}
    in_ms = {key: given[f"{key}_ms"] for key in _TIMES if f"{key}_ms" in given}
    for key in ("labels", "background"):
        values[key] = texts(key, values.get(key, []), problems)
    _check_counts(values, in_ms, problems)
    scale = values.get("full_scale", 1.0)
    if not is_number(scale) or scale <= 0:
        problems.append(f"full_scale is {scale!r}, no number above 0")
    else:
        for key in ("threshold", "release"):
            _check_limits(key, values.get(key, 0), float(scale), problems)
    if not problems:
        made = Decision(**values, times_ms=in_ms or None)
        problems += _contradictions(made)
        if not problems:
            return made
    raise EdgeqError(f"The decision makes no sense: {'; '.join(first_few(problems))}.", where)


def _check_counts(values: Mapping[str, Any], in_ms: Mapping[str, Any], problems: list[str]) -> None:
    for key, value in in_ms.items():
        if not is_number(value) or not 0 <= value <= _MOST_MS:
            problems.append(f"{key}_ms is {value!r}, no number from 0 to {_MOST_MS}")
        if key in values:
            problems.append(f"{key}_ms says {key} a second time")
    for key, (low, high) in _COUNTS.items():
        value = values.get(key, low)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            problems.append(f"{key} is {value!r}, no integer from {low} to {high}")


def texts(key: str, value: Any, problems: list[str]) -> tuple[str, ...]:
    """A list of names; what is wrong with it joins the problems."""
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        problems.append(f"{key} is {value!r}, no list of names")
        return ()
    odd = [each for each in value if line_problem(each)]
    if odd:
        problems.append(f"{key} holds {odd[0]!r:.100}, which is not {line_problem(odd[0])}")
    if len(set(value)) != len(value):
        problems.append(f"{key} names a class twice")
    return tuple(value)


def _check_limits(key: str, value: Any, most: float, problems: list[str]) -> None:
    several = value.items() if isinstance(value, Mapping) else [("", value)]
    for name, limit in several:
        if not is_number(limit) or not 0 <= limit <= most:
            of = f" of {name}" if name else ""
            problems.append(f"{key}{of} is {limit!r}, no number from 0 to {most:g}")


def _contradictions(d: Decision) -> list[str]:
    """What makes no sense together."""
    found = []
    if d.release is not None:
        several = [limits for limits in (d.release, d.threshold) if isinstance(limits, Mapping)]
        # A label that release leaves out has its threshold there.
        for name in sorted(several[0]) if several else [""]:
            release, threshold = (limit_of(limits, name) for limits in (d.release, d.threshold))
            if release > threshold:
                of = f" of {name}" if name else ""
                found.append(f"release{of} is {release:g}, above the threshold {threshold:g}")
    if d.labels and set(d.labels) <= set(d.background):
        found.append("all classes are background")
    return found


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, and no truth."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)
