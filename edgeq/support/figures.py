"""Figures: a number with its kind, its unit, and where it comes from.

Every number that edgeq shows for a target is of one of five kinds. Text marks all that was not
found on the target itself; in JSON the numbers stay where they are, and `kinds` and `provenance`
stand beside them (`beside`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["measured", "emulated", "estimated", "stand-in", "unknown"]

KINDS: tuple[Kind, ...] = ("measured", "emulated", "estimated", "stand-in", "unknown")
"""From the one that says most about the target to the one that says nothing."""

MEANINGS: Mapping[Kind, str] = {
    "measured": "found on the target itself, or in the image that is linked for it",
    "emulated": "counted in an emulator of the target's own core",
    "estimated": "computed from counts and documents, with an error",
    "stand-in": "of another core or machine than the target's, which is named",
    "unknown": "nothing here can tell",
}
"""What each kind says, for legends."""


@dataclass(frozen=True)
class Provenance:
    """Where a figure comes from; None and empty where it has no meaning.

    Attributes:
        address: Device address that it was found at, such as "sim:cortex-m4".
        core: CPU that it is a figure of.
        compiler: The C compiler with its version.
        flags: What the compiler was told.
        arithmetic: What computed: "generated C", or a runtime with its version.
        clock_hz: Clock that a time assumes or was taken at.
        note: What else a reader has to know, as a sentence.
    """

    address: str | None = None
    core: str | None = None
    compiler: str | None = None
    flags: tuple[str, ...] = ()
    arithmetic: str | None = None
    clock_hz: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        value: The number; None if it is unknown.
        kind: One of KINDS.
        unit: "bytes", "cycles", "ms", ...; empty for a plain number.
        provenance: Where it comes from.
    """

    value: float | None
    kind: Kind
    unit: str = ""
    provenance: Provenance = Provenance()

    def satisfies(
        self, limit: float, *, accept_stand_in: bool = False, timed_only: bool = False
    ) -> bool:
        """Whether the value keeps to an upper limit, and is of a kind that can show it.

        Args:
            limit: The largest value allowed.
            accept_stand_in: Whether a stand-in's figure counts.
            timed_only: Whether only the target's own clock can tell, as for a phone's latency.
        """
        if self.value is None or self.value > limit:
            return False
        return can_satisfy(self.kind, accept_stand_in=accept_stand_in, timed_only=timed_only)


def figure(
    value: float | None, kind: Kind, unit: str = "", provenance: Provenance | None = None
) -> Figure:
    """A figure; of kind "unknown" where there is no value."""
    provenance = provenance or Provenance()
    return Figure(value, kind if value is not None else "unknown", unit, provenance)


def score_text(value: float, sign: str = "", digits: int = 4) -> str:
    """What a model is worth: digits behind the point, or the first ones of what those do not show.

    Args:
        value: The metric's value, or a difference.
        sign: "+" for one that always has a sign.
        digits: How many.
    """
    shown = not value or abs(value) >= 10.0 ** (1 - digits)
    return f"{value:{sign}.{digits}f}" if shown else f"{value:{sign}.3g}"


def mark(found: Figure) -> str:
    """What a reader has to know of a figure's kind; empty for one of the target itself."""
    if found.kind == "measured":
        return ""
    if found.kind == "stand-in":
        core = found.provenance.core
        return f" (stand-in: {core})" if core else " (stand-in)"
    unchecked = ", unchecked" if "unchecked" in found.provenance.note else ""
    return f" ({found.kind}{unchecked})"


def figure_in(result: Mapping[str, Any], path: str, unit: str = "") -> Figure:
    """A figure of JSON with what `beside` has put beside it, by its path.

    Args:
        result: The JSON.
        path: Of the figure; one that lies deeper has no value here.
        unit: Its unit, which JSON has in the name.
    """
    kind = (result.get("kinds") or {}).get(path)
    source = result.get("provenance") or {}
    own = {**source, **((source.get("figures") or {}).get(path) or {})}
    found = Provenance(
        core=own.get("core"), clock_hz=own.get("clock_hz"), note=own.get("note") or ""
    )
    return Figure(result.get(path), kind if kind in KINDS else "unknown", unit, found)


def mark_in(result: Mapping[str, Any], path: str) -> str:
    """What a reader has to know of the kind of a figure of JSON, as `mark` says it."""
    found = figure_in(result, path)
    return "" if found.kind == "unknown" else mark(found)


def can_satisfy(kind: Kind, *, accept_stand_in: bool = False, timed_only: bool = False) -> bool:
    """Whether a figure of this kind may count as keeping to a limit (see `Figure.satisfies`)."""
    if kind == "stand-in":
        return accept_stand_in and not timed_only
    if kind in ("estimated", "emulated"):
        return not timed_only
    return kind == "measured"


def weakest(kinds: Iterable[Kind]) -> Kind:
    """The kind of a figure that was computed from others: the one that says least.

    Raises:
        ValueError: There are no kinds.
    """
    return max(kinds, key=KINDS.index)


def beside(figures: Mapping[str, Figure]) -> dict[str, Any]:
    """The `kinds` and `provenance` that stand beside the numbers in JSON.

    Args:
        figures: Each figure by its path in the document, such as "memory_bytes.stack".

    Returns:
        "kinds": the kind of each figure by its path. "provenance": what most of the figures have
        in common, and under "figures" the fields in which one differs, by its path.
    """
    records = {path: _record(entry.provenance) for path, entry in figures.items()}
    known = [entry.provenance for entry in figures.values() if entry.kind != "unknown"]
    usual = Counter(known).most_common(1)[0][0] if known else Provenance()
    common = _record(usual)
    others = {
        path: {name: value for name, value in record.items() if value != common[name]}
        for path, record in records.items()
        if record != common
    }
    return {
        "kinds": {path: entry.kind for path, entry in figures.items()},
        "provenance": {**common, "figures": others},
    }


def _record(provenance: Provenance) -> dict[str, Any]:
    return {**asdict(provenance), "flags": list(provenance.flags)}
