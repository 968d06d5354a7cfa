"""`edgeq devices trust`: enrol the host key of a device, by its fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.devices.address import Address
from edgeq.devices.ssh import hostkeys
from edgeq.devices.ssh.config import HostSettings, resolve
from edgeq.errors import EdgeqError


@dataclass(frozen=True)
class ShownKey:
    """The key that a host showed, which nobody has vouched for yet.

    Attributes:
        name: The name under which the key would be filed.
        kind: Such as "ssh-ed25519".
        fingerprint: `SHA256:...`.
        known: Whether it is on file already.
    """

    settings: HostSettings
    key: Any
    name: str
    kind: str
    fingerprint: str
    known: bool


def fetch(address: Address) -> ShownKey:
    """The key that a host shows now; nothing is stored, nobody logs in.

    Raises:
        EdgeqError: The host cannot be reached, or its key is revoked.
    """
    from edgeq.devices.ssh.transport import shown_key

    settings = resolve(address)
    key = shown_key(settings)
    on_file = hostkeys.read_known_keys(settings)
    blob = key.asbytes()
    same = [each for each in on_file if each.blob == blob]
    if any(each.revoked for each in same):
        hostkeys.check(settings, key, on_file)
    mark = hostkeys.fingerprint(blob)
    return ShownKey(settings, key, settings.key_name, key.get_name(), mark, bool(same))


def trust(shown: ShownKey, fingerprint: str) -> Path:
    """Enrol the key, if it has the fingerprint that the user vouches for; the file it went to.

    Raises:
        EdgeqError: The fingerprint is another one, or another key is on file elsewhere.
    """
    if fingerprint != shown.fingerprint:
        raise EdgeqError(
            f"The host shows {shown.kind} {shown.fingerprint}, not {fingerprint}.",
            shown.name,
            "do not trust it before you know why; ssh-keygen -l on the host shows its keys",
        )
    own = hostkeys.own_known_hosts()
    for key in hostkeys.read_known_keys(shown.settings):
        if (
            not key.portless
            and key.path != own
            and key.blob != shown.key.asbytes()
            and key.kind == shown.kind
        ):
            raise EdgeqError(
                f"Another key of this host is on file: {hostkeys.fingerprint(key.blob)}.",
                f"{shown.name}, {key.path}",
                f"if the host was reinstalled: ssh-keygen -R '{shown.name}' -f '{key.path}'",
            )
    return hostkeys.enrol(shown.settings, shown.key)
