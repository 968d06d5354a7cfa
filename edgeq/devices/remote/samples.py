"""The times of calls as a device sends them, held against the clock of this side."""

from __future__ import annotations

import time
from array import array
from collections.abc import Sequence

from edgeq.errors import EdgeqError

_MOST = 50_000_000
_MOST_KEPT = 100_000
# The agent's own work for a sample (two looks at a clock, a number as text) takes longer.
_LEAST_S = 2.5e-7
# Clocks of boards run too fast by thousandths; what lies beyond is no clock.
_FAST, _LATE_S = 1.1, 1.0


class Samples:
    """Latencies in microseconds, in order.

    Attributes:
        us: All of them.
    """

    def __init__(self, where: str) -> None:
        self.us = array("d")
        self._where = where
        self._most, self._ends = 0, 0.0
        self._begin = time.monotonic()
        self._sum_us = 0.0

    def begin(self, runs: int, seconds: float, patience_s: float) -> None:
        """The device is asked now for so many calls, or for as many as fit into some seconds.

        Args:
            runs: Calls; 0 if `seconds` counts.
            seconds: Of calls.
            patience_s: How long the device may take besides.
        """
        self._begin = time.monotonic()
        self._ends = 0.0 if runs else self._begin + seconds + patience_s
        self._most = runs or min(_MOST, round((seconds + _LATE_S) / _LEAST_S))

    def take(self, parcel: Sequence[float]) -> None:
        """Some more of them.

        Raises:
            EdgeqError: They are more than were asked for, or took longer than there was time.
        """
        self.us.extend(parcel)
        if len(self.us) > self._most:
            raise EdgeqError(
                f"The device sent more than {self._most:,} samples.",
                self._where, "a shorter measurement, or --paced",
            )  # fmt: skip
        now = time.monotonic()
        if self._ends and now > self._ends:
            raise EdgeqError("The device does not end its measurement.", self._where)
        self._sum_us += sum(parcel)
        passed = now - self._begin
        if self._sum_us > (passed * _FAST + _LATE_S) * 1e6:
            raise EdgeqError(
                f"The device says that its calls took {self._sum_us / 1e6:.3g} s; they were asked "
                f"for {passed:.1f} s ago.",
                self._where, "its clock is wrong, or it does not tell the truth",
            )  # fmt: skip

    def thinned(self) -> tuple[list[float], int]:
        """At most 100,000 of them, and the step from one to the next."""
        step = max(1, -(-len(self.us) // _MOST_KEPT))
        return list(self.us[::step]), step
