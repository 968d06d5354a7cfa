"""How an SSH connection is made: TCP or a proxy, jump hosts, host key, authentication."""

from __future__ import annotations

import logging
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeq.devices.remote.link import ConnectionDropped
from edgeq.devices.ssh import hostkeys
from edgeq.devices.ssh.auth import authenticate
from edgeq.devices.ssh.config import HostSettings, settings_for
from edgeq.devices.ssh.link import CONNECT_TIMEOUT_S, Hops, SshLink, close, where
from edgeq.devices.ssh.proxy import ProxyProcess
from edgeq.errors import EdgeqError
from edgeq.support.text import visible_line

_ATTEMPTS = 3
_BUDGET_S = 8.0
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 4.0
_UNSENT_BYTES = 1 << 17
_MOST_PROBES = 127  # of a silent peer: the most that Linux takes
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


@dataclass(frozen=True)
class _Way:
    """How a host is reached.

    Attributes:
        settings: The host.
        via: The host to hop over, connected already; None to dial, or as its settings say.
        behind: The hosts that will be reached over this one, the last one first.
    """

    settings: HostSettings
    via: SshLink | None = None
    behind: tuple[HostSettings, ...] = ()


def connect(settings: HostSettings, patience: Patience | None = None) -> SshLink:
    """A connection that is authenticated and whose host key is known.

    Args:
        settings: The host.
        patience: How long to try; None for the usual.

    Raises:
        HostKeyError: The host's key is unknown, changed or revoked.
        EdgeqError: The host cannot be reached, refuses, or lets nobody in.
    """
    return _connect(_Way(settings), patience)


def _connect(way: _Way, patience: Patience | None = None) -> SshLink:
    patience = patience or usual_patience(way.settings)
    made = _with_retries(lambda left: _connect_once(way, left), way.settings, patience)
    return SshLink(way.settings, *made)


def shown_key(settings: HostSettings) -> Any:
    """The key that a host shows, without trusting it and without logging in."""
    transport, hops = _with_retries(
        lambda left: _handshake(_Way(settings), left), settings, usual_patience(settings)
    )
    key = transport.get_remote_server_key()
    close(transport, hops)
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
                    where(settings),
                    "is this an SSH port? sshd also drops connections beyond its MaxStartups",
                ) from None
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
    raise AssertionError("unreachable")


def _connect_once(way: _Way, within_s: float) -> tuple[Any, Hops]:
    import paramiko

    settings = way.settings
    transport, hops = _handshake(way, within_s)
    try:
        known = hostkeys.read_known_keys(settings)
        hostkeys.check(settings, transport.get_remote_server_key(), known)
        authenticate(transport, settings)
    except (paramiko.SSHException, EOFError) as error:
        close(transport, hops)
        raise Dropped(visible_line(str(error))) from None
    except BaseException:
        close(transport, hops)
        raise
    return transport, hops


def _handshake(way: _Way, within_s: float) -> tuple[Any, Hops]:
    """A transport whose server has proved to own its key; nothing is trusted yet."""
    import paramiko

    end = time.monotonic() + within_s
    hops: Hops = []
    try:
        channel = _open_socket(way, hops, within_s)
    except BaseException:
        for hop in reversed(hops):
            hop.close()
        raise
    transport = _transport(channel)
    transport.set_log_channel(_LOG)  # its tracebacks of lost connections are no news to the user
    transport.banner_timeout = transport.auth_timeout = within_s
    options = transport.get_security_options()
    known = hostkeys.read_known_keys(way.settings)
    options.key_types = hostkeys.wanted_algorithms(known, options.key_types)
    # Hardware does these; paramiko would start with a cipher that it runs slowly.
    fast = [name for name in options.ciphers if "gcm" in name]
    options.ciphers = fast + [name for name in options.ciphers if name not in fast]
    try:
        transport.start_client(timeout=max(0.5, end - time.monotonic()))
        transport.get_remote_server_key()  # there is none if the time was over
    except (paramiko.SSHException, EOFError, OSError) as error:
        failure = next((hop.failure() for hop in hops if isinstance(hop, ProxyProcess)), None)
        close(transport, hops)
        late = isinstance(channel, socket.socket) and time.monotonic() >= end - 0.2
        raise failure or _no_handshake(error, way.settings, options, late=late) from None
    return transport, hops


def _transport(channel: Any) -> Any:
    """A transport without the weak algorithms, and with RFC 8731's name of one that paramiko has.

    Servers that offer curve25519-sha256 under that name alone would be refused otherwise.
    """
    import paramiko

    transport = paramiko.Transport(channel, disabled_algorithms=WEAK)
    known = transport._kex_info
    if (older := "curve25519-sha256@libssh.org") in known:
        transport._kex_info = {**known, "curve25519-sha256": known[older]}
        transport._preferred_kex = ("curve25519-sha256", *transport._preferred_kex)
    return transport


