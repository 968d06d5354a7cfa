"""What several test modules share."""

import os
import signal
from contextlib import contextmanager

import pytest


@contextmanager
def unwatched():
    """Signals of this process that a test takes itself: edgeq's watcher would end it for them."""
    before = signal.set_wakeup_fd(-1)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before, warn_on_full_buffer=False)


def need(condition: object, what: str) -> None:
    """Skip the test when something is missing; fail instead where EDGEQ_NO_SKIP=1 (CI)."""
    if condition:
        return
    if os.environ.get("EDGEQ_NO_SKIP") == "1":
        pytest.fail(f"needs {what}")
    pytest.skip(f"needs {what}")
