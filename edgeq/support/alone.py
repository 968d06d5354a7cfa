"""Files that several commands change: read, changed and written by one at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks; there the last of two commands wins
    fcntl = None  # type: ignore[assignment]


_LOOK_S = 0.05


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other command changes a file, and keep others waiting in the block.

    The file's folder is what is locked, so that nothing is left behind.

    Args:
        path: The file; its folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # a disk without locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@contextmanager
def in_turn(path: Path, wait_s: float) -> Iterator[bool]:
    """Hold a file in the block, which no other command, and no other thread, then does.

    Args:
        path: The file; it is made, and stays.
        wait_s: How long to wait for those who hold it.

    Yields:
        Whether it is held; a disk that has no locks, or takes no file, keeps nobody waiting.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield True
        return
    try:
        yield _locked(file, time.monotonic() + wait_s)
    finally:
        os.close(file)


def _locked(file: int, until: float) -> bool:
    while fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(_LOOK_S)
        except OSError:
            break
        else:
            break
    return True
