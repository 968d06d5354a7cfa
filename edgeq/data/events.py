"""events.csv: what happens in recordings, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgeq.data.dialect import find_dialect
from edgeq.errors import EdgeqError

COLUMNS = ("file", "start", "end", "label")
_WANTED = f"columns {', '.join(COLUMNS)}; start and end in seconds"


@dataclass(frozen=True)
class Occurrence:
    """Something that happens in a recording.

    Attributes:
        file: The recording, below its folder.
        start_s, end_s: Seconds from the recording's beginning.
        label: Name of its class.
    """

    file: str
    start_s: float
    end_s: float
    label: str


def read_events(path: Path) -> list[Occurrence]:
    """What a file of events says, in its order.

    Raises:
        EdgeqError: It has other columns, or a line makes no sense.
    """
    if not path.exists():
        raise EdgeqError("The recordings have no events.csv.", str(path), _WANTED)
    dialect = find_dialect(path, "label")
    found: dict[Occurrence, str] = {}
    for where, (file, start, end, label) in dialect.columns(path, COLUMNS, _WANTED):
        try:
            times = dialect.number(start), dialect.number(end)
        except ValueError:
            times = (math.nan, math.nan)
        if not all(map(math.isfinite, times)) or not 0 <= times[0] <= times[1]:
            raise EdgeqError(
                f"start '{start}' and end '{end}' are no times in seconds, one after the other.",
                where,
            )
        if not file or not label:
            raise EdgeqError("The file or the label is empty.", where)
        event = Occurrence(str(PurePosixPath(file.replace("\\", "/"))), *times, label)
        first = found.setdefault(event, where)
        if first != where:
            raise EdgeqError(
                f"The line says the same as {first.rpartition(', ')[2]}: of two events that are "
                "one, one would always be missed.",
                where,
                "leave it out",
            )
    return list(found)
