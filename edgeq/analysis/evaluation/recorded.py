"""A folder of recordings and its events.csv, read and checked for a front end and a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeq.analysis.clock import Clock
from edgeq.analysis.recordings import axes_in, read_timed
from edgeq.data.audio import AUDIO_SUFFIXES
from edgeq.data.events import Occurrence, read_events
from edgeq.data.folders import files_below
from edgeq.data.labels import listed
from edgeq.errors import EdgeqError
from edgeq.metrics.events import Span
from edgeq.model.decision import Rules
from edgeq.model.stream import Stream
from edgeq.support.array import Array

EVENTS_FILE = "events.csv"
_CLIPPED_SHARE = 0.001
_MOST_NAMED = 3
_MOST_SECONDS = 1e15  # more than all files together have
# So far off its nominal rate a recording is worth a word, and so late its clock may begin.
_OTHER_RATE, _LATE_S = 0.001, 1.0
# Times are written with few digits: so far behind its end a recording still ends.
_SPARE_S = 0.1

Part = tuple[str, Array, tuple[Span, ...], Clock]


@dataclass(frozen=True, eq=False)
class Recorded:
    """Recordings before they are heard.

    Attributes:
        parts: File, samples, what happens, and when the samples were taken.
        warnings: What the user should know.
    """

    parts: list[Part]
    warnings: tuple[str, ...]


def listed_recordings(folder: Path) -> tuple[list[Occurrence], dict[str, Path]]:
    """What happens in the recordings of a folder, and the files; none of them is opened.

    Raises:
        EdgeqError: No such folder, no recordings in it, or events.csv cannot be used.
    """
    if not folder.is_dir():
        raise EdgeqError("This is no folder of recordings.", str(folder))
    occurrences = read_events(folder / EVENTS_FILE)
    suffixes = {*AUDIO_SUFFIXES, ".csv"}
    files = {
        file.relative_to(folder).as_posix(): file
        for file in files_below(folder)
        if file.suffix.lower() in suffixes and file != folder / EVENTS_FILE
    }
    if not files:
        raise EdgeqError("The folder has no recordings.", str(folder), ".wav or .csv files")
    return occurrences, files


def read_recordings(
    folder: Path, stream: Stream, rules: Rules, *, resample: bool, seconds: float | None
) -> Recorded:
    """The recordings of a folder, at most the first `seconds` of all together.

    Raises:
        EdgeqError: A recording or events.csv cannot be used.
    """
    occurrences, files = listed_recordings(folder)
    _check_occurrences(occurrences, files, rules, folder / EVENTS_FILE)
    left = None if seconds is None else min(seconds, _MOST_SECONDS)
    parts: list[Part] = []
    clipped = []
    axes: dict[frozenset[str], tuple[str, tuple[str, ...]]] = {}
    for name, file in sorted(files.items()):
        _check_axes(name, axes_in(file), axes, folder)
        samples, clock = read_timed(file, stream, resample=resample)
        _check_end(occurrences, name, clock, len(samples), folder)
        if left is not None:
            whole, whole_s = len(samples), clock.at(len(samples))
            if left < whole_s:
                samples = samples[: clock.until(_before(occurrences, name, rules, left))]
            left = max(left - whole_s, 0.0)
            # What is left of the seconds may be too short for an answer.
            if parts and len(samples) < min(whole, stream.first_answer):
                break
        if len(samples) < stream.first_answer:
            raise EdgeqError(
                f"The recording has {len(samples):,} samples; an answer needs "
                f"{stream.first_answer:,}.",
                str(file),
                ""
                if left is None
                else "more --seconds; where they would end in an event, they end before it",
            )
        share = np.mean(np.abs(samples.astype(np.int32)) >= 32767)
        clipped += [name] if share > _CLIPPED_SHARE else []
        spans = _spans(occurrences, name, rules, clock.at(len(samples)))
        parts.append((name, samples, spans, clock))
    said = (
        *_warnings(parts, clipped, rules),
        *_overlaps(parts, rules),
        *_clocks(parts, stream.rate_hz),
    )
    return Recorded(parts, said)


def _check_axes(
    name: str,
    axes: tuple[str, ...],
    seen: dict[frozenset[str], tuple[str, tuple[str, ...]]],
    folder: Path,
) -> None:
    """Refuse columns that stand in another order than in a file before: axes go by their place."""
    first, order = seen.setdefault(frozenset(axes), (name, axes))
    if axes != order:
        raise EdgeqError(
            f"{name} has its columns in the order {listed(axes)}, {first} in {listed(order)}.",
            str(folder),
            "the order of the front end's axes in all files",
        )


def _check_end(
    occurrences: Sequence[Occurrence], name: str, clock: Clock, values: int, folder: Path
) -> None:
    length_s = clock.at(values)
    for each in occurrences:
        if each.file == name and each.end_s > length_s + _SPARE_S:
            raise EdgeqError(
                f"An event ends at {each.end_s:g} s; {name} has {length_s:.3f} s.",
                str(folder / EVENTS_FILE),
                f"events are seconds from the recording's beginning; its times begin at "
                f"{clock.begins_s:.10g} s"
                if clock.begins_s
                else "",
            )


def _check_occurrences(
    occurrences: Sequence[Occurrence], files: Mapping[str, Path], rules: Rules, where: Path
) -> None:
    unknown = sorted({o.file for o in occurrences} - set(files))
    if unknown:
        raise EdgeqError(f"There is no recording {unknown[0]}.", str(where))
    firing = {rules.labels[c] for c in rules.firing}
    strange = sorted({o.label for o in occurrences} - set(rules.labels))
    if strange:
        raise EdgeqError(
            f"No class is called {', '.join(strange)}; classes that make events are "
            f"{', '.join(sorted(firing))}.",
            str(where),
            "labels under [decision] name the classes",
        )


def _before(occurrences: Sequence[Occurrence], name: str, rules: Rules, seconds: float) -> float:
    """At most so many seconds of a recording that end where nothing happens.

    An event of which half is heard may be found or not: neither would be right or wrong.
    """
    firing = {rules.labels[c] for c in rules.firing}
    mine = [each for each in occurrences if each.file == name and each.label in firing]
    while begun := [o.start_s for o in mine if o.start_s < seconds < o.end_s - _SPARE_S]:
        seconds = min(begun)
    return seconds


def _spans(
    occurrences: Sequence[Occurrence], name: str, rules: Rules, end: float
) -> tuple[Span, ...]:
    """What happens in what is heard of a recording; of background classes nothing."""
    return tuple(
        Span(rules.labels.index(o.label), o.start_s, min(o.end_s, end))
        for o in occurrences
        if o.file == name
        and rules.labels.index(o.label) in rules.firing
        and o.end_s <= end + _SPARE_S
    )


def _warnings(
    parts: Sequence[Part],
    clipped: Sequence[str],
    rules: Rules,
) -> tuple[str, ...]:
    found = []
    if clipped:
        found.append(f"clipped recordings: {_named(clipped)}")
    there = {span.label for _, _, spans, _ in parts for span in spans}
    never = [rules.labels[c] for c in rules.firing if c not in there]
    if never:
        found.append(f"never happens in these recordings: {', '.join(never)}")
    return tuple(found)


def _overlaps(parts: Sequence[Part], rules: Rules) -> Iterator[str]:
    """Which events are one for a decision, in a sentence."""
    found = []
    for name, _, spans, _ in parts:
        for label in {span.label for span in spans}:
            mine = sorted(
                (s for s in spans if s.label == label), key=lambda s: (s.start_s, s.end_s)
            )
            # Of several that lie in a long one each is beside it.
            last = mine[0]
            for span in mine[1:]:
                if span.start_s <= last.end_s:
                    first, second = (f"second {s.start_s:g} to {s.end_s:g}" for s in (last, span))
                    found.append(f"{rules.labels[label]} from {first} and from {second} of {name}")
                last = max(last, span, key=lambda s: s.end_s)
    if found:
        more = f" and {len(found) - 1} more" if found[1:] else ""
        yield (
            f"events under one label overlap or touch in {EVENTS_FILE}: {found[0]}{more}; where "
            "they are one event, one of them is always missed: join them"
        )


def _clocks(parts: Sequence[Part], rate_hz: float) -> Iterator[str]:
    """What the times of recordings say that a user may not know, in sentences."""
    off = {n: c.rate_hz for n, _, _, c in parts if abs(c.rate_hz / rate_hz - 1) > _OTHER_RATE}
    if off:
        low, high = (f"{rate:.4g}" for rate in (min(off.values()), max(off.values())))
        span = low if low == high else f"{low} to {high}"
        yield (
            f"by their times, recordings have a rate of {span} and not {rate_hz:,} hertz: "
            f"{_named([*off])}; "
            "their samples are taken as they are, and events are where the times say"
        )
    late = [n for n, _, spans, c in parts if spans and abs(c.begins_s) > _LATE_S]
    if late:
        yield (
            f"the times of {_named(late)} do not begin at 0; {EVENTS_FILE} is taken for seconds "
            "from the beginning of the recording"
        )


def _named(files: Sequence[str]) -> str:
    more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
    return f"{', '.join(files[:_MOST_NAMED])}{more}"
