"""What a command found, as Python sees it: short in a terminal, a table in a notebook, JSON."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any

from edgeq.support.jsontext import json_text

_LONGEST = 60


class Result:
    """Base of the frozen dataclasses that edgeq's functions return.

    They are declared with `repr=False`, so that the short form of here is not replaced. What their
    own `to_json` gives is plain values all the way down: `json.dumps` takes it.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "to_json" not in vars(cls):
            return
        own: Callable[[Any], dict[str, Any]] = vars(cls)["to_json"]

        @wraps(own)
        def to_json(self: Any) -> dict[str, Any]:
            found: dict[str, Any] = json.loads(json_text(own(self)))
            return found

        cls.to_json = to_json  # type: ignore[method-assign]

    def headline(self) -> Mapping[str, Any]:
        """The few figures that say most, by name: what has one plain value."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: value for name, value in values.items() if _is_plain(value)}

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values that `json.dumps` takes; what has no repr is left out."""
        shown = [field.name for field in fields(self) if field.repr]  # type: ignore[arg-type]
        found: dict[str, Any] = json.loads(json_text({name: getattr(self, name) for name in shown}))
        return found

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={_short(value)}" for name, value in self.headline().items())
        return f"{type(self).__name__}({inside})"

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name.replace('_', ' '))}</th>"
            f"<td>{html.escape(_short(value))}</td></tr>"
            for name, value in self.headline().items()
        )
        return f"<table><caption>{type(self).__name__}</caption>{rows}</table>"


def _is_plain(value: Any) -> bool:
    return value is not None and isinstance(value, bool | int | float | str | Path) and value != ""


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"{len(value)} items"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
