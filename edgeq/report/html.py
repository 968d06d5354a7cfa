"""The HTML report: a pure function of the JSON that commands write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from edgeq.analysis.energy.figures import ENERGY_FIGURES
from edgeq.analysis.result_shape import check_shape, larger_is_better
from edgeq.report.combine import MADE_BY, combine, section_of
from edgeq.report.graph import graph_rows
from edgeq.report.ops import op_layer, op_numbers, op_share, op_time
from edgeq.report.overview import overview
from edgeq.report.pictures import front_picture, pictures, suspects
from edgeq.report.policy import TEMPLATES, asset, embedded, policy, trial_script
from edgeq.report.trial import Trial, trial_facts
from edgeq.report.units import latency_name
from edgeq.report.written import written
from edgeq.support.figures import KINDS, MEANINGS, mark_in, score_text
from edgeq.support.foreign import shaped_as
from edgeq.support.jsontext import json_text
from edgeq.support.text import visible

__all__ = ["combine", "page", "render"]


_NO_SIZE = 1 << 63  # what is larger is no count of anything, and fills a table


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(TEMPLATES),
    )
    environment.filters["number"] = _number
    environment.globals["latency_name"] = latency_name
    environment.globals["said"] = _said
    environment.globals["mark_in"] = mark_in
    environment.globals["energy_of"] = lambda found: written(found, ENERGY_FIGURES)
    for reads in (op_numbers, op_layer, op_time, op_share):
        environment.filters[reads.__name__] = reads
    return environment.get_template("page.html.j2")


def _said(evaluations: Sequence[Mapping[str, Any]]) -> list[str]:
    """What evaluations warn of, each thing once."""
    found = (text for each in evaluations for text in each.get("warnings") or ())
    return list(dict.fromkeys(found))


def _number(value: Any) -> str:
    """A figure for people: thousands separated, floats short, a dash for null."""
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    if abs(value) >= _NO_SIZE:
        return f"{value:.4g}"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1 else score_text(value)


def render(result: Mapping[str, Any], trials: Mapping[str, Trial | str] | None = None) -> str:
    """One self-contained HTML page.

    Args:
        result: What `combine` gives, or what deploy.json holds; what is missing is left out.
        trials: By a model's SHA-256, the panel in which it can be tried, or why there is none.

    Raises:
        ValueError: It holds something else.
    """
    # Through JSON and back, so that a page made now equals one made from the saved file.
    page = _visible(json.loads(json_text(result)))
    if "sections" not in page:
        section = section_of(page)
        page = {"edgeq": page["edgeq"], "sections": [section], "fleet": [], "searches": []}
    for number, section in enumerate(page["sections"]):
        section["pictures"], section["suspects"] = pictures(section), suspects(section)
        section["graph_rows"] = _drawn(graph_rows(section))
        section |= _trial(section, trials or {}, number)
    for search in page["searches"]:
        search["picture"] = _search_picture(search)
    side_by_side = overview(page["sections"])
    if side_by_side and side_by_side["front"]:
        side_by_side["picture"] = front_picture(
            side_by_side["front"], side_by_side["cost"], "worth",
            larger_is_better=side_by_side["larger_is_better"],
        )  # fmt: skip
    style, scripts = asset("page.css"), _scripts(page)
    wasm = any(section["trial"] for section in page["sections"])
    used = {kind for section in page["sections"] for kind in _kinds(section)}
    used |= {kind for each in page["searches"] for kind in (each.get("kinds") or {}).values()}
    used |= {kind for fleet in page["fleet"] for kind in fleet["kinds"]}
    import jinja2

    try:
        return str(
            _template().render(
                page=page,
                title=_title(page),
                style=embedded(style),
                scripts=[embedded(script) for script in scripts],
                policy=policy(style, scripts, wasm=wasm),
                overview=side_by_side,
                legend={kind: MEANINGS[kind] for kind in KINDS if kind in used},
            )
        )
    except jinja2.UndefinedError as error:
        missing = str(error).rpartition("attribute ")[2]
        raise ValueError(f"there is no {missing} where one must be") from error
    except jinja2.TemplateError as error:
        raise ValueError(str(error)) from error


def _drawn(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    from markupsafe import Markup

    # graph.py draws numbers only.
    return [
        {**row, "lanes": Markup(row["lanes"]), "below": Markup(row["below"])}  # noqa: S704
        for row in rows
    ]


def _trial(
    section: Mapping[str, Any], trials: Mapping[str, Trial | str], number: int
) -> dict[str, Any]:
    """What the templates need for the panel of a section."""
    found = trials.get(str(section["model"].get("sha256")))
    trial = found if isinstance(found, Trial) else None
    return {
        "trial": trial,
        "trial_id": f"trial-{number}",
        "trial_facts": trial and trial_facts(section, trial),
        "trial_note": found if isinstance(found, str) else "",
    }


def _scripts(page: Mapping[str, Any]) -> list[str]:
    """The scripts of a page; one without pictures that have parts, or panels, has none."""
    sections = page["sections"]
    parts = any("memory" in section["pictures"] for section in sections)
    panels = [trial_script(s["trial_id"], s["trial"]) for s in sections if s["trial"]]
    return [*[asset("page.js")] * parts, *panels]


def _visible(value: Any) -> Any:
    """A JSON value whose texts neither steer a browser nor turn the direction of what follows."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [_visible(each) for each in value]
    if isinstance(value, dict):
        return {visible(name): _visible(each) for name, each in value.items()}
    return value


def page(
    results: Sequence[tuple[str, Mapping[str, Any]]],
    trials: Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Trial | str]] | None = None,
) -> str:
    """One page of saved JSON results, as `combine` takes them.

    Args:
        results: File name (for messages) and content of each.
        trials: Makes the panels of the sections, by the model's SHA-256.

    Raises:
        EdgeqError: One of them is no result of edgeq.
    """
    for where, result in results:
        check_shape(result, where, MADE_BY)
    with shaped_as("result of edgeq", ", ".join(where for where, _ in results), MADE_BY):
        combined = combine(results)
        return render(combined, trials(combined["sections"]) if trials else None)


def _kinds(section: Mapping[str, Any]) -> set[str]:
    results = [*section["profiles"], {"kinds": section.get("there_kinds")}]
    return {kind for found in results for kind in (found.get("kinds") or {}).values()}


def _title(page: Mapping[str, Any]) -> str:
    paths = [str(section["model"].get("path", "")) for section in page["sections"]]
    if len(paths) > 1:
        return f"{len(paths)} models"
    if paths:
        return paths[0]
    fleets = [fleet["model"].get("path") for fleet in page["fleet"]]
    return str(next((path for path in fleets if path), None) or "search" * bool(page["searches"]))


def _search_picture(search: Mapping[str, Any]) -> str:
    """Every candidate that could be judged: the metric against what it costs."""
    judged = [trial for trial in search["trials"] if not trial["error"]]
    if len(judged) < 2:
        return ""
    cost = "cycles" if all(trial["cycles"] is not None for trial in judged) else "latency_us"
    points = [(trial[cost] or 0, trial["score"], trial["name"]) for trial in judged]
    more = larger_is_better(search)
    name = cost.replace("_us", ", µs")
    return front_picture(points, name, search["metric"], larger_is_better=more)
