"""What a board says on its serial port, as it comes."""

from __future__ import annotations

import codecs
import time
from collections.abc import Iterator


def monitor(port: str, *, baud: int = 115200, seconds: float | None = None) -> Iterator[str]:
    """The text that arrives on a serial port, piece by piece.

    Args:
        port: Such as "/dev/ttyACM0".
        baud: Symbols per second.
        seconds: Stop after this time; never if None.

    Raises:
        EdgeqError: The port cannot be opened, or is gone.
    """
    from edgeq.devices.serial.link import open_port, read_waiting

    # A character may come in two pieces.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    end = None if seconds is None else time.monotonic() + seconds
    with open_port(port, baud) as line:
        while end is None or time.monotonic() < end:
            if text := decoder.decode(read_waiting(line, port)):
                yield text
