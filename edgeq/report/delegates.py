"""What delegates take of a model, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgeq.analysis.delegation.advice import Advice
from edgeq.analysis.delegation.take import DelegateTake, Refused
from edgeq.report.ops import numbers

_MOST_NAMED = 4


def saved_lines(saved: Mapping[str, Any]) -> list[str]:
    """The same of a delegate's part that stands in a result's JSON.

    Raises:
        TypeError: It is none.
    """
    known = {
        **saved,
        "refused": tuple(Refused(**each) for each in saved["refused"]),
        "advice": tuple(Advice(**each) for each in saved["advice"]),
    }
    return list(delegate_lines(DelegateTake(**known)))


def delegate_lines(found: DelegateTake) -> Iterator[str]:
    """A delegate's part of a model: how much, in how many parts, what breaks them, what helps."""
    parts = "one part" if found.partitions == 1 else f"{found.partitions} parts"
    taken = f"{len(found.taken)} of {found.ops} ops" + (f", in {parts}" if found.taken else "")
    yield f"{found.title}, {found.place} ({found.evidence}, {found.release}): {taken}"
    if found.levels and len({count for _, count in found.levels}) > 1:
        counts = ", ".join(f"{level}: {count}" for level, count in found.levels)
        yield f"  ops by {found.level_name}: {counts}"
    for line in _refusals(found):
        yield f"  {line}"
    for change in found.advice:
        then = "one part" if change.partitions == 1 else f"{change.partitions} parts"
        yield f"  try: {change.text} (then {change.taken} of {found.ops} ops, in {then})"
    conditions = dict.fromkeys(condition for _, condition in found.unseen)
    for condition in conditions:
        kinds = ", ".join(op for op, said in found.unseen if said == condition)
        yield f"  not looked at: {kinds}: {condition}"
    for remark in found.remarks:
        yield f"  {remark}"


def _refusals(found: DelegateTake) -> Iterator[str]:
    """Ops of one kind and reason on one line, those that break the model into parts first."""
    grouped: dict[tuple[bool, str, str], list[Refused]] = {}
    for op in found.refused:
        between = found.partitions > 1 and op.index in found.breaks
        grouped.setdefault((not between, op.op, op.reason), []).append(op)
    lines = sorted(grouped.items(), key=lambda item: item[0][0])
    for (whole, kind, reason), ops in lines[:_MOST_NAMED]:
        what = "left to the runtime" if whole else "breaks it"
        plural = "ops" if len(ops) > 1 else "op"
        yield f"{what}: {plural} {numbers([op.index for op in ops])} {kind}: {reason}"
    if len(lines) > _MOST_NAMED:
        rest = sum(len(ops) for _, ops in lines[_MOST_NAMED:])
        yield f"left to the runtime: {rest} more ops"
