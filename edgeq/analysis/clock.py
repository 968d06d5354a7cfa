"""When the samples of a recording were taken: evenly, or as its column of times says.

Sensors miss their nominal rate by percents, and loggers stamp late. Rows are fed as they are, as a
device would take them; where an event is, the recording's own clock says. Single times tell little,
so it is that of blocks of rows, each with the median of how late its rows are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.support.array import Array

_SAME_RATE = 0.02  # how far the rate may be off
_LONGEST_S = 1e10  # three centuries: what stands beyond is no time
_BLOCK = 33  # rows; odd, so that a median is a row's own and steps are not halved
_FEW = 3  # samples that may be missing or too many at one place
_PAIR = 2  # rows that may share a time: of few digits, or of a packet; of more see `_spread`
_PACKETS = 3  # as many show that all are of one size
_ROUNDING = 1e-6  # samples
_HINT = "without the column of times the samples are taken for evenly spaced"


@dataclass(frozen=True, eq=False)
class Clock:
    """Which second of a recording a sample is in.

    Attributes:
        per_second: Values of all axes together.
        axes: Values at a time.
        rows, seconds: Some rows from the first to the one behind the last, and their times from
            that of the first on; None where rows are evenly spaced.
        begins_s: What the column of times says of the first row.
    """

    per_second: float
    axes: int = 1
    rows: Array | None = None
    seconds: Array | None = None
    begins_s: float = 0.0

    def at(self, values: int) -> float:
        """Seconds from the beginning until so many values are there."""
        if self.rows is None or self.seconds is None:
            return values / self.per_second
        return float(np.interp(values / self.axes, self.rows, self.seconds))

    def until(self, seconds: float) -> int:
        """How many values, of whole rows, are there after so many seconds."""
        if self.rows is None or self.seconds is None:
            rows = seconds * self.per_second / self.axes
        else:
            rows = float(np.interp(seconds, self.seconds, self.rows))
        return int(rows + _ROUNDING) * self.axes

    @property
    def rate_hz(self) -> float:
        """Rows in a second."""
        if self.rows is None or self.seconds is None:
            return self.per_second / self.axes
        return float(self.rows[-1] / self.seconds[-1])


def clock_of(times: Array, lines: Sequence[int], rate_hz: float, axes: int, path: Path) -> Clock:
    """The clock of a recording with a column of times.

    Args:
        times: Seconds, shape (rows,).
        lines: Where in the file they stand.
        rate_hz: What the front end takes; `axes` values at a time.
        path: The file.

    Raises:
        EdgeqError: They do not rise, are of another rate, or samples are missing, doubled or out of
            order.
    """
    count = len(times)
    if count < 2:
        return Clock(rate_hz * axes, axes)
    begins_s = float(times[0])
    times = _spread(times)
    since = np.clip(times - times[0], -_LONGEST_S, _LONGEST_S)
    pair = min(_PAIR, count - 1)
    step = float(np.median(since[pair:] - since[:-pair])) / pair
    if step <= 0:
        raise EdgeqError(
            f"The times of the recording do not rise from row to row: most steps are {step:g} s.",
            str(path),
            f"seconds, with digits enough for {rate_hz:,} Hz, one for each row, or for each packet "
            f"where all have as many rows; {_HINT}",
        )
    late = since * rate_hz - np.arange(count)
    starts = list(range(0, count - _BLOCK + 1, _BLOCK))
    if starts and count - _BLOCK - starts[-1] > _BLOCK // 2:
        starts.append(count - _BLOCK)
    rows = np.array([0, *[k + _BLOCK // 2 for k in starts], count - 1])
    levels = np.array([0, *[np.median(late[k : k + _BLOCK]) for k in starts], late[-1]])
    rises, apart = np.diff(levels), np.diff(rows)
    usual = np.abs(rises - np.median(rises / apart) * apart) <= _FEW
    slope = float(rises[usual].sum() / apart[usual].sum())
    if abs(slope) > max(_SAME_RATE, _FEW / count):
        raise EdgeqError(
            f"The recording has {rate_hz / (1 + slope):.4g} Hz by its times; the front end takes "
            f"{rate_hz:,} Hz.",
            str(path),
            "times are in seconds; where samples are missing, fill them in, else resample",
        )
    _check_jumps(times, late, rows, levels, slope, lines, path)
    rows, levels = np.append(rows, count), np.append(levels, levels[-1])
    return Clock(rate_hz * axes, axes, rows, (rows + levels) / rate_hz, begins_s)


def _spread(times: Array) -> Array:
    """Times of rows, where those of a packet share one and all packets have as many rows.

    Sensors with a buffer are read 8, 16 or 32 rows at a time. Rows of a packet are taken to be as
    far apart as the packets usually say; the first packet may lack rows in front, the last behind.
    """
    starts = np.flatnonzero(np.diff(times, prepend=times[0] - 1))
    sizes = np.diff(starts, append=len(times))
    whole = sizes[1:-1]
    if len(whole) < _PACKETS or whole.min() <= _PAIR or whole.min() != whole.max():
        return times
    size = int(whole[0])
    if max(sizes[0], sizes[-1]) > size:
        return times
    step = float(np.median(np.diff(times[starts[1:]]))) / size
    inside = np.arange(len(times)) - np.repeat(starts, sizes)
    inside[: sizes[0]] += size - sizes[0]
    return np.asarray(times + inside * step)


def _check_jumps(
    times: Array,
    late: Array,
    rows: Array,
    levels: Array,
    slope: float,
    lines: Sequence[int],
    path: Path,
) -> None:
    """Refuse rows between which more than a few samples are missing or too many."""
    jumps = np.diff(levels) - slope * np.diff(rows)
    astray = np.abs(late - np.interp(np.arange(len(late)), rows, levels))
    worst = int(np.argmax(np.abs(jumps)))
    if abs(jumps[worst]) > _FEW:
        first = max(int(rows[worst]) - _BLOCK, 0)
        near = np.diff(late[first : int(rows[worst + 1]) + _BLOCK])
        signed = near if jumps[worst] > 0 else -near
        at = first + int(np.argmax(signed))
        amount = max(round(abs(float(jumps[worst]))), 1)
        what = "missing" if jumps[worst] > 0 else "too many"
        more = int((np.abs(jumps) > _FEW).sum()) - 1
        others = f", and {more} more such places" if more else ""
        told = f"{amount:,} samples are {what}{others}"
    elif astray.max() > _BLOCK:
        at = max(int(np.argmax(astray)) - 1, 0)
        told = "one of the two is no time of this recording"
    else:
        return
    raise EdgeqError(
        f"The times of the recording jump from {times[at]:g} to {times[at + 1]:g} s: {told}.",
        f"{path}, line {lines[at + 1]}",
        f"fill what is missing, or cut the recording there; {_HINT}",
    )
