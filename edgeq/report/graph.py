"""The graph of a model as rows to open, one an op, with the ways of its tensors beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeq.report.ops import numbers

_ROW = 34  # pixels, as in page.css
_WIDEST = 112
_LANE = 14


@dataclass
class _Row:
    """An input, an op or an output, and the tensors that end and begin there."""

    label: str
    title: str
    takes: Sequence[int]
    gives: Sequence[int]
    facts: dict[str, Any] = field(default_factory=dict)


def graph_rows(section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a section's graph, from top to bottom; empty where it is not known.

    Returns:
        Of each row "label", "title", "shape", "lanes" (SVG), "below" (SVG of what passes by an
        opened row), and of an op "op" (the number), "share", "facts" (name and value), "takes" and
        "gives" (tensors), "code" and "source".
    """
    graph = section.get("graph")
    if not graph:
        return []
    tensors = {tensor["index"]: tensor for tensor in graph["tensors"]}
    rows = _rows(graph, tensors, section)
    drawn = _lanes(rows)
    return [
        {
            "label": row.label,
            "title": row.title,
            "shape": " ".join(_shape(tensors[t]) for t in row.gives or row.takes if t in tensors),
            "lanes": lanes,
            "below": below,
            **row.facts,
        }
        for row, (lanes, below) in zip(rows, drawn, strict=True)
    ]


def _rows(
    graph: Mapping[str, Any], tensors: Mapping[int, Any], section: Mapping[str, Any]
) -> list[_Row]:
    def name(index: int) -> str:
        return str(tensors[index]["name"]) if index in tensors else ""

    rows = [_Row("", f"input {name(t)}", (), (t,)) for t in graph["inputs"]]
    for op in graph["ops"]:
        facts = {
            "op": op["index"],
            "share": _share(op, section),
            "facts": _facts(op, section),
            "takes": [tensors[t] for t in op["inputs"] if t in tensors],
            "gives": [tensors[t] for t in op["outputs"] if t in tensors],
            "code": op["code"],
            "source": graph["source"],
        }
        label = str(op["index"])
        rows.append(_Row(label, str(op["op"]), op["inputs"], op["outputs"], facts))
    return rows + [_Row("", f"output {name(t)}", (t,), ()) for t in graph["outputs"]]


def _shape(tensor: Mapping[str, Any]) -> str:
    return "x".join(str(size) for size in tensor["shape"])


def _share(op: Mapping[str, Any], section: Mapping[str, Any]) -> float | None:
    """Its share of the time on the first device that knows it; of several ops nobody does."""
    for profile in section["profiles"]:
        for row in profile.get("ops") or ():
            alone = len(row.get("covers") or ()) < 2
            if alone and _is_of(row, op) and row.get("share") is not None:
                return float(row["share"])
    return None


def _is_of(row: Mapping[str, Any], op: Mapping[str, Any]) -> bool:
    return not row.get("subgraph") and op["index"] in (row.get("covers") or [row["index"]])


