"""The form of a manifest: what must be there, of which type, and which of two is newer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from edgeq.errors import EdgeqError, UsageError
from edgeq.support.foreign import parse_json, read_bytes
from edgeq.support.signature import verify_bytes
from edgeq.support.text import line_problem
from edgeq.workflow.manifest import canonical

_MOST_BYTES = 64 << 20
_LONGEST = 4000
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

Check = Callable[[Any], bool]


def _line(value: Any) -> bool:
    return not line_problem(value, _LONGEST)


def _number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _digest(value: Any) -> bool:
    return isinstance(value, str) and bool(_DIGEST.fullmatch(value))


def _mapping(check: Check) -> Check:
    return lambda value: (
        isinstance(value, dict) and all(_line(name) and check(each) for name, each in value.items())
    )


def _record(**checks: Check) -> Check:
    """An object with at least these names."""
    return lambda value: (
        isinstance(value, dict)
        and all(name in value and check(value[name]) for name, check in checks.items())
    )


_limit = _record(
    name=_line, source=_line, limit=_number, value=_number, met=lambda v: isinstance(v, bool)
)
_FORM = _record(
    edgeq=_line,
    model=_record(path=_line, sha256=_digest),
    target=_line,
    files=_mapping(_digest),
    sources=_mapping(_record(name=_line, sha256=lambda v: v is None or _digest(v))),
    configuration=lambda value: isinstance(value, dict),
    tools=_mapping(_line),
    figures=_mapping(_number),
    limits=lambda value: isinstance(value, list) and all(map(_limit, value)),
    met=lambda value: isinstance(value, bool),
    created=lambda v: isinstance(v, str) and bool(_DATE.fullmatch(v)) and len(v) > 10,
    sequence=lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 0,
)


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest and its signature, of the right form; whether they hold is not looked at.

    Raises:
        EdgeqError: It cannot be read, or is no manifest.
    """
    whole = parse_json(read_bytes(path, "manifest", _MOST_BYTES), str(path), unique=True)
    # Nothing may stand beside the manifest, unsigned.
    if not isinstance(whole, dict) or set(whole) != {"manifest", "signature"}:
        raise EdgeqError("this is no manifest of `edgeq deploy`.", str(path))
    content = whole["manifest"]
    if not _FORM(content) or not _mapping(_line)(content.get("kinds", {})):
        raise EdgeqError("this is no manifest of `edgeq deploy`.", str(path))
    return whole


def not_newer(
    content: Mapping[str, Any], than: Path | str, where: str, key: Path | None = None
) -> list[EdgeqError]:
    """The problem, if a manifest is not newer than another, a date, or a sequence number.

    A text that reads as a date or a number is one, whatever files there are: `./7` is a file.

    Args:
        content: The manifest.
        than: What it must come after.
        where: The manifest's file.
        key: Public key that must have signed the other manifest, which somebody may have written
            for this question; None for none.

    Raises:
        EdgeqError: The other manifest cannot be read, or the key has not signed it.
        UsageError: That is none of the three.
    """
    text = str(than)
    mine = (content["sequence"], content["created"])
    if isinstance(than, str) and _DATE.fullmatch(text):
        _check_day(text)
        # Of the same day is not after that day: the one to be refused may be of its morning.
        fresh, what = content["created"][: len(text)] > text, text
    elif isinstance(than, str) and text.isascii() and text.isdecimal() and len(text) < 19:
        fresh, what = content["sequence"] > int(text), f"number {text}"
    elif Path(text).exists():
        path = Path(text) / "manifest.json" if Path(text).is_dir() else Path(text)
        whole = read_manifest(path)
        other = whole["manifest"]
        if key is not None:
            verify_bytes(canonical(other), whole["signature"], key, str(path))
        fresh = mine > (other["sequence"], other["created"])
        what = f"that of {text}"
    else:
        raise UsageError(
            f"'{text}' is no manifest, date or number.", hint="2026-11-29, 7, or old/manifest.json"
        )
    if fresh:
        return []
    return [
        EdgeqError(
            f"the manifest is not newer than {what}: it is number {content['sequence']} "
            f"of {content['created']}.",
            where,
            "somebody may have put an old deployment back",
        )
    ]


def _check_day(text: str) -> None:
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        raise UsageError(f"There is no day {text[:10]}.", hint="2026-11-29") from None
