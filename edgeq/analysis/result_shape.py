"""The form of results that other commands read again: what each field holds, said by its name.

Of a field that is missing or null nothing is said here: what needs it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgeq.errors import EdgeqError, first_few
from edgeq.support.text import visible_line

_NUMBER, _TEXT, _FLAG = "a number", "a text", "true or false"
_EVERY = "*"  # of a mapping: each of its values
_NEVER_NULL = ("device", "memory_bytes")
_LARGEST = 1e300

_OP = {
    "index": _NUMBER, "subgraph": _NUMBER, "op": _TEXT, "name": _TEXT, "macs": _NUMBER,
    "instructions": _NUMBER, "cycles": _NUMBER, "share": _NUMBER, "us": _NUMBER, "us_p10": _NUMBER,
    "us_p90": _NUMBER, "covers": [_NUMBER], "among": [_NUMBER], "delegated": _FLAG,
}  # fmt: skip
_CHECK = {
    "on": _TEXT, "against": _TEXT, "compared": _NUMBER, "differing": _NUMBER, "equal": _FLAG,
}  # fmt: skip
_LIMIT = {"name": _TEXT, "limit": _NUMBER, "value": _NUMBER, "met": _FLAG, "source": _TEXT}
_TENSOR = {
    "index": _NUMBER, "name": _TEXT, "dtype": _TEXT, "shape": [_NUMBER], "bytes": _NUMBER,
    "scale": _NUMBER, "zero_point": _NUMBER,
}  # fmt: skip
_NODE = {
    "index": _NUMBER, "op": _TEXT, "name": _TEXT, "inputs": [_NUMBER], "outputs": [_NUMBER],
    "constant_bytes": _NUMBER, "macs": _NUMBER, "steps": [_NUMBER],
    "code": [{"line": _NUMBER, "text": _TEXT}],
}  # fmt: skip
_GRAPH = {
    "inputs": [_NUMBER], "outputs": [_NUMBER], "tensors": [_TENSOR], "ops": [_NODE],
    "source": _TEXT,
}  # fmt: skip
_BLOCK = {
    "name": _TEXT, "offset": _NUMBER, "bytes": _NUMBER, "first": _NUMBER, "last": _NUMBER,
}  # fmt: skip
_SOURCE = {"core": _TEXT, "note": _TEXT, "clock_hz": _NUMBER}
_RESULT: dict[str, Any] = {
    "edgeq": _TEXT,
    "device": {"address": _TEXT, "cpu": _TEXT, "runtime": _TEXT, "runtime_version": _TEXT},
    "latency_us": {_EVERY: _NUMBER},
    "samples_us": [_NUMBER],
    "instructions": _NUMBER,
    "cycles": _NUMBER,
    "memory_bytes": {_EVERY: _NUMBER},
    "ops": [_OP],
    "warnings": [_TEXT],
    "kinds": {_EVERY: _TEXT},
    "provenance": {
        **_SOURCE,
        "compiler": _TEXT,
        "flags": [_TEXT],
        "figures": {_EVERY: _SOURCE},
    },
    "output_sha256": _TEXT,
    "limits": [_LIMIT],
    "graph": _GRAPH,
    "memory": {"arena_bytes": _NUMBER, "steps": _NUMBER, "blocks": [_BLOCK]},
    "metric": _TEXT,
    "larger_is_better": _FLAG,
    "n": _NUMBER,
    "data": {"source": _TEXT, "classes": [{"name": _TEXT, "samples": _NUMBER}]},
    "interval": [_NUMBER],
    "confusion": [[_NUMBER]],
    "confusion_classes": [_NUMBER],
    "classes": [_TEXT],
    "file_bytes": _NUMBER,
    "float_bytes": _NUMBER,
    "latency_ms": _NUMBER,
    "energy_uj": _NUMBER,
    "busy_power_w": _NUMBER,
    "idle_power_w": _NUMBER,
    "average_power_uw": _NUMBER,
    "battery_life_h": _NUMBER,
}
_RESULT |= {
    "profile": _RESULT,
    "results": [{"profile": _RESULT, "evaluation": _RESULT, "name": _TEXT}],
    "runtimes": {_EVERY: _RESULT},
}


def group_rows(result: Any) -> list[Any] | None:
    """What was found on each device of a group, or with each runtime; None in other results."""
    if not isinstance(result, Mapping):
        return None
    if isinstance(rows := result.get("results"), list):
        return rows
    found, failed = result.get("runtimes"), result.get("failed")
    if not isinstance(found, Mapping) or not isinstance(failed, Mapping):
        return None
    address = result.get("address")
    return [
        {
            "name": name, "address": address, "error": failed.get(name),
            _kind(found.get(name)): found.get(name),
        }
        for name in (*found, *failed)
    ]  # fmt: skip


def _kind(found: Any) -> str:
    """What a runtime was asked for, by what it gave."""
    keys = found if isinstance(found, Mapping) else ()
    return "evaluation" if "metric" in keys else "verification" if "equal" in keys else "profile"


def larger_is_better(evaluation: Mapping[str, Any]) -> bool:
    """Which way of an evaluation's metric is good; older ones do not say so of `mae`."""
    found = evaluation.get("larger_is_better")
    return found if isinstance(found, bool) else evaluation.get("metric") != "mae"


def check_shape(result: Mapping[str, Any], where: str, made_by: str = "") -> None:
    """Refuse a result with fields of another form than edgeq writes.

    Args:
        result: What a command printed with --json.
        where: What to blame.
        made_by: What makes such a thing.

    Raises:
        EdgeqError: All fields that are, by name.
    """
    shape = {**_RESULT, "verify": [_CHECK]} if isinstance(result.get("verify"), list) else _RESULT
    problems = list(_problems(result, shape, ""))
    if problems:
        what = f"this is no result of edgeq: {'; '.join(first_few(problems))}."
        raise EdgeqError(what, where, made_by)


def _problems(value: Any, shape: Any, name: str) -> Iterator[str]:
    if value is None:
        return
    if isinstance(shape, dict):
        yield from _in_object(value, shape, name)
    elif isinstance(shape, list):
        yield from _in_list(value, shape[0], name)
    elif not _is(value, shape):
        yield f"{name} must be {shape}"
    elif shape == _NUMBER and abs(value) > _LARGEST:
        yield f"{name} is too large"


def _in_object(value: Any, shape: Mapping[str, Any], name: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{name} must be an object"
        return
    for key, inner in value.items():
        place = f"{name}.{visible_line(str(key))[:60]}".strip(".")
        if inner is None and key in _NEVER_NULL:
            yield f"{place} must be an object"
        elif (known := shape.get(key, shape.get(_EVERY))) is not None:
            yield from _problems(inner, known, place)


def _in_list(value: Any, shape: Any, name: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{name} must be a list"
        return
    for index, inner in enumerate(value):
        found = list(_problems(inner, shape, f"{name}[{index}]"))
        yield from found
        if found and isinstance(shape, str):
            return  # of thousands of samples, one says what is wrong


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) or kind == _FLAG:
        return kind == _FLAG and isinstance(value, bool)
    if kind == _TEXT:
        return isinstance(value, str)
    return isinstance(value, int | float)
