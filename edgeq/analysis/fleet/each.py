"""The same on each of several devices, with what a link that breaks wants: patience."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from edgeq.analysis.fleet.results import FleetResult
from edgeq.devices.remote.link import ConnectionDropped, LinkLost
from edgeq.devices.remote.shell import abort_all
from edgeq.errors import EdgeqError, LimitError

_MOST_AT_ONCE = 64
_ATTEMPTS = 8
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0

_Found = TypeVar("_Found")
Progress = Callable[[str, str], None]


@dataclass(frozen=True)
class Outcome(Generic[_Found]):
    """What became of one device; see FleetResult."""

    name: str
    address: str
    found: _Found | None
    error: str | None
    attempts: int
    seconds: float
    missed: bool

    def result(self, **found: Any) -> FleetResult:
        """It as a result, with what was found under its name."""
        told = (self.name, self.address, None, self.error, self.attempts, self.seconds)
        return replace(FleetResult(*told, missed=self.missed), **found)


def on_each(
    members: Sequence[tuple[str, str]],
    work: Callable[[str], _Found],
    doing: str,
    progress: Progress | None,
    at_once: int = _MOST_AT_ONCE,
    *,
    turn_of: Callable[[str], str | None] = lambda _: None,
) -> list[Outcome[_Found]]:
    """Do the same on each of some (name, address), so many at the same time.

    Args:
        members: The devices.
        work: What is done on an address.
        doing: What that is called.
        progress: Is told the name of a device and its state, from several threads.
        at_once: How many are worked on at the same time.
        turn_of: By an address, what those have in common that must come one after the other; None
            of one that may be worked on at any time.
    """
    lock = threading.Lock()
    turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
    stop = threading.Event()

    def tell(name: str, state: str) -> None:
        if progress is not None:
            with lock:
                progress(name, state)

    def one(member: tuple[str, str]) -> Outcome[_Found]:
        with lock:
            common = turn_of(member[1])
            turn = nullcontext() if common is None else turns[common]
        with turn:
            return _try(*member, work, doing, tell, stop)

    with ThreadPoolExecutor(min(at_once, max(1, len(members)))) as pool:
        try:
            return list(pool.map(one, members))
        except BaseException:  # Ctrl-C: the threads wait for devices, which must not hold us up
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            abort_all()
            raise


def _try(
    name: str,
    address: str,
    work: Callable[[str], _Found],
    doing: str,
    tell: Progress,
    stop: threading.Event,
) -> Outcome[_Found]:
    begin = time.monotonic()
    pause = _FIRST_PAUSE_S
    found: _Found | None = None
    error: str | None = "it was not tried"
    missed = False
    attempt = 0
    while attempt < _ATTEMPTS and error is not None and not stop.is_set():
        attempt += 1
        tell(name, doing if attempt == 1 else f"attempt {attempt}")
        try:
            found, error = work(address), None
        except (LinkLost, ConnectionDropped) as lost:
            error = str(lost)
            # Full jitter, so that devices that failed together do not come back together.
            stop.wait(random.uniform(0, pause))  # noqa: S311
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        except EdgeqError as failure:
            error, missed = str(failure), isinstance(failure, LimitError)
            break
        except Exception as bug:  # noqa: BLE001  (the other devices' results matter more)
            error = f"{type(bug).__name__}: {bug}"
            break
    tell(name, "failed" if error else "done")
    return Outcome(name, address, found, error, attempt, time.monotonic() - begin, missed)
