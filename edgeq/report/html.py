"""The HTML report: a pure function of the JSON that commands write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from edgeq.errors import EdgeqError
from edgeq.report.fleet import fleet_of
from edgeq.report.pictures import pictures, suspects
from edgeq.support.foreign import shaped_as
from edgeq.support.jsontext import json_text

_MADE_BY = "edgeq profile MODEL --json > profile.json"


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    source = Path(__file__).with_name("report.html.j2").read_text()
    return environment.from_string(source)


def _number(value: Any, digits: int = 4) -> str:
    """A figure for people: thousands separated, floats short, a dash for null."""
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.{digits}g}" if abs(value) >= 1 else f"{value:.{digits}f}"


def render(result: Mapping[str, Any]) -> str:
    """One self-contained HTML page.

    Args:
        result: What deploy.json holds; sections whose key is missing or null are left out.

    Raises:
        ValueError: It holds something else.
    """
    # Through JSON and back, so that a page made now equals one made from the saved file.
    plain = json.loads(json_text(result))
    import jinja2

    try:
        drawn = {"pictures": pictures(plain), "suspects": suspects(plain)}
        return str(_template().render(result=_complete(plain), **drawn))
    except jinja2.TemplateError as error:
        raise ValueError(str(error)) from error


_SECTIONS = (
    "fleet",
    "target",
    "conversion",
    "verify",
    "evaluation",
    "profile",
    "memory",
    "layers",
    "diagnosis",
    "limits",
)


def _complete(result: dict[str, Any]) -> dict[str, Any]:
    return {**dict.fromkeys(_SECTIONS), **result}


def page(results: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """One page of saved JSON results, as `combine` takes them.

    Raises:
        EdgeqError: One of them is no result of edgeq.
    """
    with shaped_as("result of edgeq", ", ".join(where for where, _ in results), _MADE_BY):
        return render(combine(results))


def combine(results: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Saved JSON results of several commands as one result for `render`.

    Args:
        results: File name (for messages) and content of each.

    Raises:
        EdgeqError: One of them is no result of edgeq.
    """
    combined: dict[str, Any] = {"verify": [], "edgeq": "", "model": {}}
    for where, result in results:
        if isinstance(result.get("results"), list):
            fleet = fleet_of(result, where)
            combined["fleet"] = [*combined.get("fleet", ()), fleet]
            combined["model"] = combined["model"] or fleet["model"]
            combined["edgeq"] = combined["edgeq"] or result.get("edgeq", "")
            continue
        if "limits" in result and "verify" in result:
            combined.update({key: value for key, value in result.items() if key != "verify"})
            combined["verify"] += result["verify"]
        elif "memory_bytes" in result:
            combined["profile"] = result
        elif "metric" in result:
            evaluation = combined.setdefault("evaluation", {"float": None, "integer": None})
            evaluation["integer" if evaluation["integer"] is None else "float"] = result
        elif "float_bytes" in result:
            combined["conversion"] = result
        elif "float_model" in result and "summary" in result:
            combined["diagnosis"] = result
        elif "against" in result:
            combined["verify"].append(result)
        else:
            raise EdgeqError("this is no result of edgeq.", where, _MADE_BY)
        combined["model"] = combined["model"] or _model(result)
        combined["edgeq"] = combined["edgeq"] or result["edgeq"]
    combined["model"] = combined["model"] or {"path": "devices", "sha256": None}
    return combined


def _model(result: Mapping[str, Any]) -> dict[str, Any]:
    """Path and digest of the model that a result is about; `convert` names what it made."""
    found = result["model"]
    if isinstance(found, str):
        return {"path": result["output"] or found, "sha256": result["sha256"]}
    return dict(found)
