"""What a user may ask of the generated C: how it is optimised, and budgets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgeq.errors import UsageError
from edgeq.model.joining import FrontEnd

MODES = ("balanced", "ram", "size", "speed")
"""What generated C can be optimised for."""
MOST_THREADS = 64
"""That share the work of one call."""


@dataclass(frozen=True)
class CompileOptions:
    """How generated C is made, where an address runs generated C.

    Attributes:
        optimize: "balanced", "speed", "ram" or "size".
        ram_bytes: Budget for all RAM that the program needs: arena, state, statics and stack.
        flash_bytes: Budget for all flash of the program: code, weights and tables.
        cycles: Budget for one inference. All three are None where there is no budget.
        accept_stand_in: Whether a figure of another core than the target's may keep a budget.
        why: Why this form was chosen, for the manifest.
        isa: Level of a host's instruction set (`edgeq.boards.levels`); "" for what the target says.
        dispatch: Whether a host's program holds all levels and chooses when it runs.
        threads: How many threads share the work of large layers, on hosts.
        frontend: What stands before the model: samples in, answers out.
    """

    optimize: str = "balanced"
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    cycles: int | None = None
    accept_stand_in: bool = False
    why: str = "asked for"
    isa: str = ""
    dispatch: bool = False
    threads: int = 1
    frontend: FrontEnd | None = None

    def __post_init__(self) -> None:
        """Refuse words and numbers that mean nothing.

        Raises:
            UsageError: C cannot be optimised for that; a budget is no number, which nothing would
                be above; so many threads cannot be.
        """
        if self.optimize not in MODES:
            raise UsageError(
                f"C is not optimised for '{self.optimize}'.", hint=f"one of {', '.join(MODES)}"
            )
        for name, limit in self.budgets.items():
            if isinstance(limit, str) or not limit < math.inf:
                raise UsageError(f"A budget of {limit} for {name} is none.", hint="a number")
        if self.threads not in range(1, MOST_THREADS + 1):
            raise UsageError(
                f"{self.threads} threads are not possible.", hint=f"1 to {MOST_THREADS}"
            )

    @property
    def budgets(self) -> dict[str, int]:
        """The budgets that were given, by name: "ram", "flash", "cycles"."""
        given = {"ram": self.ram_bytes, "flash": self.flash_bytes, "cycles": self.cycles}
        return {name: limit for name, limit in given.items() if limit is not None}
