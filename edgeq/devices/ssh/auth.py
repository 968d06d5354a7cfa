"""Logging in: agent, key files, then a password from the environment or the prompt."""

from __future__ import annotations

import base64
import contextlib
import getpass
import io
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edgeq.devices.ssh.config import HostSettings
from edgeq.errors import EdgeqError
from edgeq.support.text import visible_line

PASSWORD_VARIABLE = "EDGEQ_SSH_PASSWORD"  # noqa: S105  (the name of the variable)
PASSPHRASE_VARIABLE = "EDGEQ_SSH_PASSPHRASE"  # noqa: S105
SECRETS = (PASSWORD_VARIABLE, PASSPHRASE_VARIABLE)
_AGENT_S = 10.0


def authenticate(transport: Any, settings: HostSettings) -> None:
    """Log in over a transport whose host key has been checked.

    Raises:
        EdgeqError: No key and no password was accepted; what was tried is listed.
    """
    import paramiko

    # As OpenSSH begins: there are boards that let everybody in.
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        if not transport.auth_none(settings.user):
            return
    tried: list[str] = []
    for label, key in _keys(settings, tried):
        try:
            # A server may ask for a second factor after the key.
            more = transport.auth_publickey(settings.user, key)
            if not more:
                return
            tried.append(f"{label} (taken; the server wants {visible_line(' or '.join(more))} too)")
            break
        except paramiko.BadAuthenticationType as error:
            allowed = visible_line(", ".join(error.allowed_types))
            tried.append(f"{label} (the server takes {allowed} only)")
            break
        except paramiko.AuthenticationException:
            tried.append(label)
        except (paramiko.SSHException, EOFError, OSError) as error:
            tried.append(f"{label} ({visible_line(str(error))})")
            if not transport.is_active():
                break
        if transport.is_authenticated():
            return
    if transport.is_active() and _password_login(transport, settings, tried):
        return
    raise EdgeqError(
        f"{settings.user} was not let in; tried: {', '.join(tried) or 'nothing: no key found'}.",
        f"ssh://{settings.user}@{settings.host}:{settings.port}",
        f"ssh-copy-id, an IdentityFile in ~/.ssh/config, or {PASSWORD_VARIABLE} in the environment",
    )


def _keys(settings: HostSettings, tried: list[str]) -> Iterator[tuple[str, Any]]:
    import paramiko

    if settings.agent is not None:
        try:
            offered = _agent_keys(settings.agent)
        except (paramiko.SSHException, OSError) as error:
            tried.append(f"agent ({error})")
            offered = ()
        wanted = _public_blobs(settings.identity_files) if settings.identities_only else None
        for key in offered:
            if wanted is None or key.asbytes() in wanted:
                yield f"agent key {key.get_name()}", key
    for path in settings.identity_files:
        if path.is_file():
            key = _read_key(path, tried)
            if key is not None:
                yield str(path), key


def _agent_keys(place: Path) -> tuple[Any, ...]:
    """The keys of the agent behind a socket; on Windows, of Pageant or OpenSSH's own."""
    import paramiko

    if sys.platform == "win32":
        return tuple(paramiko.Agent().get_keys())
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_AGENT_S)
    connection.connect(str(place))
    agent = paramiko.agent.AgentSSH()
    agent._connect(connection)  # paramiko.Agent knows one place only, the environment's
    connection.settimeout(None)  # the user may be asked to confirm each signature
    return tuple(agent.get_keys())


def _public_blobs(paths: tuple[Path, ...]) -> set[bytes]:
    """Public halves of keys: of the file beside each, else of the file itself."""
    found = (
        _public_line(path.with_name(path.name + ".pub")) or _public_line(path) or _half_of(path)
        for path in paths
    )
    return {blob for blob in found if blob}


def _public_line(path: Path) -> bytes:
    """The key in a file of OpenSSH's one-line form; empty where there is none."""
    try:
        kind, text = path.read_text(errors="replace").split()[:2]
        blob = base64.b64decode(text, validate=True)
    except (OSError, ValueError):
        return b""
    place = 0
    while place < len(blob):  # a name and numbers, each behind its length
        place += 4 + int.from_bytes(blob[place : place + 4], "big")
    return blob if blob[4 : 4 + len(kind)] == kind.encode() and place == len(blob) else b""


