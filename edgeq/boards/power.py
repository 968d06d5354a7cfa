"""What a board draws, as its chip's data sheet says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Power:
    """Currents of a chip, typical figures at room temperature.

    Attributes:
        supply_v: Volts that they hold at.
        run_ua_per_mhz: Microamperes of the whole chip for each megahertz of a running core.
        sleep_ua: Microamperes of the deepest sleep that keeps RAM and wakes by a timer; None if
            nobody wrote it down.
        sleep_mode: What the maker calls that sleep.
        load: What ran when the current was measured; an inference at the top clock may draw twice
            what a data sheet's loop does.
        regulator: "LDO" (the current hardly depends on the voltage) or "SMPS".
    """

    supply_v: float
    run_ua_per_mhz: float
    sleep_ua: float | None = None
    sleep_mode: str = ""
    regulator: str = "LDO"
    load: str = "the data sheet's load, which an inference may exceed twice"

    def run_uw(self, clock_hz: float) -> float:
        """Microwatts of a running core."""
        return self.run_ua_per_mhz * clock_hz / 1e6 * self.supply_v

    @property
    def sleep_uw(self) -> float | None:
        """Microwatts asleep."""
        return None if self.sleep_ua is None else self.sleep_ua * self.supply_v

    @property
    def cycle_uj(self) -> float:
        """Microjoules of one cycle, at any clock."""
        return self.run_ua_per_mhz * self.supply_v / 1e6


def power_of(table: Mapping[str, Any]) -> Power:
    """The currents out of the checked table [power] of a target file."""
    return Power(**table)
