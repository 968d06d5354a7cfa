"""Which pictures a result has, as SVG by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeq.report.ops import op_layer, op_numbers
from edgeq.report.svg import (
    Bar,
    Span,
    bar_chart,
    confusion_picture,
    det_picture,
    histogram_picture,
    memory_picture,
    range_picture,
    scatter_picture,
    timing_picture,
)
from edgeq.support.figures import score_text

SUSPECTS = 8
_FEWEST_TIMES = 20


def pictures(section: Mapping[str, Any]) -> dict[str, str]:
    """The pictures that the section of a model has the figures for."""
    made = {
        "memory": _memory(section["memory"]),
        "accuracy": _accuracy(section["evaluations"]),
        "layers": _layers(section["layers"]),
    }
    for number, profile in enumerate(section["profiles"]):
        made[f"ops_{number}"] = _ops(profile.get("ops"))
        made[f"timing_{number}"] = _timing(profile)
    for number, found in enumerate(section["evaluations"]):
        made[f"confusion_{number}"] = _confusion(found)
        made[f"det_{number}"] = _det(found)
    for number, layer in enumerate(suspects(section)):
        low, high = layer["integer_range"]
        name = _short(layer["name"])
        values = f"Float values of {name}; the integers reach from {low:.4g} to {high:.4g}"
        made[f"histogram_{number}"] = histogram_picture(layer["histogram"], low, high, values)
        if len(layer["channel_ranges"]) > 1:
            made[f"channels_{number}"] = range_picture(
                layer["channel_ranges"], low, high, f"Range of each channel of {name}"
            )
    return _safe(made)


def front_picture(
    points: Sequence[tuple[float, float, str]], cost: str, worth: str, *, larger_is_better: bool
) -> str:
    """Worth against cost, with the front of those that no other beats in both."""
    caption = f"{worth} against {cost}; the line joins what nothing else beats in both"
    made = scatter_picture(points, cost, worth, caption, larger_is_better=larger_is_better)
    return _safe({"front": made})["front"]


def _safe(made: Mapping[str, str]) -> dict[str, str]:
    from markupsafe import Markup

    # svg.py escapes every text that it puts in.
    return {name: Markup(svg) for name, svg in made.items() if svg}  # noqa: S704


def _timing(profile: Mapping[str, Any]) -> str:
    samples = profile.get("samples_us") or []
    if len(samples) < _FEWEST_TIMES:
        return ""
    return timing_picture(samples, "Latency of each call in turn, and how often each occurred")


def suspects(section: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The layers of a diagnosis that are most to blame."""
    layers: Sequence[Mapping[str, Any]] = (section.get("diagnosis") or {}).get("layers", ())
    return layers[:SUSPECTS]


def _short(name: str) -> str:
    return name.split(";")[0]


def _memory(memory: Mapping[str, Any] | None) -> str:
    if not memory:
        return ""
    spans = [
        Span(_short(b["name"]), b["offset"], b["bytes"], b["first"], b["last"])
        for b in memory["blocks"]
    ]
    caption = f"Arena of {memory['arena_bytes']:,} bytes over time; ops from left to right"
    return memory_picture(spans, memory["steps"], memory["arena_bytes"], caption)


def _ops(ops: Sequence[Mapping[str, Any]] | None) -> str:
    if not ops:
        return ""
    for figure in ("cycles", "instructions", "share"):
        if any(op[figure] is not None for op in ops):
            break
    else:
        return ""
    total = sum(op[figure] or 0 for op in ops) or 1
    bars = [
        Bar(
            f"{op_numbers(op)} {op['op']}",
            op[figure] or 0,
            f"{(op[figure] or 0) / total:.1%}"
            + ("" if figure == "share" else f"  {op[figure] or 0:,}"),
            op_layer(op),
        )
        for op in ops
    ]
    return bar_chart(bars, f"{figure.capitalize()} per op")


def _accuracy(evaluations: Sequence[Mapping[str, Any]]) -> str:
    bars = []
    for found in evaluations:
        value = found[found["metric"]]
        if isinstance(value, int | float):
            bars.append(Bar(f"{found['of']} {found['metric']}", max(value, 0), score_text(value)))
    return bar_chart(bars, "Accuracy, float against integer") if bars else ""


def _confusion(found: Mapping[str, Any]) -> str:
    if not found.get("confusion"):
        return ""
    caption = f"Confusion matrix of the {found['of']} model; rows are true classes"
    classes = found.get("classes") or []
    numbers = found.get("confusion_classes") or range(len(found["confusion"]))
    names = [classes[number] if number < len(classes) else str(number) for number in numbers]
    return confusion_picture(found["confusion"], names, caption)


def _det(found: Mapping[str, Any]) -> str:
    points = [
        (point["false_accepts_per_hour"], point["miss_rate"], f"threshold {point['threshold']:.4f}")
        for point in found.get("det") or ()
        if point["miss_rate"] is not None
    ]
    if not points:
        return ""
    return det_picture(points, f"Misses against false accepts, {found['recordings']} recordings")


def _layers(layers: Sequence[Mapping[str, Any]] | None) -> str:
    if not layers:
        return ""
    bars = [
        Bar(
            f"{layer['index']} {layer['op']}",
            max(layer["sqnr_db"] or 0, 0),
            "exact" if layer["sqnr_db"] is None else f"{layer['sqnr_db']:.1f} dB",
            f"{_short(layer['name'])}, largest error {layer['max_error']:.4g}",
        )
        for layer in layers
    ]
    return bar_chart(bars, "Signal to quantization noise per layer; longer is better")
