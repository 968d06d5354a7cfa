"""Lines on their way from the thread that listens to whoever waits for them."""

from __future__ import annotations

import threading
import time
from collections import deque

from edgeq.errors import EdgeqError

_MOST_BYTES = 64 << 20


class Mailbox:
    """Lines in the order in which they came, and why no more will come.

    So many bytes may wait at most: whoever puts more waits too, and with it the device.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._reason: EdgeqError | None = None
        self._closed = False

    def put(self, line: bytes) -> None:
        """Add a line, as soon as there is room."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes <= _MOST_BYTES or self._closed)
            self._lines.append(line)
            self._bytes += len(line) + 1
            self._changed.notify_all()

    def end(self, reason: EdgeqError) -> None:
        """No more lines will come."""
        with self._changed:
            self._reason = self._reason or reason
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody wants them any more."""
        with self._changed:
            self._closed = True
            self._lines.clear()
            self._bytes = 0
            self._changed.notify_all()

    def get(self, until: float) -> str | None:
        """The next line; None if there is none before `time.monotonic()` is `until`.

        Raises:
            EdgeqError: The reason why no more lines will come.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._lines or self._reason, max(0.0, until - time.monotonic())
            )
            if self._lines:
                line = self._lines.popleft()
                self._bytes -= len(line) + 1
                self._changed.notify_all()
                return line.decode("utf-8", "replace").rstrip("\r")
            if self._reason:
                raise self._reason
            return None

    def reason(self, within_s: float) -> EdgeqError | None:
        """Why no more lines will come, if that is known before long; the lines are thrown away."""
        with self._changed:
            self._changed.wait_for(lambda: self._reason is not None, within_s)
            return self._reason
