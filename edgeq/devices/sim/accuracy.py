"""How far the cycle estimates of each core were off where a board's own figure is published.

The numbers are those of docs/cycle-estimates.md, which names every board, image and source; a test
holds them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Accuracy:
    """Estimates against published measurements.

    Attributes:
        count: How many there are.
        median: Of the relative errors' sizes.
        worst: The largest relative error's size.
    """

    count: int
    median: float
    worst: float


ACCURACY: Mapping[str, Accuracy] = {
    "cortex-m0plus": Accuracy(4, 0.007, 0.100),
    "cortex-m4": Accuracy(10, 0.055, 0.110),
    "cortex-m33": Accuracy(17, 0.024, 0.143),
    "cortex-m7": Accuracy(15, 0.061, 0.132),
    "rv32imc": Accuracy(2, 0.027, 0.054),
    "rv32imac": Accuracy(1, 0.089, 0.089),
}

# Where the timings of a core come from, if its maker gives none.
_LLVM = "timings of LLVM's model of the core, memory without wait states"
_UNCHECKED = {
    "cortex-m55": _LLVM,
    "cortex-m85": f"{_LLVM}; instructions counted on an emulated Cortex-M55, which has the same",
}


def accuracy_note(cpu: str) -> str:
    """What a reader has to know of a core's cycles; begins with "unchecked" where nobody knows."""
    found = ACCURACY.get(cpu)
    if found is None:
        nobody = "unchecked: nobody published cycles of this core for code that runs here"
        return "; ".join(part for part in (nobody, _UNCHECKED.get(cpu, "")) if part)
    times = "measurement" if found.count == 1 else "measurements"
    published = f"{found.count} published {times} of integer code"
    return f"estimates were within {found.worst:.0%} of {published}"
