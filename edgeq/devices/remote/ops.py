"""Times per op of a runtime: what ran, for how long, and which ops of the model that were."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from edgeq.devices.base import OpProfile
from edgeq.devices.remote.answers import DamagedAnswer, OpTime
from edgeq.devices.remote.delegated import Part, covers, joined, parts_of
from edgeq.model.graph import Graph, Subgraph

UNKNOWN = -1  # the index of a time that belongs to no single op of the model
_FEWEST_PASSES, _MOST_PASSES = 5, 200
_PASSES_US = 1e6
_MOST_AMONG = 200  # ops that each of many rows may be of, before these rows are one
_MOST_NUMBERS = 1_000_000  # of all rows, of ops that they may be of
_LONGEST = 400  # characters of a name that is made of others


def passes(latency_us: float) -> int:
    """How many calls the per-op pass makes: about a second of them, for medians that hold."""
    return int(min(_MOST_PASSES, max(_FEWEST_PASSES, _PASSES_US / max(latency_us, 1.0))))


def op_shares(rows: Sequence[OpTime], graph: Graph) -> list[OpProfile]:
    """One row per thing that ran, in the order of execution: its median time, spread and share.

    `covers` are the ops of the model that a row is of. Rows that are sure to be of one op are one
    row. Where it cannot be known, the index is UNKNOWN and `among` are the ops that it may be of.

    Raises:
        DamagedAnswer: The runtime says that it ran an op that the model has not.
    """
    main = graph.main
    if any(row.index >= len(main.ops) for row in rows if not row.delegated):
        raise DamagedAnswer("index")
    named = _of_one_op(_matched(rows, main))
    middles = [_middle(row) for row, _, _ in named]
    total = sum(middles) or 1.0
    return [
        OpProfile(
            index=found[-1] if found else UNKNOWN,
            op=row.op,
            name=_name(main, found[-1]) if found else "",
            share=middle / total,
            us=middle,
            us_p10=float(np.percentile(row.us, 10)),
            us_p90=float(np.percentile(row.us, 90)),
            covers=found,
            among=among,
            delegated=row.delegated,
        )
        for (row, found, among), middle in zip(named, middles, strict=True)
    ]


_Named = tuple[OpTime, tuple[int, ...], tuple[int, ...]]  # a row, what it covers, or is among


def _matched(rows: Sequence[OpTime], graph: Subgraph) -> list[_Named]:
    own = {row.index for row in rows if not row.delegated}
    delegated = [row for row in rows if row.delegated]
    rest = tuple(position for position in range(len(graph.ops)) if position not in own)
    if not delegated:
        return [(row, (row.index,), ()) for row in rows]
    left = list(rows)
    found: list[_Named] = []
    for part in parts_of(graph, own):
        count = len(part.ops) if not part.delegated else _leading(left)
        mine, left = left[:count], left[count:]
        if part.delegated:
            found += _of_part(graph, part, mine)
        elif [row.index for row in mine] == list(part.ops):
            found += [(row, (row.index,), ()) for row in mine]
        else:
            left = [*mine, *left]  # the runtime went another way than is known here
            break
    if not left:
        return found
    if len(delegated) * len(rest) > _MOST_NUMBERS:
        rest = ()
    return [(row, () if row.delegated else (row.index,), _among(row, rest)) for row in rows]


def _leading(rows: Sequence[OpTime]) -> int:
    return next((n for n, row in enumerate(rows) if not row.delegated), len(rows))


def _among(row: OpTime, rest: tuple[int, ...]) -> tuple[int, ...]:
    return rest if row.delegated else ()


def _of_part(graph: Subgraph, part: Part, rows: Sequence[OpTime]) -> list[_Named]:
    possible = covers(graph, part, [row.op for row in rows])
    sure = {ops[0] for ops in possible if len(ops) == 1}
    unsure = {op for ops in possible if len(ops) > 1 for op in ops}
    sure -= unsure
    homes = joined(graph, part, sure) if sure and not unsure else {}
    folded: dict[int, list[int]] = {}
    for op, home in homes.items():
        folded.setdefault(home, []).append(op)
    found: list[_Named] = []
    for row, ops in zip(rows, possible, strict=True):
        if len(ops) == 1 and ops[0] in sure:
            found.append((row, tuple(sorted((*folded.get(ops[0], ()), ops[0]))), ()))
        else:
            found.append((row, (), ops))
    return found


def _of_one_op(rows: Sequence[_Named]) -> list[_Named]:
    """Neighbouring rows of the same op as one, and such as may be of any of very many."""
    found: list[_Named] = []
    for _, group in groupby(rows, _together):
        together = list(group)
        row, ops, among = together[0]
        if len(together) > 1 and (ops or len(among) > _MOST_AMONG):
            times = np.sum([each.us for each, _, _ in together], axis=0)
            name = " + ".join(each.op for each, _, _ in together)[:_LONGEST]
            together = [(replace(row, op=name, us=tuple(map(float, times))), ops, among)]
        found += together
    return found


def _together(named: _Named) -> tuple[tuple[int, ...], int]:
    """What neighbours have in common that are one row; ops by identity, since they may be many."""
    _, ops, among = named
    return ops, id(among)


def _middle(row: OpTime) -> float:
    """The median; of whole microseconds, that within the one that most calls took.

    Profilers count whole microseconds: a delegate cuts the rest off, the runtime takes the
    difference of two times that were cut.
    """
    if any(us != int(us) for us in row.us):
        return statistics.median(row.us)
    middle = 0.5 if row.delegated else 0.0
    return max(0.0, statistics.median_grouped([us + middle for us in row.us]))


def _name(graph: Subgraph, position: int) -> str:
    op = graph.ops[position]
    return graph.tensors[op.outputs[0]].name if op.outputs else ""
