"""A model card in Markdown out of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.support.escapes import markdown


def model_card(content: Mapping[str, Any]) -> str:
    """A model card in Markdown; what others wrote into the manifest is only text there.

    Args:
        content: A manifest that has been checked, without its signature.
    """
    edgeq = markdown(content["edgeq"])
    lines = [
        f"# {markdown(content['model']['path'])}",
        "",
        f"Integer model for {markdown(content['target'])}, deployed with edgeq {edgeq}.",
        f"SHA-256 `{content['model']['sha256']}`.",
        "",
        "| figure | value |",
        "|---|---:|",
        *(
            f"| {markdown(name.replace('_', ' '))} | "
            f"{_number(value)}{_mark(content.get('kinds', {}).get(name))} |"
            for name, value in content["figures"].items()
        ),
        "",
        f"Accepted: {'yes' if content['met'] else 'NO'}.",
        "",
        "| limit | bound | found | met | set by |",
        "|---|---:|---:|---|---|",
        *(
            f"| {markdown(c['name'])} | {_number(c['limit'])} | {_number(c['value'])}"
            f"{_mark(c.get('kind'))} | "
            f"{'yes' if c['met'] else 'NO'} | {markdown(c['source'])} |"
            for c in content["limits"]
        ),
        "",
        "Made from:",
        "",
        *(
            f"- {markdown(name)}: {markdown(source['name'])}, SHA-256 `{source['sha256']}`"
            for name, source in content["sources"].items()
        ),
        "",
        "With "
        + ", ".join(
            f"{markdown(name)} {markdown(version)}" for name, version in content["tools"].items()
        )
        + ".",
    ]
    return "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    """A figure as a person reads it; what was not measured is a dash."""
    if value is None:
        return "–"
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"


def _mark(kind: Any) -> str:
    """What a reader has to know of a figure's kind; empty for one of the target itself."""
    return "" if kind in (None, "measured", "unknown") else f" ({markdown(str(kind))})"
