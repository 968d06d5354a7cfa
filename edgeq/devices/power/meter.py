"""The protocol of a meter, and what is made of its readings."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from edgeq.errors import EdgeqError


@dataclass(frozen=True)
class Reading:
    """One look at a meter: a counter of energy, or the power at this moment.

    Attributes:
        time_s: When, by a clock that never goes back.
        energy_j: Joules since some beginning; None where the meter does not count.
        power_w: Watts; None where the meter counts.
    """

    time_s: float
    energy_j: float | None = None
    power_w: float | None = None


class Meter(Protocol):
    """Something that measures power.

    Attributes:
        name: Such as "rapl".
        covers: What it measures, for people: "the CPU packages", "the whole board".
        interval_s: How often it is worth a look.
    """

    name: str
    covers: str
    interval_s: float

    def read(self) -> Reading:
        """What it shows now.

        Raises:
            EdgeqError: It is not there, or shows nothing that makes sense.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


@dataclass(frozen=True)
class Window:
    """Energy over some time."""

    seconds: float
    joules: float

    @property
    def watts(self) -> float:
        """Average power."""
        return self.joules / self.seconds


@dataclass(frozen=True)
class Metered:
    """What one inference costs.

    Attributes:
        energy_uj: Microjoules of one inference, with what the machine draws anyway meanwhile.
        busy_w, idle_w: Average power at work and before.
        share: How much of the window was inference; the rest counts as idle.
    """

    energy_uj: float
    busy_w: float
    idle_w: float
    share: float


def window(readings: Sequence[Reading]) -> Window:
    """Energy between the first and the last reading.

    Raises:
        EdgeqError: There are fewer than two readings, or they do not make sense: they are no
            numbers, energy came back, or more than any machine draws.
    """
    shown = [value for r in readings for value in (r.time_s, r.energy_j or 0.0, r.power_w or 0.0)]
    if not all(map(math.isfinite, shown)):
        raise EdgeqError("The meter shows something that is no number.", hint=_LOOK)
    if len(readings) < 2 or not readings[-1].time_s > readings[0].time_s:
        raise EdgeqError("The meter was read less than twice.", hint="measure longer: --seconds 5")
    first, last = readings[0], readings[-1]
    seconds = last.time_s - first.time_s
    if first.energy_j is not None and last.energy_j is not None:
        joules = last.energy_j - first.energy_j
    else:
        joules = sum(
            ((one.power_w or 0.0) + (other.power_w or 0.0)) / 2 * (other.time_s - one.time_s)
            for one, other in pairwise(readings)
        )
    if joules < 0:
        raise EdgeqError("The meter says that energy came back: is it the other way round?")
    highest = max([joules / seconds, *(abs(r.power_w or 0.0) for r in readings)])
    if highest > _MOST_W:
        raise EdgeqError(
            f"The meter shows {highest:.3g} W, more than any machine draws that runs a model.",
            hint=_LOOK,
        )
    return Window(seconds, joules)


def recorded(meter: Meter, work: Callable[[], None]) -> Window:
    """Energy while something runs, the meter being read all the while.

    Raises:
        EdgeqError: The meter fails; the work has been done then.
    """
    readings = [meter.read()]
    done = threading.Event()
    problems: list[EdgeqError] = []

    def watch() -> None:
        while not done.wait(meter.interval_s):
            try:
                readings.append(meter.read())
            except EdgeqError as problem:
                problems.append(problem)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    if problems:
        raise problems[0]
    readings.append(meter.read())
    return window(readings)


def idle(meter: Meter, seconds: float) -> Window:
    """Energy while nothing of ours runs."""
    return recorded(meter, lambda: time.sleep(seconds))


def per_inference(busy: Window, rest: Window, calls: int, call_s: float) -> Metered:
    """Energy of one inference out of a window in which many ran.

    What is left of the window beside the calls (loading, sending, waiting) counts as idle.

    Args:
        busy: The window.
        rest: A window in which nothing ran.
        calls: How many inferences ran in it.
        call_s: Seconds of one.

    Raises:
        EdgeqError: The calls are so small a part of the window that it says nothing of them, or
            the meter shows nothing of them.
    """
    check_work(busy, busy.joules)
    working_s = calls * call_s
    share = min(1.0, working_s / busy.seconds)
    if calls < 1 or share < _LEAST_SHARE:
        raise EdgeqError(
            f"Inference was only {share:.0%} of what the meter saw.",
            hint="measure longer: --seconds 10",
        )
    if working_s > _MOST_SHARE * busy.seconds:
        raise EdgeqError(
            f"The calls took {working_s:.3g} s, of which the meter saw {busy.seconds:.3g} s.",
            hint="the device's clock is wrong, or readings of the meter are lost",
        )
    joules = busy.joules - rest.watts * (busy.seconds - share * busy.seconds)
    if joules < _LEAST_W * share * busy.seconds:
        raise EdgeqError(
            f"The meter shows no more at work ({busy.watts:.3g} W) than at rest "
            f"({rest.watts:.3g} W): nothing is left for the inferences.",
            hint="let the machine come to rest first, and measure longer: --seconds 10",
        )
    return Metered(joules / calls * 1e6, busy.watts, rest.watts, share)


def check_work(busy: Window, joules: float) -> None:
    """Refuse a window at work, or what was marked in it, of which a meter shows nothing.

    At rest a meter may show 0 W, where less flows than it resolves; at work it may not.

    Args:
        busy: The window.
        joules: What the inferences in it took.

    Raises:
        EdgeqError: It shows nothing, or less than any processor computes with.
    """
    if busy.watts < _LEAST_W or joules <= 0:
        raise EdgeqError(
            f"The meter shows nothing: {busy.watts:.3g} W while inferences ran.", hint=_LOOK
        )


_LEAST_SHARE, _MOST_SHARE = 0.2, 1.1
# Microcontrollers below their threshold voltage take some 10 uW at 1 MHz; a server of eight sockets
# some kilowatts. What lies a magnitude beyond either is no measurement.
_LEAST_W = 1e-6
_MOST_W = 1e5
_LOOK = "look at what it shows by itself: its wiring, its shunt, its driver"
