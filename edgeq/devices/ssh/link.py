"""An SSH connection that stands: programs on the far side, and tunnels to hosts behind it."""

from __future__ import annotations

import threading
import time
from typing import Any, Protocol

from edgeq.devices.remote.link import KILLED, LinkLost, NoMoreSessions, complaint, silence
from edgeq.devices.ssh import hostkeys
from edgeq.devices.ssh.config import HostSettings
from edgeq.errors import EdgeqError
from edgeq.support.text import visible_line

CONNECT_TIMEOUT_S = 5.0
# A server that has closed its direction may not know that ours is dead too. Its device gives up
# after SILENCE_S; whoever sees the error should find it clean not much later.
_GRACE_S = 2.0


class Closable(Protocol):
    """What a connection goes through, and ends with it."""

    def close(self) -> None:
        """End it."""
        ...


Hops = list[Closable]


def where(settings: HostSettings) -> str:
    """A host, for messages."""
    return f"ssh://{settings.user}@{settings.host}:{settings.port}"


def close(transport: Any, hops: Hops) -> None:
    """End a connection, then what it goes through."""
    transport.close()
    for hop in reversed(hops):
        hop.close()


class SshProcess:
    """A program on the far side of an SSH connection."""

    def __init__(self, channel: Any, link: SshLink) -> None:
        channel.settimeout(1.0)
        self._channel = channel
        self._link = link
        self._stderr = b""

    def write(self, data: bytes) -> None:
        """Put bytes on its stdin; a device that takes only a trickle of them has stalled."""
        end = time.monotonic() + self._link.silence_s
        while data:
            try:
                data = data[self._channel.send(data) :]
            except TimeoutError:
                pass
            except (OSError, EOFError) as error:
                raise self._link.lost(str(error)) from None
            if data and time.monotonic() > end:
                raise LinkLost(self._link.name, "the device takes no data")

    def read(self) -> bytes:
        """Some bytes of its stdout; b"" at the end of the stream."""
        data: bytes | None = None
        silent_s = 0  # counted, not taken from a clock: see SILENCE_S
        while data is None:
            try:
                data = self._channel.recv(1 << 16)
            except TimeoutError:
                silent_s += 1
                if silent_s >= self._link.silence_s:
                    raise silence(self._link.name, self._link.silence_s) from None
            except (OSError, EOFError) as error:
                raise self._link.lost(str(error)) from None
        if not data and not self._channel.get_transport().is_active():
            raise self._link.lost("closed by the other side")
        return data

    def end_input(self) -> None:
        """Close its stdin."""
        self._channel.shutdown_write()

    def errors(self) -> str:
        """The last of what it wrote on stderr."""
        while self._channel.recv_stderr_ready():
            self._stderr = (self._stderr + self._channel.recv_stderr(1 << 16))[-4000:]
        return complaint(self._stderr)

    def status(self) -> int | None:
        """Exit status; KILLED if the program was; None if the link is lost."""
        ended = self._channel.status_event.wait(1.0) and self._link.transport.is_active()
        return max(KILLED, int(self._channel.exit_status)) if ended else None

    def close(self) -> None:
        """Let go of it."""
        self._channel.close()


class SshLink:
    """An authenticated SSH connection."""

    def __init__(self, settings: HostSettings, transport: Any, hops: Hops) -> None:
        self.name = where(settings)
        self.silence_s = settings.silence_s
        key = transport.get_remote_server_key().asbytes()
        self.identity = f"{self.name} {hostkeys.fingerprint(key)}"
        self.transport = transport
        self._hops = hops
        self._aborted = threading.Event()

    def lost(self, detail: str) -> LinkLost:
        """The error that the connection is gone."""
        if not self.transport.is_active():
            self._aborted.wait(_GRACE_S)
        return LinkLost(self.name, detail or "closed")

    def start(self, command: str) -> SshProcess:
        """Start a shell command on the device."""
        import paramiko

        guard: threading.Timer | None = None
        silent = threading.Event()

        def give_up() -> None:
            silent.set()  # first: closing lets the waiting thread go on
            channel.close()

        try:
            channel = self.transport.open_session(timeout=self.silence_s)
            # paramiko waits for the answer to this without end; closing wakes it up.
            guard = threading.Timer(self.silence_s, give_up)
            guard.daemon = True
            guard.start()
            channel.exec_command(command)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if isinstance(error, paramiko.ChannelException) and self.transport.is_active():
                raise NoMoreSessions(
                    f"The server opens no further session: {visible_line(error.text)}.", self.name
                ) from None
            if silent.is_set():
                raise silence(self.name, self.silence_s) from None
            raise self.lost(visible_line(str(error))) from None
        finally:
            if guard:
                guard.cancel()
        return SshProcess(channel, self)

    def tunnel(self, settings: HostSettings) -> Any:
        """A channel from this host to the SSH port of another one.

        Raises:
            EdgeqError: This host does not reach it, or forbids forwarding.
        """
        import paramiko

        place = (settings.host, settings.port)
        try:
            return self.transport.open_channel(
                "direct-tcpip", place, ("127.0.0.1", 0), timeout=CONNECT_TIMEOUT_S
            )
        except paramiko.ChannelException as error:
            raise EdgeqError(
                f"{self.name} opens no way to {place[0]}:{place[1]}: {visible_line(error.text)}.",
                hint="does that host reach it, and does its sshd_config say AllowTcpForwarding no?",
            ) from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise EdgeqError(
                f"{self.name} cannot reach {place[0]}:{place[1]}: {visible_line(str(error))}"
            ) from None

    def abort(self) -> None:
        """Cut the connection at once, from any thread."""
        self._aborted.set()
        close(self.transport, self._hops)

    def close(self) -> None:
        """End the connection."""
        self.abort()
