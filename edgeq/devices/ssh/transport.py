"""One SSH connection: TCP, jump hosts, host key, authentication, programs and files."""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeq.devices.remote.link import KILLED, ConnectionDropped, LinkLost, complaint, silence
from edgeq.devices.ssh import hostkeys
from edgeq.devices.ssh.auth import authenticate
from edgeq.devices.ssh.config import HostSettings, settings_for
from edgeq.errors import EdgeqError

CONNECT_TIMEOUT_S = 5.0
_ATTEMPTS = 3
_BUDGET_S = 8.0
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 4.0
_UNSENT_BYTES = 1 << 17
# A server that has closed its direction may not know that ours is dead too. Its device gives up
# after SILENCE_S; whoever sees the error should find it clean not much later.
_GRACE_S = 2.0

_LOG = "edgeq.ssh"
logging.getLogger(_LOG).addHandler(logging.NullHandler())

WEAK = {
    "ciphers": ["3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc", "blowfish-cbc"],
    "macs": ["hmac-md5", "hmac-md5-96", "hmac-sha1", "hmac-sha1-96"],
    "kex": [
        "diffie-hellman-group1-sha1",
        "diffie-hellman-group14-sha1",
        "diffie-hellman-group-exchange-sha1",
    ],
    "keys": ["ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "ssh-dss", "ssh-dss-cert-v01@openssh.com"],
    "pubkeys": ["ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "ssh-dss"],
}


@dataclass(frozen=True)
class Patience:
    """How long to try.

    Attributes:
        attempts: Connections to try when the server drops them before it has said who it is
            (sshd's MaxStartups) or resets them.
        budget_s: Time for all of it, handshake and login included.
    """

    attempts: int
    budget_s: float


def usual_patience(settings: HostSettings) -> Patience:
    """What ConnectTimeout allows, or edgeq's own measure."""
    return Patience(_ATTEMPTS, settings.connect_timeout_s or _BUDGET_S)


class Dropped(Exception):
    """The server closed the connection before the handshake was over; worth another attempt."""


def connect(
    settings: HostSettings, patience: Patience | None = None, via: SshLink | None = None
) -> SshLink:
    """A connection that is authenticated and whose host key is known.

    Args:
        settings: The host.
        patience: How long to try; None for the usual.
        via: A host to hop over, connected already.

    Raises:
        HostKeyError: The host's key is unknown, changed or revoked.
        EdgeqError: The host cannot be reached, refuses, or lets nobody in.
    """
    patience = patience or usual_patience(settings)
    made = _with_retries(lambda left: _connect_once(settings, via, left), settings, patience)
    return SshLink(settings, *made)


def shown_key(settings: HostSettings) -> Any:
    """The key that a host shows, without trusting it and without logging in."""
    transport, hops = _with_retries(
        lambda left: _handshake(settings, None, left), settings, usual_patience(settings)
    )
    key = transport.get_remote_server_key()
    _close(transport, hops)
    return key


def _with_retries(
    attempt: Callable[[float], Any], settings: HostSettings, patience: Patience
) -> Any:
    end = time.monotonic() + patience.budget_s
    pause = _FIRST_PAUSE_S
    for number in range(1, patience.attempts + 1):
        try:
            return attempt(max(0.5, end - time.monotonic()))
        except Dropped as error:
            # Full jitter: forty hosts that were dropped together must not come back together.
            wait = random.uniform(0, pause)  # noqa: S311
            if number == patience.attempts or time.monotonic() + wait > end:
                raise ConnectionDropped(
                    f"The connection was closed during the handshake: {error}.",
                    _where(settings),
                    "is this an SSH port? sshd also drops connections beyond its MaxStartups",
                ) from None
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
    raise AssertionError("unreachable")


def _where(settings: HostSettings) -> str:
    return f"ssh://{settings.user}@{settings.host}:{settings.port}"


def _close(transport: Any, hops: list[SshLink]) -> None:
    transport.close()
    for hop in reversed(hops):
        hop.close()


def _connect_once(
    settings: HostSettings, via: SshLink | None, within_s: float
) -> tuple[Any, list[SshLink]]:
    import paramiko

    transport, hops = _handshake(settings, via, within_s)
    try:
        known = hostkeys.read_known_keys(settings)
        hostkeys.check(settings, transport.get_remote_server_key(), known)
        authenticate(transport, settings)
    except (paramiko.SSHException, EOFError) as error:
        _close(transport, hops)
        raise Dropped(str(error)) from None
    except BaseException:
        _close(transport, hops)
        raise
    return transport, hops


def _handshake(
    settings: HostSettings, via: SshLink | None, within_s: float
) -> tuple[Any, list[SshLink]]:
    """A transport whose server has proved to own its key; nothing is trusted yet."""
    import paramiko

    end = time.monotonic() + within_s
    hops: list[SshLink] = []
    try:
        channel = _open_socket(settings, hops, via, within_s)
    except BaseException:
        for hop in hops:
            hop.close()
        raise
    transport = paramiko.Transport(channel, disabled_algorithms=WEAK)
    transport.set_log_channel(_LOG)  # its tracebacks of lost connections are no news to the user
    transport.banner_timeout = transport.auth_timeout = within_s
    options = transport.get_security_options()
    known = hostkeys.read_known_keys(settings)
    options.key_types = hostkeys.wanted_algorithms(known, options.key_types)
    # Hardware does these; paramiko would start with a cipher that it runs slowly.
    fast = [name for name in options.ciphers if "gcm" in name]
    options.ciphers = fast + [name for name in options.ciphers if name not in fast]
    try:
        transport.start_client(timeout=max(0.5, end - time.monotonic()))
        transport.get_remote_server_key()  # there is none if the time was over
    except (paramiko.SSHException, EOFError, OSError) as error:
        _close(transport, hops)
        text = str(error)
        if "Incompatible" in text or "no acceptable" in text:
            raise EdgeqError(
                f"The host offers only weak or unknown algorithms: {text}", _where(settings),
                "update its SSH server",
            ) from None  # fmt: skip
        if isinstance(channel, socket.socket) and time.monotonic() >= end - 0.2:
            raise EdgeqError(
                "The host accepts the connection but does not answer.",
                _where(settings), "is this an SSH port?",
            ) from None  # fmt: skip
        raise Dropped(text or type(error).__name__) from None
    return transport, hops


def _open_socket(
    settings: HostSettings, hops: list[SshLink], via: SshLink | None, within_s: float
) -> Any:
    if via is not None:
        return via.tunnel(settings)
    if settings.proxy_jump:
        # Every host on the way is a full connection of its own: its key must be known too.
        for destination in settings.proxy_jump:
            jump = settings_for(destination, settings.config)
            hops.append(connect(jump, via=hops[-1] if hops else None))
        return hops[-1].tunnel(settings)
    if settings.proxy_command:
        import paramiko

        return paramiko.ProxyCommand(settings.proxy_command)
    return _dial(settings, within_s)


def _dial(settings: HostSettings, within_s: float) -> socket.socket:
    """A TCP connection that notices a dead peer, and sends small messages at once."""
    timeout = min(settings.connect_timeout_s or CONNECT_TIMEOUT_S, within_s)
    try:
        made = socket.create_connection((settings.host, settings.port), timeout)
    except ConnectionResetError as error:
        raise Dropped(str(error)) from None
    except socket.gaierror as error:
        raise EdgeqError(
            f"'{settings.host}' is not a known host: {error.strerror}.", _where(settings)
        ) from None
    except ConnectionRefusedError:
        raise EdgeqError(
            f"Nothing listens on port {settings.port} of {settings.host}: connection refused.",
            _where(settings), "is sshd running there, and on this port? (Termux uses 8022)",
        ) from None  # fmt: skip
    except OSError as error:
        raise EdgeqError(
            f"{settings.host} cannot be reached: {error.strerror or error}.", _where(settings),
            "is it switched on and in this network?",
        ) from None  # fmt: skip
    made.settimeout(None)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_USER_TIMEOUT", settings.silence_s * 1000),
        ("TCP_KEEPIDLE", 2),
        ("TCP_KEEPINTVL", 1),
        ("TCP_KEEPCNT", max(1, settings.silence_s - 2)),
        # A beat must not wait behind megabytes of a push that the kernel has already taken.
        ("TCP_NOTSENT_LOWAT", _UNSENT_BYTES),
    ):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


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

    def __init__(self, settings: HostSettings, transport: Any, hops: list[SshLink]) -> None:
        self.name = _where(settings)
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

        try:
            channel = self.transport.open_session(timeout=self.silence_s)
            channel.exec_command(command)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self.lost(str(error)) from None
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
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise EdgeqError(f"{self.name} cannot reach {place[0]}:{place[1]}: {error}") from None

    def abort(self) -> None:
        """Cut the connection at once, from any thread."""
        self._aborted.set()
        _close(self.transport, self._hops)

    def close(self) -> None:
        """End the connection."""
        self.abort()
