"""Host keys: an unknown or changed one is refused, always; `edgeq devices trust` enrols one.

There is no option, variable or setting that accepts an unknown key: `StrictHostKeyChecking no`
in ~/.ssh/config is ignored on purpose.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq.devices.remote.link import OtherDevice
from edgeq.devices.ssh.config import HostSettings
from edgeq.devices.ssh.patterns import matches
from edgeq.support.alone import alone
from edgeq.support.folders import config_folder
from edgeq.support.output import write_whole
from edgeq.support.text import lines_of


class HostKeyError(OtherDevice):
    """The host showed a key that nobody here has vouched for.

    Attributes:
        fingerprint: `SHA256:...` of the key shown, as `ssh-keygen -l` prints it.
    """

    def __init__(self, what: str, where: str, hint: str, fingerprint: str) -> None:
        super().__init__(what, where, hint)
        self.fingerprint = fingerprint


@dataclass(frozen=True)
class KnownKey:
    """One line of a known_hosts file.

    Attributes:
        names: What it is about, as it stands there.
        kind: The key's type.
        blob: The key.
        revoked: Whether it is never to be taken.
        path: The file.
        portless: Whether it is filed under the host without its port: the host may have that key,
            and another one is no change.
    """

    names: tuple[str, ...]
    kind: str
    blob: bytes
    revoked: bool
    path: Path
    portless: bool = False

    def covers(self, name: str) -> bool:
        """Whether the line is about a host called `name` (hashed names and patterns included)."""
        if len(self.names) == 1 and self.names[0].startswith("|1|"):
            try:
                _, _, salt, digest = self.names[0].split("|")[:4]
                key, wanted = base64.b64decode(salt), base64.b64decode(digest)
            except ValueError:  # a damaged line vouches for nobody
                return False
            return hmac.compare_digest(hmac.new(key, name.encode(), hashlib.sha1).digest(), wanted)
        return matches(name.lower(), [each.lower() for each in self.names])


def own_known_hosts() -> Path:
    """Edgeq's own file of trusted host keys."""
    return config_folder() / "known_hosts"


def fingerprint(blob: bytes) -> str:
    """`SHA256:...`, as OpenSSH writes it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def read_known_keys(settings: HostSettings) -> list[KnownKey]:
    """Every key on file for a host, in the user's, the system's and edgeq's own files.

    As for OpenSSH, keys of the host without its port count where none is filed with it.
    """
    keys: list[KnownKey] = []
    for path in (*settings.known_hosts, own_known_hosts()):
        if not path.is_file():  # none, or /dev/null; a pipe would be waited for
            continue
        try:
            lines = lines_of(path.read_text(errors="replace"))
        except OSError:
            continue
        keys += [key for line in lines if (key := _read_line(line, path))]
    found = [key for key in keys if key.covers(settings.key_name)]
    if not settings.portless_name or any(not key.revoked for key in found):
        return found
    more = [key for key in keys if key.covers(settings.portless_name)]
    return [*found, *(replace(key, portless=True) for key in more)]


def _read_line(line: str, path: Path) -> KnownKey | None:
    words = line.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    # Keys that sign other keys are not used: certificates are not asked for.
    if len(words) < 3 or words[0].startswith("#") or marker == "@cert-authority":
        return None
    try:
        blob = base64.b64decode(words[2], validate=True)
    except ValueError:
        return None
    return KnownKey(tuple(words[0].split(",")), words[1], blob, marker == "@revoked", path)


def wanted_algorithms(known: Sequence[KnownKey], offered: Sequence[str]) -> list[str]:
    """The host key algorithms to ask for, those of known keys first, so that they can match."""
    kinds = {key.kind for key in known if not key.revoked}
    families = kinds | ({"rsa-sha2-256", "rsa-sha2-512"} if "ssh-rsa" in kinds else set())
    return sorted(offered, key=lambda name: name not in families)


def check(settings: HostSettings, shown: Any, known: Sequence[KnownKey]) -> None:
    """Nothing, if the key that the host showed is on file and not revoked.

    Args:
        settings: The host.
        shown: The paramiko key that the server proved to own.
        known: The keys on file for it.

    Raises:
        HostKeyError: The key is unknown, changed or revoked.
    """
    blob = shown.asbytes()
    mark = fingerprint(blob)
    same = [key for key in known if key.blob == blob]
    if any(key.revoked for key in same):
        raise HostKeyError(
            f"The host key {mark} is revoked.", f"{settings.key_name}, {same[0].path}",
            "do not connect; ask whoever runs this host", mark,
        )  # fmt: skip
    if same:
        return
    config = f"?config={settings.config}" if settings.config else ""
    trust = f"edgeq devices trust 'ssh://{settings.user}@{_place(settings)}{config}'"
    others = [key for key in known if not key.revoked and not key.portless]
    if others:
        raise HostKeyError(
            f"The host key has CHANGED: {shown.get_name()} {mark}, on file is "
            f"{fingerprint(others[0].blob)}. Someone may be listening in.",
            f"{settings.key_name}, {others[0].path}",
            f"if the host was reinstalled: ssh-keygen -R '{settings.key_name}' "
            f"-f '{others[0].path}', then {trust}",
            mark,
        )
    raise HostKeyError(
        f"Unknown host key: {shown.get_name()} {mark}",
        settings.key_name,
        f"compare it with the one on the host (ssh-keygen -l), then {trust}",
        mark,
    )


def _place(settings: HostSettings) -> str:
    alias = f"[{settings.alias}]" if ":" in settings.alias else settings.alias
    return alias if settings.port == 22 else f"{alias}:{settings.port}"


def enrol(settings: HostSettings, shown: Any) -> Path:
    """Put a key, which the user has just vouched for, into edgeq's own known_hosts file.

    It takes the place of an older key of the same kind there.
    """
    path = own_known_hosts()
    start = f"{settings.key_name} {shown.get_name()} "
    line = start + base64.b64encode(shown.asbytes()).decode()
    with alone(path):
        lines = lines_of(path.read_text("utf-8", "surrogateescape")) if path.exists() else []
        kept = [each for each in lines if not each.startswith(start)]
        text = "\n".join([*kept, line]) + "\n"
        write_whole(path, text.encode("utf-8", "surrogateescape"))
    return path
