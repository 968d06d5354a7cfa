"""A folder of recordings and its events.csv, read and checked for a front end and a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeq.analysis.recordings import read_recording
from edgeq.data.audio import AUDIO_SUFFIXES
from edgeq.data.events import Occurrence, read_events
from edgeq.data.folders import files_below
from edgeq.errors import EdgeqError
from edgeq.metrics.events import Span
from edgeq.model.decision import Rules
from edgeq.model.stream import Stream
from edgeq.support.array import Array

EVENTS_FILE = "events.csv"
_CLIPPED_SHARE = 0.001
_MOST_NAMED = 3
_MOST_SAMPLES = 1 << 53  # more than all files together have
# Times are written with few digits: so far behind its end a recording still ends.
_SPARE_S = 0.1


@dataclass(frozen=True, eq=False)
class Recorded:
    """Recordings before they are heard.

    Attributes:
        parts: File, samples, and what happens.
        warnings: What the user should know.
    """

    parts: list[tuple[str, Array, tuple[Span, ...]]]
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
    left = None
    if seconds is not None:
        left = int(min(seconds * stream.rate_hz, _MOST_SAMPLES)) * stream.axes
    parts, clipped = [], []
    for name, file in sorted(files.items()):
        samples = read_recording(file, stream, resample=resample)
        _check_end(occurrences, name, len(samples) / stream.values_per_second, folder)
        if left is not None:
            samples, left = samples[:left], max(left - len(samples), 0)
            if not len(samples):
                break
        if len(samples) < stream.first_answer:
            raise EdgeqError(
                f"The recording has {len(samples):,} samples; an answer needs "
                f"{stream.first_answer:,}.",
                str(file),
            )
        share = np.mean(np.abs(samples.astype(np.int32)) >= 32767)
        clipped += [name] if share > _CLIPPED_SHARE else []
        parts.append((name, samples, _spans(occurrences, name, rules, samples, stream)))
    return Recorded(parts, _warnings(parts, clipped, rules))


def _check_end(occurrences: Sequence[Occurrence], name: str, length_s: float, folder: Path) -> None:
    for each in occurrences:
        if each.file == name and each.end_s > length_s + _SPARE_S:
            raise EdgeqError(
                f"An event ends at {each.end_s:g} s; {name} has {length_s:.3f} s.",
                str(folder / EVENTS_FILE),
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


def _spans(
    occurrences: Sequence[Occurrence], name: str, rules: Rules, samples: Array, stream: Stream
) -> tuple[Span, ...]:
    """What happens in what is heard of a recording; of background classes nothing."""
    end = len(samples) / stream.values_per_second
    return tuple(
        Span(rules.labels.index(o.label), o.start_s, min(o.end_s, end))
        for o in occurrences
        if o.file == name
        and rules.labels.index(o.label) in rules.firing
        and o.end_s <= end + _SPARE_S  # what a cut takes half of is left out
    )


def _warnings(
    parts: Sequence[tuple[str, Array, tuple[Span, ...]]], clipped: Sequence[str], rules: Rules
) -> tuple[str, ...]:
    found = []
    if clipped:
        more = f" and {len(clipped) - _MOST_NAMED} more" if len(clipped) > _MOST_NAMED else ""
        found.append(f"clipped recordings: {', '.join(clipped[:_MOST_NAMED])}{more}")
    there = {span.label for _, _, spans in parts for span in spans}
    never = [rules.labels[c] for c in rules.firing if c not in there]
    if never:
        found.append(f"never happens in these recordings: {', '.join(never)}")
    return tuple(found)
