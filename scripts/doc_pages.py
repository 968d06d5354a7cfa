"""Tables of the documentation site that are made from sources: the API, the protocol, schemes."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import typing
from pathlib import Path
from statistics import mean

import edgeq

ROOT = Path(__file__).parent.parent
SCHEMES = (
    "float", "int8", "int8-per-tensor", "int16x8", "int4", "qat int8", "qat int4", "float16",
    "float8-e4m3", "weight-only", "dynamic",
)  # fmt: skip


def api() -> str:
    """An entry for each public name, and one for each dataclass that a function returns."""
    entries, seen = [], set()
    for name in edgeq.__all__:
        if name.startswith("__"):
            continue
        found = getattr(edgeq, name)
        entries.append(f"::: {found.__module__}.{found.__qualname__}")
        seen.add(found)
        result = _result(found)
        if result is not None and result not in seen:
            seen.add(result)
            entries.append(f"::: {result.__module__}.{result.__qualname__}")
    return "\n\n".join(entries)


def _result(function: object) -> type | None:
    if not inspect.isfunction(function):
        return None
    try:
        found = typing.get_type_hints(function).get("return")
    except NameError:
        return None
    mine = isinstance(found, type) and found.__module__.startswith("edgeq.")
    return found if mine and dataclasses.is_dataclass(found) else None


def schemes() -> str:
    """Means over the seeds of one task; benchmarks/schemes.py measured them."""
    rows = json.loads((ROOT / "benchmarks" / "schemes.json").read_text())
    lines = [
        "| scheme | accuracy | .tflite | flash | arena | M4 cycles |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name in SCHEMES:
        found = [row for key, row in rows.items() if re.fullmatch(rf"image/\d/{name}", key)]
        cells = [f"{mean(row['accuracy'] for row in found):.3f}"]
        for figure in ("tflite_bytes", "flash_bytes", "arena_bytes", "cycles"):
            known = [row[figure] for row in found if row.get(figure) is not None]
            cells.append(f"{mean(known):,.0f}" if known else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _enumeration(name: str) -> list[tuple[str, int, str]]:
    """Each constant of an enum of eq_serial.h: name, value, comment."""
    text = (ROOT / "firmware_templates" / "common" / "eq_serial.h").read_text()
    body = re.search(rf"enum {name} {{(.*?)}};", text, re.S)
    assert body is not None
    found = re.findall(r"(\w+) = (\d+),?(?:\s*/\* (.*?) \*/)?", body[1], re.S)
    return [(word, int(value), " ".join(comment.split())) for word, value, comment in found]


def serial_types() -> str:
    """Questions and answers of the serial protocol."""
    lines = ["| type | question | answer |", "|---|---|---|"]
    for word, value, comment in _enumeration("eq_serial_type"):
        question, _, answer = comment.partition(" -> ")
        short = word.removeprefix("EQ_SERIAL_").lower()
        lines.append(f"| {value} `{short}` | {question} | {answer or '(status)'} |")
    return "\n".join(lines)


def serial_status() -> str:
    """What the first byte of an answer says."""
    lines = ["| status | meaning |", "|---|---|"]
    lines += [
        f"| {value} `{word.removeprefix('EQ_SERIAL_').lower()}` | {comment or 'all is well'} |"
        for word, value, comment in _enumeration("eq_serial_status")
    ]
    return "\n".join(lines)


def decisions() -> str:
    """The decision records by title."""
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path for path in folder.glob("*.md") if path.name != "index.md")
    return "\n".join(
        f"- [{path.read_text().splitlines()[0].removeprefix('# ')}]({path.name})" for path in pages
    )
