"""How often the loops of a program's kernels are unrolled: as often as it is worth their code.

An unrolled loop takes code for each step and instructions for each turn. Both are known when C is
generated; a kilobyte has to save a share of the program's instructions that its mode says.
"""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import Loop
from edgeq.compiler.plan.program import Program

# The share of a program's instructions that a kilobyte of code must save, by mode.
WORTH = {"balanced": 0.02, "ram": 0.02, "size": 0.15}
_KILOBYTE = 1024


def unrolled(program: Program, optimize: str) -> dict[str, int]:
    """The macros to define before the kernels' headers, and their values.

    Args:
        program: What is generated; kernels with such loops take about an instruction a MAC.
        optimize: The mode; all but those of `WORTH` keep what the headers say.
    """
    worth = WORTH.get(optimize)
    if worth is None:
        return {}
    calls = [step.call for step in program.steps if step.call is not None]
    total = max(sum(call.macs for call in calls), 1)
    by_macro: dict[str, list[Loop]] = {}
    for call in calls:
        for loop in call.loops:
            by_macro.setdefault(loop.macro, []).append(loop)
    price = worth * total / _KILOBYTE
    found: dict[str, int] = {}
    for macro, loops in sorted(by_macro.items()):
        best = min(_candidates(loops[0].most), key=lambda count: _cost(loops, count, price))
        if best != loops[0].most:
            found[macro] = best
    return found


def _candidates(most: int) -> list[int]:
    """So many steps a turn: powers of two, and the number of the header."""
    return sorted({most, *(1 << bit for bit in range(most.bit_length()) if 1 << bit <= most)})


def _cost(loops: list[Loop], count: int, price: float) -> float:
    """Instructions of all turns, and those that the code has to save."""
    turns = sum(loop.entries * -(-loop.steps // count) * loop.turn for loop in loops)
    copies = {(loop.function, loop.step_bytes) for loop in loops}
    return turns + price * count * sum(step_bytes for _, step_bytes in copies)
