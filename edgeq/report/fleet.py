"""What a command found on the devices of a group, as a table: one column a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeq.analysis.energy.figures import ENERGY_FIGURES
from edgeq.errors import EdgeqError
from edgeq.report.written import written
from edgeq.support.figures import mark_in

_KINDS = ("profile", "evaluation", "verification", "facts")
_NO_FIGURES = ("edgeq", "metric", "larger_is_better", "confidence")
_LATENCY = ("min", "p50", "p90", "p99", "max")


def fleet_of(result: Mapping[str, Any], rows: Sequence[Any], where: str) -> dict[str, Any]:
    """A section of the page: "title", "model", "devices", "rows" of (name, cells), and "kinds".

    Args:
        result: The JSON of `profile`, `evaluate` or `devices probe` on a group, or of `profile`,
            `evaluate` or `verify` with several runtimes.
        rows: Its `group_rows`.
        where: File name, for messages.

    Raises:
        EdgeqError: It is no such JSON.
    """
    devices: list[dict[str, Any]] = []
    columns: list[dict[str, Any]] = []
    model: dict[str, Any] = {}
    kinds: set[str] = set()
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise EdgeqError(
                "this is no result of a group.", where, "edgeq profile --on group:NAME"
            )
        found: Any = next((row[kind] for kind in _KINDS if row.get(kind)), {})
        found = found if isinstance(found, Mapping) else {}
        devices.append(
            {"name": row["name"], "address": row.get("address"), "error": row.get("error")}
        )
        columns.append(_cells(found))
        model = model or _model(found)
        kinds.update((found.get("kinds") or {}).values())
    names = dict.fromkeys(name for cells in columns for name in cells)
    return {
        "title": f"Group {result['group']}" if "group" in result else result.get("address", ""),
        "model": model,
        "devices": devices,
        "kinds": sorted(kinds),
        "rows": [(name, [cells.get(name) for cells in columns]) for name in names],
    }


def _model(found: Mapping[str, Any]) -> dict[str, Any]:
    model = found.get("model")
    return dict(model) if isinstance(model, Mapping) else {}


def _cells(found: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of one device by name; what it does not know is left out."""
    if isinstance(found.get("memory_bytes"), Mapping):
        cells = _profile_cells(found)
    elif "metric" in found:
        cells = {"metric": found["metric"], **_plain(found)}
    else:
        cells = _plain(found)
    return {name: value for name, value in cells.items() if value is not None}


def _profile_cells(found: Mapping[str, Any]) -> dict[str, Any]:
    latency, memory, device = (
        part if isinstance(part := found.get(name), Mapping) else {}
        for name in ("latency_us", "memory_bytes", "device")
    )
    cells = {name: device.get(name) for name in ("cpu", "runtime", "delegate", "isa", "threads")}
    cells |= {f"latency {name}, µs": latency.get(name) for name in _LATENCY}
    cells |= {
        name: _marked(found.get(name), mark_in(found, name)) for name in ("instructions", "cycles")
    }
    cells |= {
        f"{name.replace('_', ' ')}, bytes": _marked(value, mark_in(found, f"memory_bytes.{name}"))
        for name, value in memory.items()
    }
    cells |= dict(written(found, ENERGY_FIGURES, more=False))
    digest = found.get("output_sha256")
    cells["outputs, SHA-256"] = f"{str(digest)[:12]}…" if digest else None
    cells["valid"] = "yes" if found.get("valid") else "no: " + "; ".join(_texts(found))
    return cells


def _marked(value: Any, mark: str) -> Any:
    """A count, with its kind where it was not found on the device itself."""
    return f"{value:,}{mark}" if mark and isinstance(value, int | float) else value


def _texts(found: Mapping[str, Any]) -> Sequence[str]:
    warnings = found.get("warnings")
    return [str(each) for each in warnings] if isinstance(warnings, list) else []


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.replace("_", " "): value
        for name, value in found.items()
        if isinstance(value, int | float | str) and name not in _NO_FIGURES
    }