def _half_of(path: Path) -> bytes:
    """What a private key says of its public half; empty where only its passphrase could tell."""
    import paramiko

    try:
        content = path.read_bytes()
        if b"BEGIN OPENSSH PRIVATE KEY" not in content:
            return bytes(_load(path, None).asbytes())
        # Source: OpenSSH's PROTOCOL.key: cipher, kdf, its options, a count, the public key.
        body = base64.b64decode(b"".join(content.split(b"-----")[2].split()))
        place = len(b"openssh-key-v1\0")
        for _ in range(3):
            place += 4 + int.from_bytes(body[place : place + 4], "big")
        size = int.from_bytes(body[place + 4 : place + 8], "big")
        return body[place + 8 : place + 8 + size]
    except (paramiko.SSHException, OSError, ValueError, IndexError):
        return b""


def _read_key(path: Path, tried: list[str]) -> Any:
    """The private key in a file; None, with the reason in `tried`, if it cannot be used."""
    import paramiko

    try:
        return _load(path, None)
    except paramiko.PasswordRequiredException:
        passphrase = _secret(PASSPHRASE_VARIABLE, f"Passphrase of {path}: ")
        if passphrase is None:
            tried.append(f"{path} (needs its passphrase: prompt or {PASSPHRASE_VARIABLE})")
            return None
    except (paramiko.SSHException, ValueError, OSError) as error:
        tried.append(f"{path} ({error})")
        return None
    try:
        return _load(path, passphrase)
    except (paramiko.SSHException, ValueError):
        tried.append(f"{path} (wrong passphrase)")
        return None


def _load(path: Path, passphrase: str | None) -> Any:
    import paramiko

    secret = None if passphrase is None else passphrase.encode()
    certificate = path.with_name(path.name + "-cert.pub")
    try:
        key = _of_openssl(path, secret) or paramiko.PKey.from_path(path, secret)
    except TypeError as error:  # how cryptography says that a passphrase is missing
        raise paramiko.PasswordRequiredException(str(error)) from None
    except paramiko.PasswordRequiredException:
        raise
    except (paramiko.SSHException, ValueError):
        # As OpenSSH does, the plain key is tried where the certificate beside it is damaged.
        if not certificate.is_file():
            raise
        return _plain(path, passphrase)
    if certificate.is_file() and not key.public_blob:
        key.load_certificate(str(certificate))
    return key


def _of_openssl(path: Path, secret: bytes | None) -> Any:
    """The key in a file of PKCS #8's form, which OpenSSH reads and paramiko does not; or None.

    Raises:
        TypeError: It needs a passphrase.
        ValueError: It is damaged, or the passphrase is wrong.
    """
    from cryptography.hazmat.primitives import serialization as form

    data = path.read_bytes()
    if not re.match(rb"\s*-----BEGIN (ENCRYPTED )?PRIVATE KEY-----", data):
        return None
    key = form.load_pem_private_key(data, secret)
    text = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    return _first_kind(lambda kind: kind.from_private_key(io.StringIO(text.decode())))


def _plain(path: Path, passphrase: str | None) -> Any:
    """The private key in a file, whatever lies beside it."""
    return _first_kind(lambda kind: kind.from_private_key_file(str(path), passphrase))


def _first_kind(read: Callable[[Any], Any]) -> Any:
    """What the first kind of key reads that can."""
    import paramiko

    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with contextlib.suppress(paramiko.SSHException, ValueError):
            return read(kind)
    raise paramiko.SSHException("not a key of a kind that is known here")


def _password_login(transport: Any, settings: HostSettings, tried: list[str]) -> bool:
    import paramiko

    password = _secret(PASSWORD_VARIABLE, f"Password of {settings.user}@{settings.host}: ")
    if password is None:
        return False
    try:
        transport.auth_password(settings.user, password)  # falls back to keyboard-interactive
    except paramiko.BadAuthenticationType:
        tried.append("password (the server takes none)")
    except paramiko.SSHException:
        tried.append("password")
    return bool(transport.is_authenticated())


def _secret(variable: str, prompt: str) -> str | None:
    """A secret from the environment or, on a terminal, from the user; never from argv."""
    if variable in os.environ:
        return os.environ[variable]
    if sys.stdin.isatty() and sys.stderr.isatty():
        return getpass.getpass(prompt)
    return None
