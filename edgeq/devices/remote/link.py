"""What a link to a device offers: programs with three streams. Files go through `cat`."""

from __future__ import annotations

from typing import Protocol

from edgeq.errors import EdgeqError
from edgeq.support.text import visible

# A link on which nothing comes for so long is lost: a device beats every second. Both sides count
# seconds in which they ran themselves, so that a busy or suspended machine does not take its own
# pauses for the other side's.
SILENCE_S = 6
KILLED = -1  # instead of an exit status


class LinkLost(EdgeqError):
    """The connection broke, stalled, or was closed from the other side."""

    of_device = True

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(
            f"The connection was lost: {detail}.",
            where,
            "run the command again; what was pushed completely is kept on the device",
        )


class Silence(LinkLost):
    """The link is there, but nothing comes over it."""


class ConnectionDropped(EdgeqError):
    """The server closed every connection that was tried before the handshake was over."""


class OtherDevice(EdgeqError):
    """What answers has not proved to be the device that was meant."""


class NoMoreSessions(EdgeqError):
    """The link is there, but the server starts no second program over it (sshd's MaxSessions)."""


def silence(where: str, seconds: int = SILENCE_S) -> Silence:
    """That nothing came for so long."""
    return Silence(where, f"nothing came from the device for {seconds} s")


def complaint(stderr: bytes) -> str:
    """What a program on a device complained of, as a terminal may show it."""
    return visible(stderr.decode("utf-8", "replace"))


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
            LinkLost: The link is gone, or nothing came for the link's `silence_s`.
        """
        ...

    def end_input(self) -> None:
        """Close its stdin; what it writes can still be read."""
        ...

    def errors(self) -> str:
        """The last of what it wrote on stderr."""
        ...

    def status(self) -> int | None:
        """Exit status once stdout has ended; KILLED if there is none; None if the link is lost."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Link(Protocol):
    """A connection to one device.

    Attributes:
        name: For messages.
        identity: Tells the device from any other that may be reached under the same name.
        silence_s: Seconds without a word after which either side takes the link for lost.
    """

    name: str
    identity: str
    silence_s: int

    def start(self, command: str) -> Process:
        """Start a shell command on the device.

        Raises:
            NoMoreSessions: One program runs there already, and that is all that may.
            LinkLost: The link is gone.
        """
        ...

    def abort(self) -> None:
        """Cut the connection at once, from any thread; whoever waits on it gets LinkLost."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...
