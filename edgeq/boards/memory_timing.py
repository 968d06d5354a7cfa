"""What the flash of a board adds to a core's own cycles: wait states, and the caches before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cache:
    """A cache, or the buffers of a flash interface.

    Attributes:
        line_bytes: Bytes of a line, a power of two.
        lines: How many lines there are; 0 where nothing is kept.
        ways: Lines of a set; the least recently used one goes.
    """

    line_bytes: int = 4
    lines: int = 0
    ways: int = 0


@dataclass(frozen=True)
class MemoryTiming:
    """Cycles that a core waits for its flash at one clock.

    Attributes:
        code: What keeps fetched code.
        data: What keeps loaded constants.
        fetch_cycles: Wait for a line of code that is not kept.
        next_cycles: The same where it follows the line fetched before, which a prefetch shortens.
        constant_cycles: Wait for a load from flash that is not kept.
    """

    code: Cache
    data: Cache
    fetch_cycles: int
    next_cycles: int
    constant_cycles: int


@dataclass(frozen=True)
class FlashTiming:
    """The flash interface of a chip.

    Attributes:
        wait_states: (highest clock in Hz, wait states), by clock.
        code, data: The caches before it.
        fetch_reads, next_reads, data_reads: How many times the wait states a line of code, the
            following line of code, and a line of constants take.
        bus_cycles: What the way to the flash adds to a line that is not kept, where it waits.
    """

    wait_states: tuple[tuple[int, int], ...]
    code: Cache
    data: Cache
    fetch_reads: int = 1
    next_reads: int = 1
    data_reads: int = 1
    bus_cycles: int = 0

    def waits_at(self, clock_hz: int) -> int:
        """Wait states at a clock; the most there are beyond the highest clock."""
        fitting = [waits for highest, waits in self.wait_states if clock_hz <= highest]
        return fitting[0] if fitting else self.wait_states[-1][1]

    def at(self, clock_hz: int) -> MemoryTiming:
        """The cycles at a clock, with all caches on; where the flash keeps up, they do nothing."""
        waits = self.waits_at(clock_hz)
        bus = self.bus_cycles if waits else 0
        return MemoryTiming(
            self.code,
            self.data,
            fetch_cycles=self.fetch_reads * waits + bus,
            next_cycles=self.next_reads * waits,
            constant_cycles=self.data_reads * waits + bus,
        )


def flash_timing(table: Mapping[str, Any]) -> FlashTiming:
    """The flash interface out of the checked table [flash_timing] of a target file."""
    numbers = ("fetch_reads", "next_reads", "data_reads", "bus_cycles")
    return FlashTiming(
        wait_states=tuple((highest, waits) for highest, waits in table["wait_states"]),
        code=Cache(*table.get("code_cache", ())),
        data=Cache(*table.get("data_cache", ())),
        **{key: int(table[key]) for key in numbers if key in table},
    )
