"""Saved results of any number of commands, models and devices, sorted into one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from edgeq.analysis.result_shape import group_rows
from edgeq.conversion.sources.formats import is_float_file
from edgeq.errors import EdgeqError
from edgeq.report.fleet import fleet_of

MADE_BY = "edgeq profile MODEL --json > profile.json"

_DEPLOYED = ("target", "limits", "diagnosis", "memory", "graph", "layers", "conversion")


def combine(results: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """JSON results of commands as what `render` takes: one section a model.

    Args:
        results: File name (for messages) and content of each.

    Returns:
        "edgeq", "sections", "fleet" (results of groups) and "searches" (of `edgeq tune`).

    Raises:
        EdgeqError: One of them is no result of edgeq.
    """
    page: dict[str, Any] = {"edgeq": "", "sections": [], "fleet": [], "searches": []}
    for where, result in sorted(results, key=_floats_last):
        if (rows := group_rows(result)) is not None:
            page["fleet"].append(fleet_of(result, rows, where))
        elif isinstance(result.get("schemes"), list):
            page["sections"] += _scheme_sections(result)
        elif "front" in result and "trials" in result:
            page["searches"].append(result)
        else:
            _take(_section(page["sections"], result, where), result, where)
        page["edgeq"] = page["edgeq"] or result.get("edgeq", "")
    return page


def section_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """The section of one deployment."""
    section = _empty(dict(result["model"]))
    _take(section, result, "deploy.json")
    return section


def _scheme_sections(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One section a scheme, with every device that it was tried on."""
    sections: dict[str, dict[str, Any]] = {}
    for row in result["schemes"]:
        if not row["profile"]:
            continue
        model = {**row["profile"]["model"], "path": f"{result['model']} as {row['scheme']}"}
        section = sections.setdefault(row["scheme"], {**_empty(model), "bytes": row["file_bytes"]})
        section["profiles"].append(row["profile"])
        section["evaluations"].append({**row["evaluation"], "of": row["scheme"]})
    return list(sections.values())


def _floats_last(entry: tuple[str, Mapping[str, Any]]) -> bool:
    """A float model's figures are shown with the model that was made of it, if there is one."""
    model = entry[1].get("model")
    return isinstance(model, Mapping) and is_float_file(str(model.get("path", "")))


def _empty(model: dict[str, Any]) -> dict[str, Any]:
    return {
        **dict.fromkeys(_DEPLOYED),
        "model": model,
        "verify": [],
        "evaluations": [],
        "profiles": [],
    }


def _section(sections: list[dict[str, Any]], result: Mapping[str, Any], where: str) -> Any:
    """The section of the model that a result is about, made if it is not there."""
    model = _model(result, where)
    path = str(model.get("path", ""))
    for section in sections:
        there = section["model"]
        same = there.get("sha256") == model.get("sha256")
        if same or (
            is_float_file(path) and PurePath(str(there["path"])).stem == PurePath(path).stem
        ):
            return section
    sections.append(_empty(model))
    return sections[-1]


def _model(result: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Path and digest of the model that a result is about; `convert` names what it made."""
    found = result.get("model")
    if isinstance(found, str) and "sha256" in result:
        return {"path": result.get("output") or found, "sha256": result["sha256"]}
    if not isinstance(found, Mapping) or "path" not in found:
        raise EdgeqError("this is no result of edgeq.", where, MADE_BY)
    return dict(found)


def _take(section: dict[str, Any], result: Mapping[str, Any], where: str) -> None:
    """Put what a result says into its model's section."""
    if "limits" in result and "verify" in result:
        section.update({key: result.get(key) for key in _DEPLOYED if result.get(key)})
        section["verify"] += result["verify"]
        found = result.get("evaluation") or {}
        section["evaluations"] += [
            {**found[kind], "of": kind} for kind in ("float", "integer") if found.get(kind)
        ]
        if result.get("events"):
            section["evaluations"].append({**result["events"], "of": "integer"})
        section["profiles"] += [result["profile"]] if result.get("profile") else []
    elif "memory_bytes" in result:
        section["profiles"].append(result)
    elif "metric" in result:
        kind = "float" if is_float_file(str(result["model"]["path"])) else "integer"
        section["evaluations"].append({**result, "of": kind})
    elif "float_bytes" in result:
        section["conversion"] = result
    elif "float_model" in result and "summary" in result:
        section["diagnosis"] = result
    elif "against" in result:
        section["verify"].append(result)
    else:
        raise EdgeqError("this is no result of edgeq.", where, MADE_BY)
