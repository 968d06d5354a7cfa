"""What libraries print and warn of, kept away from the terminal, in any number of threads."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_before: dict[int, int] = {}  # what a descriptor was, by its number, where it is redirected
_sinks: dict[int, list[int]] = {}
_silences: list[warnings.catch_warnings[None]] = []
_silent = 0
if hasattr(os, "register_at_fork"):  # a child has no thread that would release it
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )


@contextmanager
def redirected(descriptor: int, sink: int) -> Iterator[None]:
    """What anything prints on a file descriptor goes to another one while the block runs.

    A descriptor is the process's: of blocks that overlap in several threads, the latest one takes
    what comes, and the last one that ends puts back what was there before the first.

    Args:
        descriptor: 1 or 2.
        sink: Of an open file, which no other block has.
    """
    with _LOCK:
        sinks = _sinks.setdefault(descriptor, [])
        if not sinks:
            _before[descriptor] = os.dup(descriptor)
        sinks.append(sink)
        os.dup2(sink, descriptor)
    try:
        yield
    finally:
        with _LOCK:
            sinks.remove(sink)
            os.dup2(sinks[-1] if sinks else _before[descriptor], descriptor)
            if not sinks:
                os.close(_before.pop(descriptor))


@contextmanager
def without_warnings() -> Iterator[None]:
    """No warning is shown while the block runs, nor one that is left off for good behind it.

    The filters are the process's, too: the first block sets them, the last one puts them back.
    """
    global _silent  # noqa: PLW0603
    with _LOCK:
        if not _silent:
            _silences.append(warnings.catch_warnings())
            _silences[0].__enter__()
            warnings.simplefilter("ignore")
        _silent += 1
    try:
        yield
    finally:
        with _LOCK:
            _silent -= 1
            if not _silent:
                _silences.pop().__exit__(None, None, None)
