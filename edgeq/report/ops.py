"""Rows per op as text: which ops of the model each is of, and how long it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_MOST_NAMED = 6


def op_numbers(op: Mapping[str, Any]) -> str:
    """Positions of the ops that a row of `profile` covers; "?" where nobody can know.

    An op of a loop is `1:3`, the fourth of subgraph 1.
    """
    if op.get("subgraph"):
        return f"{op['subgraph']}:{op['index']}"
    covers = op.get("covers") or ([op["index"]] if op["index"] >= 0 else [])
    return numbers(covers) or ("?" if op.get("among") else "–")


def op_layer(op: Mapping[str, Any]) -> str:
    """The layer of a row, or why there is none."""
    if op.get("among"):
        return f"cannot be known: of ops {numbers(op['among'])}"
    return str(op["name"]).split(";")[0]


def op_time(op: Mapping[str, Any]) -> str:
    """Median time of a row with its spread over the passes, in microseconds; empty if unknown."""
    if op.get("us") is None:
        return ""
    return f"{op['us']:,.1f} ({op['us_p10']:,.0f} to {op['us_p90']:,.0f})"


def op_share(op: Mapping[str, Any]) -> str:
    """Share of a row; what is not nothing is not shown as nothing."""
    if op.get("share") is None:
        return ""
    return "<0.1%" if 0 < op["share"] < 0.0005 else f"{op['share']:.1%}"


def delegate_line(ops: Sequence[Mapping[str, Any]], delegate: object) -> str:
    """Which ops a runtime's delegate took and which it left; empty where there is none."""
    taken = {number for op in ops if op["delegated"] for number in (*op["covers"], *op["among"])}
    if not taken:
        return ""
    own = Counter(op["op"] for op in ops if not op["delegated"])
    left = ", ".join(name if n == 1 else f"{n} {name}" for name, n in own.items())
    of = len(taken) + own.total()
    return f"{delegate} takes {len(taken)} of {of} ops" + (f", not {left}" if left else "")


def numbers(positions: Sequence[int]) -> str:
    """Positions with runs as ranges: "3, 5-7"."""
    runs: list[list[int]] = []
    for position in sorted(positions):
        if runs and position == runs[-1][1] + 1:
            runs[-1][1] = position
        else:
            runs.append([position, position])
    words = [str(a) if a == b else f"{a}-{b}" for a, b in runs]
    more = [f"{len(words) - _MOST_NAMED} more"] if len(words) > _MOST_NAMED else []
    return ", ".join(words[:_MOST_NAMED] + more)
