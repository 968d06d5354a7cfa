"""The models of a page side by side: what they are worth, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from edgeq.analysis.result_shape import larger_is_better
from edgeq.support.figures import mark_in

_COSTS = ("cycles", "latency", "flash", "RAM")
"""What a front may be drawn against, the first that all rows have."""

_SMALLER = ("latency", "cycles", "flash", "RAM", "file")


def overview(sections: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """A row for each model and device; None where there is only one.

    Returns:
        "columns" (names), "rows" (cells by name, "best" the columns in which a row is best, "marks"
        what is said of each figure's kind), and "front": (cost, score, label) of each row that has
        both.
    """
    rows = [row for section in sections for row in _rows(section)]
    if len(rows) < 2:
        return None
    columns = list(dict.fromkeys(name for row in rows for name in row["cells"]))
    metrics = {row["metric"] for row in rows}
    if len(sections) == 1 or (len(metrics) == 1 and "" not in metrics):
        # What does other work is not better for doing less of it.
        for name in columns:
            _mark_best(rows, name)
    cost = next((c for c in _COSTS if all(c in row["cells"] for row in rows)), None)
    scored = [row for row in rows if row["score"] is not None]
    front = [(row["cells"][cost], row["score"], row["label"]) for row in scored] if cost else []
    ways = {row["larger_is_better"] for row in scored}
    return {
        "columns": columns,
        "rows": rows,
        "cost": cost,
        "front": front if len(front) > 1 and len(ways) == 1 else [],
        "larger_is_better": ways == {True},
    }


def _rows(section: Mapping[str, Any]) -> list[dict[str, Any]]:
    name = PurePath(str(section["model"].get("path", ""))).name
    common = {}
    size = section["conversion"]["bytes"] if section["conversion"] else section.get("bytes")
    if size is not None:
        common["file"] = size
    profiles = section["profiles"] or [None]
    rows: list[dict[str, Any]] = []
    for profile in profiles:
        device = profile["device"]["address"] if profile else ""
        score, metric, more_is_better = _score(section, device)
        judged = {} if score is None else {metric: score}
        cells, marks = _profile_cells(profile) if profile else ({}, {})
        label = f"{name} on {device}" if device else name
        rows.append(
            {
                "label": label,
                "score": score,
                "metric": metric,
                "larger_is_better": more_is_better,
                "cells": judged | common | cells,
                "marks": marks,
                "disturbed": profile is not None and profile.get("valid") is False,
                "best": [],
            }
        )
    return rows


def _score(section: Mapping[str, Any], device: str) -> tuple[float | None, str, bool]:
    """The figure of the model itself, not of the float model that it came from.

    That of the device, with its own arithmetic, or what was found on one device only.
    """
    evaluations = section["evaluations"]
    own = [found for found in evaluations if found["of"] != "float"] or evaluations
    places = [(found.get("device") or {}).get("address") for found in own]
    there = [found for found, place in zip(own, places, strict=True) if place == device]
    found = (there or (own if len(set(places)) == 1 else []) or [None])[-1]
    if not found or not isinstance(found[found["metric"]], int | float):
        return None, "", True
    return float(found[found["metric"]]), str(found["metric"]), larger_is_better(found)


def _profile_cells(profile: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    memory, latency = profile.get("memory_bytes") or {}, profile.get("latency_us") or {}
    cells = {
        "latency": latency.get("p50") or latency.get("mean"),
        "cycles": profile.get("cycles"),
        "flash": memory.get("flash_total"),
        "RAM": memory.get("ram_total") or memory.get("peak_rss"),
    }
    paths = {
        "latency": "latency_us", "cycles": "cycles",
        "flash": "memory_bytes.flash_total", "RAM": "memory_bytes.ram_total",
    }  # fmt: skip
    marks = {name: mark_in(profile, path) for name, path in paths.items()}
    return {name: value for name, value in cells.items() if value is not None}, marks


def _mark_best(rows: Sequence[dict[str, Any]], name: str) -> None:
    having = [row for row in rows if name in row["cells"]]
    # What was disturbed is not slower for that, nor what others are quicker than.
    if len(having) < 2 or (name == "latency" and any(row["disturbed"] for row in having)):
        return
    choose = min if name in _SMALLER or not having[0]["larger_is_better"] else max
    best = choose(row["cells"][name] for row in having)
    for row in having:
        if row["cells"][name] == best:
            row["best"].append(name)
