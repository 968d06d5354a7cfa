"""What a link to a device offers: programs with three streams. Files go through `cat`."""

from __future__ import annotations

from typing import Protocol

from edgeq.errors import EdgeqError

# A device beats every second; the agent for its part leaves after 4 s without a word from here.
SILENCE_S = 5.0


class LinkLost(EdgeqError):
    """The connection broke, stalled, or was closed from the other side."""

    def __init__(self, where: str, detail: str, note: str = "") -> None:
        super().__init__(
            f"The connection was lost: {detail}{note}.",
            where,
            "run the command again; what was pushed completely is kept on the device",
        )
        self.detail = detail


class ConnectionDropped(EdgeqError):
    """The server closed every connection that was tried before the handshake was over."""


def silence(where: str) -> LinkLost:
    """The link is there, but nothing comes over it."""
    return LinkLost(where, f"nothing came from the device for {SILENCE_S:.0f} s")


class Process(Protocol):
    """A program on the device."""

    def write(self, data: bytes) -> None:
        """Put bytes on its stdin.

        Raises:
            LinkLost: The link or the program is gone.
        """
        ...

    def read(self) -> bytes:
        """Some bytes of its stdout, as soon as there are any; b"" at the end of the stream.

        Raises:
            LinkLost: The link is gone, or nothing came for SILENCE_S.
        """
        ...

    def end_input(self) -> None:
        """Close its stdin; what it writes can still be read."""
        ...

    def errors(self) -> str:
        """The last of what it wrote on stderr."""
        ...

    def status(self) -> int | None:
        """Exit status once stdout has ended; None if there is none (killed, link lost)."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Link(Protocol):
    """A connection to one device."""

    name: str

    def start(self, command: str) -> Process:
        """Start a shell command on the device."""
        ...

    def abort(self) -> None:
        """Cut the connection at once, from any thread; whoever waits on it gets LinkLost."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...
