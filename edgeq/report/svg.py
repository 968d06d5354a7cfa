"""Pictures as inline SVG: plain functions from numbers to text, nothing fetched, no script.

Colours come from CSS variables of the page, so that pictures follow its light or dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from edgeq.support.figures import score_text

_WIDTH = 860
_ROW = 20
_LABEL = 250
_NUMBER = 130
_PLOT, _PLOT_HEIGHT = 400, 80
_HUES = (210, 30, 150, 280, 90, 340, 180, 55)


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart.

    Attributes:
        label: Left of the bar.
        value: Length of the bar; not negative.
        text: Right of the bar.
        title: Shown when the pointer rests on it.
    """

    label: str
    value: float
    text: str
    title: str = ""


@dataclass(frozen=True)
class Span:
    """One buffer in the memory picture: bytes [offset, offset + bytes), steps first to last."""

    name: str
    offset: int
    bytes: int
    first: int
    last: int


def bar_chart(bars: Sequence[Bar], caption: str) -> str:
    """Horizontal bars, one per row, in the order given."""
    longest = max((bar.value for bar in bars), default=0.0) or 1.0
    room = _WIDTH - _LABEL - _NUMBER
    rows = []
    for number, bar in enumerate(bars):
        top = number * _ROW
        length = room * bar.value / longest
        rows.append(
            f"<g><title>{escape(bar.title or bar.label)}</title>"
            f"{_text(_LABEL - 8, top + 14, _shorten(bar.label, 40), 'end')}"
            f'<rect x="{_LABEL}" y="{top + 3}" width="{length:.1f}" height="{_ROW - 6}" '
            f'class="bar"/>{_text(_LABEL + length + 6, top + 14, bar.text)}</g>'
        )
    return _svg(_WIDTH, max(len(bars), 1) * _ROW, "".join(rows), caption)


def histogram_picture(counts: Sequence[int], low: float, high: float, caption: str) -> str:
    """How values lie in a range; what lies beyond its ends stands apart, in another colour.

    Heights are square roots of the counts, so that few values beside many can be seen.

    Args:
        counts: Values below the range, in equal parts of it, above it.
        low, high: The range.
        caption: What the picture shows.
    """
    most, total = max(counts) or 1, sum(counts) or 1
    width = _PLOT / len(counts)
    bars = []
    for number, count in enumerate(counts):
        beyond = number in (0, len(counts) - 1)
        height = _PLOT_HEIGHT * math.sqrt(count / most)
        bars.append(
            f"<g><title>{count:,} values, {count / total:.2%}</title>"
            f'<rect x="{number * width + 1:.1f}" y="{_PLOT_HEIGHT - height:.1f}" '
            f'width="{width - 2:.1f}" height="{height:.1f}" '
            f'class="{"miss" if beyond else "bar"}"/></g>'
        )
    ends = _text(width, _PLOT_HEIGHT + 14, f"{low:.4g}", "middle") + _text(
        _PLOT - width, _PLOT_HEIGHT + 14, f"{high:.4g}", "middle"
    )
    return _svg(_PLOT, _PLOT_HEIGHT + _ROW, "".join(bars) + ends, caption)


def range_picture(
    ranges: Sequence[tuple[float, float]], low: float, high: float, caption: str
) -> str:
    """One upright bar per channel from its least to its greatest value, within a range.

    A channel that has one value only is a mark in another colour.
    """
    least = min([low, *(r[0] for r in ranges)])
    span = (max([high, *(r[1] for r in ranges)]) - least) or 1.0
    width = _PLOT / max(len(ranges), 1)

    def level(value: float) -> float:
        return _PLOT_HEIGHT * (1 - (value - least) / span)

    bars = [
        f"<g><title>channel {number}: {first:.4g} to {last:.4g}</title>"
        f'<rect x="{number * width:.2f}" y="{level(last) - (first == last):.1f}" '
        f'width="{0.8 * width:.2f}" height="{max(level(first) - level(last), 2):.1f}" '
        f'class="{"miss" if first == last else "bar"}"/></g>'
        for number, (first, last) in enumerate(ranges)
    ]
    lines = "".join(f'<path class="axis" d="M0 {level(end):.1f} H{_PLOT}"/>' for end in (low, high))
    return _svg(_PLOT, _PLOT_HEIGHT, "".join(bars) + lines, caption)


