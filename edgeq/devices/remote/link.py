"""What a link to a device offers: programs with three streams, and files put in place."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from edgeq.errors import EdgeqError

# A device beats every second; the agent for its part leaves after 4 s without a word from here.
SILENCE_S = 5.0


class LinkLost(EdgeqError):
    """The connection broke, stalled, or was closed from the other side."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(
            f"The connection was lost: {detail}.",
            where,
            "run the command again; what was pushed completely is kept on the device",
        )


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

    def size(self, remote: str) -> int | None:
        """Size of a file on the device in bytes; None if it does not exist."""
        ...

    def append(self, source: BinaryIO, remote: str, offset: int) -> None:
        """Write what is left of `source` to a file on the device, from `offset` on.

        Raises:
            FileNotFoundError: The file, or the folder, is not there any more.
            EdgeqError: The device has no space, or the folder cannot be written to.
            LinkLost: The link is gone.
        """
        ...

    def abort(self) -> None:
        """Cut the connection at once, from any thread; whoever waits on it gets LinkLost."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...