# What paramiko's message of servers without a common algorithm holds: what sshd_config calls such
# algorithms, and where a transport has its own.
_KINDS = {
    "kex": ("KexAlgorithms", "kex"),
    "ciphers": ("Ciphers", "ciphers"),
    "macs": ("MACs", "digests"),
}


def _no_handshake(
    error: Exception, settings: HostSettings, options: Any, *, late: bool
) -> Exception:
    """Why the two sides did not come to terms."""
    text = visible_line(str(error))
    if "Incompatible" in text or "no acceptable" in text:
        called, name = next((_KINDS[kind] for kind in _KINDS if kind in text), ("", ""))
        ours = ", ".join(getattr(options, name)) if name else ""
        return EdgeqError(
            "The host offers no algorithm that edgeq takes: weak ones are off, and its SSH library "
            f"lacks some, such as chacha20-poly1305 ({text}).",
            where(settings),
            f"let its SSH server offer one of these {called}: {ours}"
            if ours
            else "update its SSH server",
        )
    if late:
        return EdgeqError(
            "The host accepts the connection but does not answer.",
            where(settings), "is this an SSH port?",
        )  # fmt: skip
    return Dropped(text or type(error).__name__)


def _open_socket(way: _Way, hops: Hops, within_s: float) -> Any:
    """What leads to the host; whatever has to be closed with it is added to `hops`."""
    settings = way.settings
    if way.via is not None:
        return way.via.tunnel(settings)
    if settings.proxy_jump:
        # Every host on the way is a full connection of its own: its key must be known too.
        behind = (*way.behind, settings)
        link: SshLink | None = None
        for destination in settings.proxy_jump:
            jump = settings_for(destination, settings.config)
            if link is None:
                _check_loop(jump, behind)
            link = _connect(_Way(jump, link, behind))
            hops.append(link)
        assert link is not None
        return link.tunnel(settings)
    if settings.proxy_command:
        process = ProxyProcess(settings.proxy_command, where(settings))
        hops.append(process)
        return process.socket
    return _dial(settings, within_s)


def _check_loop(jump: HostSettings, behind: tuple[HostSettings, ...]) -> None:
    """Refuse to reach a host over itself.

    Raises:
        EdgeqError: The host to hop over is reached over this way itself.
    """
    # By the names in the configuration: 127.0.0.1 on the far side is another host than here.
    if any(
        (jump.alias, jump.user, jump.port) == (each.alias, each.user, each.port) for each in behind
    ):
        way = " over ".join(each.alias for each in (*behind, jump))
        raise EdgeqError(
            f"jump host loop: {way}.", where(jump),
            f"in ~/.ssh/config, before the line with ProxyJump: Host {jump.alias}, ProxyJump none",
        )  # fmt: skip


def _dial(settings: HostSettings, within_s: float) -> socket.socket:
    """A TCP connection that notices a dead peer, and sends small messages at once."""
    timeout = min(settings.connect_timeout_s or CONNECT_TIMEOUT_S, within_s)
    try:
        made = socket.create_connection((settings.host, settings.port), timeout)
    except ConnectionResetError as error:
        raise Dropped(str(error)) from None
    except socket.gaierror as error:
        raise EdgeqError(
            f"'{settings.host}' is not a known host: {error.strerror}.", where(settings)
        ) from None
    except ValueError:  # what cannot be asked a name server, such as a..b
        name = visible_line(settings.host)[:100]
        raise EdgeqError(f"'{name}' cannot be the name of a host.", where(settings)) from None
    except ConnectionRefusedError:
        raise EdgeqError(
            f"Nothing listens on port {settings.port} of {settings.host}: connection refused.",
            where(settings), "is sshd running there, and on this port? (Termux uses 8022)",
        ) from None  # fmt: skip
    except OSError as error:
        raise EdgeqError(
            f"{settings.host} cannot be reached: {error.strerror or error}.", where(settings),
            "is it switched on and in this network?",
        ) from None  # fmt: skip
    made.settimeout(None)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    pause_s = max(1, -(-settings.silence_s // _MOST_PROBES))
    for name, value in (
        ("TCP_USER_TIMEOUT", settings.silence_s * 1000),
        ("TCP_KEEPIDLE", 2),
        ("TCP_KEEPINTVL", pause_s),
        ("TCP_KEEPCNT", max(1, (settings.silence_s - 2) // pause_s)),
        # A beat must not wait behind megabytes of a push that the kernel has already taken.
        ("TCP_NOTSENT_LOWAT", _UNSENT_BYTES),
    ):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
