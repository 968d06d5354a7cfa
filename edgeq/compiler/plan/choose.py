"""Which form of a program to take: the search that `--optimize ram` asks for."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import Isa
from edgeq.compiler.plan.arena import Plan, plan_arena
from edgeq.compiler.plan.program import Program
from edgeq.compiler.plan.stripes import can_group, estimate, striped

_LONGEST_GROUP = 6
_MOST_STRIPES = 16
_ROUNDS = 4
_QUICK_TRIES = 40
_MOST_CANDIDATES = 6


def least_memory(program: Program, isa: Isa, optimize: str) -> tuple[Program, Plan]:
    """The program with ops grouped into stripes wherever that makes the arena smaller.

    In each round the groups around the op that holds the peak are sieved by an estimate, for few
    and for many rows a stripe; the most promising ones are planned, and the best one is kept.
    """
    plan = plan_arena(program)
    for _ in range(_ROUNDS):
        best: tuple[Program, Plan] | None = None
        for first, last, rows in _candidates(program, plan):
            candidate = striped(program, first, last, rows, isa, optimize)
            if candidate is None:
                continue
            quick = plan_arena(candidate, _QUICK_TRIES)
            if quick.arena_bytes < (best[1] if best else plan).arena_bytes:
                best = candidate, quick
        if best is None:
            break
        program = best[0]
        plan = min(best[1], plan_arena(program), key=lambda p: p.arena_bytes)
    return program, plan


def _candidates(program: Program, plan: Plan) -> list[tuple[int, int, int]]:
    """First step, last step and rows of the most promising groups around the peak."""
    peak, steps = plan.peak_step, len(program.steps)
    groups = [
        (first, last)
        for first in range(max(peak - _LONGEST_GROUP + 1, 0), peak + 1)
        for last in range(max(peak, first + 1), min(first + _LONGEST_GROUP, steps))
        if can_group(program, first, last)
    ]
    found = [
        (estimate(program, first, last, rows), -rows, first, last)
        for first, last in groups
        for rows in (1, 2, 4, 8)
        if rows < program.tensor(program.steps[last].op.outputs[0]).shape[1] <= rows * _MOST_STRIPES
    ]
    promising = sorted(entry for entry in found if entry[0] < plan.arena_bytes)
    return [(first, last, -rows) for _, rows, first, last in promising[:_MOST_CANDIDATES]]
