"""Two results of groups, device by device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.analysis.comparison.profiles import Comparison, compare_profiles
from edgeq.analysis.result_shape import group_rows
from edgeq.errors import EdgeqError
from edgeq.support.foreign import shaped_as
from edgeq.support.jsontext import read_json
from edgeq.support.result import Result


@dataclass(frozen=True, repr=False)
class GroupComparison(Result):
    """What differs between two results of groups.

    Attributes:
        devices: By name, in the order of A.
        missing: Why a device cannot be compared, by name.
    """

    devices: Mapping[str, Comparison]
    missing: Mapping[str, str]


def is_group(result: Any) -> bool:
    """Whether JSON is what a command on a group printed."""
    return group_rows(result) is not None


def compare_groups(a: Mapping[str, Any], b: Mapping[str, Any]) -> GroupComparison:
    """Compare what `edgeq profile` or `edgeq evaluate` found on a group, device by device.

    Args:
        a: JSON of a group, or of one device that each of the other's is compared with.
        b: The same, later.

    Raises:
        EdgeqError: Neither is a group's, or one is no such result.
    """
    rows_a, rows_b = _results(a), _results(b)
    names = list(dict.fromkeys([*rows_a, *rows_b]) if is_group(a) and is_group(b) else
                 rows_a if is_group(a) else rows_b)  # fmt: skip
    devices: dict[str, Comparison] = {}
    missing: dict[str, str] = {}
    for name in names:
        first = rows_a.get(name) if is_group(a) else a
        second = rows_b.get(name) if is_group(b) else b
        if first is None or second is None:
            missing[name] = f"{'A' if first is None else 'B'} has no result of it"
            continue
        try:
            with shaped_as("pair of results", name):
                devices[name] = compare_profiles(first, second)
        except EdgeqError as error:
            missing[name] = error.what
    return GroupComparison(devices, missing)


def read_result(path: Path) -> Any:
    """The JSON of a result.

    Raises:
        EdgeqError: The file cannot be read.
    """
    return read_json(path, "result")


def _results(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any] | None]:
    """What a group has found by the device's name; None of a device that failed."""
    found: dict[str, Mapping[str, Any] | None] = {}
    for row in group_rows(result) or ():
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise EdgeqError("This is no result of a group.", hint="edgeq profile --on group:NAME")
        of_device = row.get("profile") or row.get("evaluation")
        sound = isinstance(of_device, dict) and {"model", "device"} <= of_device.keys()
        found[row["name"]] = of_device if sound else None
    return found