def scatter_picture(
    points: Sequence[tuple[float, float, str]],
    x_name: str,
    y_name: str,
    caption: str,
    *,
    larger_is_better: bool = True,
) -> str:
    """Points of (cost, worth, label); those that no other beats in both are joined by a line.

    The better worth is above, also where that is the smaller one.
    """
    left, top, width, height = 70, 12, _WIDTH - 90, 240
    xs, ys = [x for x, _, _ in points], [y for _, y, _ in points]
    x_span, y_span = (max(xs) - min(xs)) or 1.0, (max(ys) - min(ys)) or 1.0
    best, worst = (max(ys), min(ys)) if larger_is_better else (min(ys), max(ys))

    def place(x: float, y: float) -> tuple[float, float]:
        across = left + 12 + (width - 24) * (x - min(xs)) / x_span
        return across, top + 12 + (height - 24) * abs(best - y) / y_span

    front = [
        point
        for point in sorted(points)
        if not any(
            a <= point[0] and abs(best - b) <= abs(best - point[1]) and (a, b) != point[:2]
            for a, b, _ in points
        )
    ]
    line = " L".join("{:.1f} {:.1f}".format(*place(x, y)) for x, y, _ in front)
    shapes = [f'<path class="axis" d="M{line}"/>']
    for x, y, label in points:
        cx, cy = place(x, y)
        on_front = any((x, y) == point[:2] for point in front)
        end = cx > left + width * 0.7
        shapes.append(
            f"<g><title>{escape(f'{label}: {x:,g} {x_name}, {score_text(y)} {y_name}')}</title>"
            f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="5" class="{"hit" if on_front else "bar"}"/>'
            f"{_text(cx + (-8 if end else 8), cy - 6, label, 'end' if end else 'start')}</g>"
        )
    bottom = top + height
    shapes += [
        f'<path class="axis" d="M{left} {top}V{bottom}H{left + width}"/>',
        _text(left - 6, top + 16, score_text(best), "end"),
        _text(left - 6, bottom - 8, score_text(worst), "end"),
        _text(left + 12, bottom + 15, f"{min(xs):,g}"),
        _text(left + width, bottom + 15, f"{max(xs):,g} {x_name}", "end"),
    ]
    return _svg(_WIDTH, bottom + 22, "".join(shapes), caption)


