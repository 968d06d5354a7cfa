"""How much memory a piece of work takes."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any


def resident_mb() -> float:
    """Memory of this process that is in use now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def peak_mb(work: Callable[[], Any]) -> float:
    """How many MB more than before are in use at most while `work` runs."""
    before = highest = resident_mb()
    done = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.002):
            highest = max(highest, resident_mb())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        work()
    finally:
        done.set()
        thread.join()
    return highest - before
