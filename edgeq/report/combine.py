"""Saved results of any number of commands, models and devices, sorted into one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from edgeq.analysis.result_shape import group_rows
from edgeq.conversion.sources.formats import is_float_file
from edgeq.errors import EdgeqError
from edgeq.report.delegates import saved_lines
from edgeq.report.fleet import fleet_of
from edgeq.report.written import UNITS, written

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
    places = _Places(page["sections"], [result for _, result in results])
    for where, result in sorted(results, key=_order):
        if (rows := group_rows(result)) is not None:
            page["fleet"].append(fleet_of(result, rows, where))
        elif isinstance(result.get("schemes"), list):
            page["sections"] += _scheme_sections(result)
        elif "front" in result and "trials" in result:
            page["searches"].append(result)
        else:
            model = _model(result, where)
            section = places.section(model, _target(result))
            if _is_deployment(result) and section["limits"] is not None:
                # For another target, say: its limits are not those of the first.
                section = _empty(model)
                page["sections"].append(section)
            _take(section, result, where)
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
        # A name of the inventory is an address in a profile.
        device = row["profile"]["device"]
        section["evaluations"].append({**row["evaluation"], "device": device, "of": row["scheme"]})
    return list(sections.values())


def _order(entry: tuple[str, Mapping[str, Any]]) -> tuple[bool, bool]:
    """What others are shown with comes first.

    A float model's figures stand with the model that was made of it, if there is one; those of a
    board with the deployment for it.
    """
    model = entry[1].get("model")
    is_float = isinstance(model, Mapping) and is_float_file(str(model.get("path", "")))
    return is_float, not _is_deployment(entry[1])


def _target(result: Mapping[str, Any]) -> str:
    """Which target a result is of, if it says so."""
    device = result.get("device")
    told = device.get("target") if isinstance(device, Mapping) else None
    return str(result.get("target") or told or "")


def _empty(model: dict[str, Any]) -> dict[str, Any]:
    return {
        **dict.fromkeys(_DEPLOYED),
        "model": model,
        "verify": [],
        "evaluations": [],
        "profiles": [],
    }


class _Places:
    """Which section of a page a result belongs to."""

    def __init__(
        self, sections: list[dict[str, Any]], results: Sequence[Mapping[str, Any]]
    ) -> None:
        self._sections = sections
        self._floats: dict[int, str] = {}  # which float model a section shows, by its number
        found = [result.get("model") for result in results]
        named = {_identity(each) for each in found if isinstance(each, Mapping)}
        self._stems = Counter(path.stem for path, _ in named if is_float_file(str(path)))

    def section(self, model: dict[str, Any], target: str = "") -> dict[str, Any]:
        """The section of a model, made if it is not there; of several, that for a target.

        A float model's figures stand with the model that was made of it: that of its name in its
        folder; else that of its name, where no other on the page has it. A section shows one float
        model.
        """
        path, mine = _identity(model)
        own: list[dict[str, Any]] = []
        alike: dict[int, PurePath] = {}  # where integer models of its name lie, by section
        for number, section in enumerate(self._sections):
            there, known = _identity(section["model"])
            if mine in (known, self._floats.get(number)):
                own.append(section)
            shows_one = number in self._floats or is_float_file(str(there))
            if there.stem == path.stem and not shows_one:
                alike[number] = there
        if own:
            return next((each for each in own if target and each["target"] == target), own[0])
        if is_float_file(str(path)):
            near = [number for number, there in alike.items() if there.parent == path.parent]
            fits = near or (list(alike) if self._stems[path.stem] == 1 else [])
            if len(fits) == 1:
                self._floats[fits[0]] = mine
                return self._sections[fits[0]]
        self._sections.append(_empty(model))
        return self._sections[-1]


def _identity(model: Mapping[str, Any]) -> tuple[PurePath, str]:
    """Path of a model, and what tells it from others: its digest; its path where it has none."""
    path = str(model.get("path", ""))
    return PurePath(path), str(model.get("sha256") or path)


def _model(result: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Path and digest of the model that a result is about; `convert` names what it made."""
    found = result.get("model")
    if isinstance(found, str) and "sha256" in result:
        return {"path": result.get("output") or found, "sha256": result["sha256"]}
    if not isinstance(found, Mapping) or "path" not in found:
        raise EdgeqError("this is no result of edgeq.", where, MADE_BY)
    return dict(found)


def _is_deployment(result: Mapping[str, Any]) -> bool:
    return "limits" in result and "verify" in result


def _take(section: dict[str, Any], result: Mapping[str, Any], where: str) -> None:
    """Put what a result says into its model's section."""
    if _is_deployment(result):
        section.update({key: result.get(key) for key in _DEPLOYED if result.get(key)})
        section["limits"] = result["limits"]
        section["remarks"] = _remarks(result)
        section["delegates"] = [saved_lines(each) for each in result.get("delegates") or ()]
        section["there"] = written(result, UNITS)
        section["there_kinds"] = result.get("kinds")
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
    elif "robustness" in result:
        what = "a report has no place yet for what evaluate --robustness has found."
        raise EdgeqError(what, where, "evaluate without it")
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


def _remarks(result: Mapping[str, Any]) -> list[str]:
    """What a deployment warns of, but for what stands with one of its parts."""
    evaluation = result.get("evaluation") or {}
    parts = (result.get("conversion"), result.get("profile"), *evaluation.values())
    known = {text for part in parts if part for text in part.get("warnings") or ()}
    return [text for text in result.get("warnings") or () if text not in known]