def det_picture(points: Sequence[tuple[float, float, str]], caption: str) -> str:
    """Miss rate (0 to 1, up) against false accepts an hour (logarithmic, right).

    Args:
        points: (false accepts an hour, miss rate, label) in the order of the line.
        caption: What the picture shows.
    """
    left, top, width, height = 70, 12, 560, 260
    above = [x for x, _, _ in points if x > 0]
    # None at all stands where a tenth of the fewest would.
    low = math.floor(math.log10(min(above, default=1.0))) - 1
    high = max(math.ceil(math.log10(max(above, default=10.0))), low + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        decade = math.log10(x) if x > 0 else low
        return left + width * (decade - low) / (high - low), top + height * (1 - y)

    line = " L".join("{:.1f} {:.1f}".format(*place(x, y)) for x, y, _ in points)
    shapes = [f'<path class="axis" d="M{line}"/>']
    for x, y, label in points:
        across, up = place(x, y)
        shapes.append(
            f"<g><title>{escape(f'{label}: {x:.3g} false accepts an hour, {y:.1%} missed')}"
            f'</title><circle cx="{across:.1f}" cy="{up:.1f}" r="3" class="bar"/></g>'
        )
    bottom = top + height
    shapes.append(f'<path class="axis" d="M{left} {top}V{bottom}H{left + width}"/>')
    shapes += [
        _text(left - 6, top + height * (1 - part) + 4, f"{part:.0%}", "end")
        for part in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    for decade in range(low, high + 1):
        text = "none" if decade == low else f"{10.0**decade:g}"
        shapes.append(_text(place(10.0**decade, 0)[0], bottom + 15, text, "middle"))
    shapes.append(_text(left + width + 12, bottom + 15, "false accepts an hour"))
    return _svg(_WIDTH, bottom + 22, "".join(shapes), caption)


def timing_picture(samples: Sequence[float], caption: str) -> str:
    """Latencies in the order in which they were measured, and how often each occurred (right)."""
    left, height, over_time, bins = 70, 120, 560, 24
    low, high = min(samples), max(samples)
    span = (high - low) or 1.0

    def level(value: float) -> float:
        return 8 + (height - 16) * (1 - (value - low) / span)

    step = max(1, len(samples) // over_time)
    dots = "".join(
        f'<rect x="{left + over_time * i / len(samples):.1f}" y="{level(samples[i]) - 1:.1f}" '
        f'width="2" height="2" class="bar"/>'
        for i in range(0, len(samples), step)
    )
    counts = [0] * bins
    for value in samples:
        counts[min(int((value - low) / span * bins), bins - 1)] += 1
    room, tall = _WIDTH - left - over_time - 20, (height - 16) / bins
    bars = "".join(
        f"<g><title>{count:,} calls</title>"
        f'<rect x="{left + over_time + 16}" y="{level(low + span * (i + 1) / bins):.1f}" '
        f'width="{room * count / max(counts):.1f}" height="{tall - 1:.1f}" class="bar"/></g>'
        for i, count in enumerate(counts)
    )
    ends = _text(left - 6, 16, f"{high:,.1f} µs", "end")
    ends += _text(left - 6, height - 4, f"{low:,.1f} µs", "end")
    frame = f'<path class="axis" d="M{left} 4V{height}H{left + over_time}"/>'
    return _svg(_WIDTH, height + 6, dots + bars + frame + ends, caption)


def memory_picture(spans: Sequence[Span], steps: int, arena_bytes: int, caption: str) -> str:
    """The arena over time: ops from left to right, addresses from bottom to top."""
    left, top, height = 70, 8, 320
    column = (_WIDTH - left) / max(steps, 1)
    scale = height / max(arena_bytes, 1)
    shapes = []
    for number, span in enumerate(spans):
        x, width = left + span.first * column, (span.last - span.first + 1) * column
        y = top + height - (span.offset + span.bytes) * scale
        label = ""
        if width > 60 and span.bytes * scale > 14:
            fitting = _shorten(span.name, int(width / 7))
            label = _text(x + 4, y + span.bytes * scale / 2 + 4, fitting)
        last = min(span.last, steps - 1)
        title = f"{span.name}: {span.bytes:,} bytes at {span.offset:,}, ops {span.first} to {last}"
        shapes.append(
            f'<g tabindex="0"><title>{escape(title)}</title>'
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width - 1, 1):.1f}" '
            f'height="{max(span.bytes * scale - 1, 1):.1f}" '
            f'fill="hsl({_HUES[number % len(_HUES)]}, 60%, 60%)" fill-opacity="0.7"/>{label}</g>'
        )
    axis = [
        _text(left - 6, top + height * (1 - part) + 4, f"{int(arena_bytes * part):,}", "end")
        for part in (0.0, 0.5, 1.0)
    ]
    every = max(1, steps // 20)
    axis += [
        _text(left + (step + 0.5) * column, top + height + 15, str(step), "middle")
        for step in range(0, steps, every)
    ]
    frame = f'<path class="axis" d="M{left} {top}V{top + height}H{_WIDTH}"/>'
    return _svg(_WIDTH, top + height + 20, "".join(shapes) + frame + "".join(axis), caption)


def confusion_picture(matrix: Sequence[Sequence[int]], classes: Sequence[str], caption: str) -> str:
    """A confusion matrix: rows are true classes, columns predictions."""
    size = len(matrix)
    cell = max(14, min(44, 340 // max(size, 1)))
    left, top = 110, 24
    parts = []
    for row, counts in enumerate(matrix):
        total = sum(counts) or 1
        parts.append(
            _text(left - 6, top + (row + 0.5) * cell + 4, _shorten(_name(classes, row), 14), "end")
        )
        for column, count in enumerate(counts):
            x, y = left + column * cell, top + row * cell
            kind = "hit" if row == column else "miss"
            title = f"{_name(classes, row)} taken for {_name(classes, column)}: {count}"
            number = _text(x + cell / 2, y + cell / 2 + 4, str(count), "middle") if count else ""
            parts.append(
                f"<g><title>{escape(title)}</title>"
                f'<rect x="{x}" y="{y}" width="{cell - 1}" height="{cell - 1}" class="cell"/>'
                f'<rect x="{x}" y="{y}" width="{cell - 1}" height="{cell - 1}" class="{kind}" '
                f'fill-opacity="{count / total:.3f}"/>{number if cell >= 20 else ""}</g>'
            )
    for column in range(size):
        short = _shorten(_name(classes, column), max(2, cell // 7))
        parts.append(_text(left + (column + 0.5) * cell, top - 6, short, "middle"))
    return _svg(left + size * cell + 8, top + size * cell + 4, "".join(parts), caption)


def _name(classes: Sequence[str], number: int) -> str:
    return classes[number] if number < len(classes) else str(number)


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else "…" + text[len(text) - max(length - 1, 1) :]


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: float, height: float, body: str, caption: str) -> str:
    # No style attribute: the page's policy allows none.
    wide = ' class="wide"' if width >= _WIDTH else ""
    size = f'width="{width:g}" height="{height:g}"'
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" {size}{wide} role="img" '
        f'xmlns="http://www.w3.org/2000/svg" aria-label="{escape(caption, quote=True)}">'
        f"<title>{escape(caption)}</title>{body}</svg>"
    )
