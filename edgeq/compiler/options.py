"""What a user may ask of the generated C: how it is optimised, and budgets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CompileOptions:
    """How generated C is made, where an address runs generated C.

    Attributes:
        optimize: "balanced", "speed", "ram" or "size".
        ram_bytes, flash_bytes, cycles: Budgets; None where there is none.
    """

    optimize: str = "balanced"
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    cycles: int | None = None