def _facts(op: Mapping[str, Any], section: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Name and value of what is known of an op."""
    found: list[tuple[str, Any]] = [("layer", str(op["name"]).split(";")[0])]
    found += [("MACs", op["macs"])] * bool(op["macs"])
    found += [("weights and tables, bytes", op["constant_bytes"])] * bool(op["constant_bytes"])
    several = len(section["profiles"]) > 1
    for profile in section["profiles"]:
        device = f" on {profile['device']['address']}" if several else ""
        for row in profile.get("ops") or ():
            if not _is_of(row, op):
                continue
            covers = row.get("covers") or ()
            where = device + (f", ops {numbers(covers)} together" if len(covers) > 1 else "")
            for key, unit in (("instructions", "instructions"), ("cycles", "cycles"), ("us", "µs")):
                if row.get(key) is not None:
                    found.append((f"{unit}{where}", row[key]))
            if row.get("share") is not None:
                found.append((f"share of the time{where}", f"{row['share']:.1%}"))
    live = [_live(section["memory"], step) for step in op["steps"]] if section["memory"] else []
    found += [("arena in use, bytes", max(live))] if live else []
    layers = section["layers"] or ()
    noise = next((each["sqnr_db"] for each in layers if each["index"] == op["index"]), None)
    found += [("signal to quantization noise, dB", noise)] * (noise is not None)
    return found


def _live(memory: Mapping[str, Any], step: int) -> int:
    """Bytes of the arena that something lies in at a step, each counted once."""
    spans = sorted(
        (block["offset"], block["offset"] + block["bytes"])
        for block in memory["blocks"]
        if block["first"] <= step <= block["last"]
    )
    total = reached = 0
    for start, end in spans:
        total += max(end - max(start, reached), 0)
        reached = max(reached, end)
    return total


def _lanes(rows: Sequence[_Row]) -> list[tuple[str, str]]:
    """For each row its picture, and that of what passes below it; a lane is a tensor alive."""
    last = {tensor: number for number, row in enumerate(rows) for tensor in row.takes}
    lanes: list[int | None] = []
    drawn: list[tuple[list[tuple[int, int, str]], int, list[int]]] = []
    for number, row in enumerate(rows):
        before = list(lanes)
        for lane, tensor in enumerate(before):
            if tensor is not None and last[tensor] <= number:
                lanes[lane] = None
        taken = [lane for lane, tensor in enumerate(before) if tensor in row.takes]
        free = next((lane for lane in taken if lanes[lane] is None), None)
        node = _free(lanes) if free is None else free
        paths = [(lane, node, "in") for lane in taken]
        paths += [(k, k, "by") for k, t in enumerate(before) if t is not None and lanes[k] == t]
        for position, tensor in enumerate(t for t in row.gives if last.get(t, -1) > number):
            lane = node if position == 0 and lanes[node] is None else _free(lanes)
            lanes[lane] = tensor
            paths.append((node, lane, "out"))
        drawn.append((paths, node, [k for k, tensor in enumerate(lanes) if tensor is not None]))
    most = max(
        (max([node, *[max(a, b) for a, b, _ in paths]]) for paths, node, _ in drawn), default=0
    )
    step = min(_LANE, _WIDEST / (most + 1))
    width = step * (most + 1)
    return [(_row_svg(p, n, step, width), _below_svg(k, step, width)) for p, n, k in drawn]


def _free(lanes: list[int | None]) -> int:
    """The first lane with nothing in it, made if there is none."""
    if None not in lanes:
        lanes.append(None)
    return lanes.index(None)


def _row_svg(paths: Sequence[tuple[int, int, str]], node: int, step: float, width: float) -> str:
    def x(lane: int) -> float:
        return step * (lane + 0.5)

    half, lines = _ROW // 2, []
    for start, end, kind in paths:
        top, bottom = (0, half) if kind == "in" else (half, _ROW) if kind == "out" else (0, _ROW)
        middle = (top + bottom) / 2
        lines.append(
            f'<path class="way" d="M{x(start):.1f} {top}C{x(start):.1f} {middle:g} '
            f'{x(end):.1f} {middle:g} {x(end):.1f} {bottom}"/>'
        )
    radius = min(4.0, step / 2)
    dot = f'<circle class="bar" cx="{x(node):.1f}" cy="{half}" r="{radius:g}"/>'
    return _svg(width, _ROW, "".join(lines) + dot, "")


def _below_svg(passing: Sequence[int], step: float, width: float) -> str:
    lines = (f'<path class="way" d="M{step * (lane + 0.5):.1f} 0V10"/>' for lane in passing)
    return _svg(width, 10, "".join(lines), ' class="below" preserveAspectRatio="none"')


def _svg(width: float, height: int, body: str, more: str) -> str:
    size = f'viewBox="0 0 {width:g} {height}" width="{width:g}" height="{height}"'
    return f'<svg {size}{more} aria-hidden="true">{body}</svg>'
