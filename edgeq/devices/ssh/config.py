"""How a host is reached: what the address says, then what ~/.ssh/config says."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from edgeq.devices.address import Address, refuse_password
from edgeq.devices.remote.link import SILENCE_S
from edgeq.devices.ssh.readconf import expand, read_options
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.folders import home, user_name

_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_SYSTEM_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_AGENT_VARIABLE = "SSH_AUTH_SOCK"
_LONGEST_S = 86_400  # of a wait: systems count milliseconds in 31 bits
# The user's name may reach a shell, in a ProxyCommand's %r. Source: OpenSSH 9.6, valid_ruser().
_NO_USER = re.compile(r"""^-|[\x00-\x20\x7f'`"$;&<>|(){}]|\\$""")


@dataclass(frozen=True)
class HostSettings:
    """How one host is reached.

    Attributes:
        alias: The name as the user typed it; host keys may be filed under `key_alias`.
        agent: The socket of the agent that is asked for keys; None without one.
        proxy_jump: Hosts to hop over, nearest first, as `user@host:port`.
        proxy_command: A command whose stdin and stdout are the connection; empty for none.
        connect_timeout_s: For the connection and the handshake together; 0 for edgeq's own.
        alive_interval_s: ServerAliveInterval; 0 for edgeq's own rule.
        config: The configuration file that was named instead of the user's own.
    """

    alias: str
    host: str
    port: int
    user: str
    key_alias: str = ""
    identity_files: tuple[Path, ...] = ()
    identities_only: bool = False
    agent: Path | None = None
    known_hosts: tuple[Path, ...] = ()
    proxy_jump: tuple[str, ...] = ()
    proxy_command: str = ""
    connect_timeout_s: int = 0
    alive_interval_s: int = 0
    alive_count_max: int = 3
    config: Path | None = None

    @property
    def silence_s(self) -> int:
        """Seconds without a word from the host after which the link counts as lost."""
        return min(self.alive_interval_s * self.alive_count_max, _LONGEST_S) or SILENCE_S

    @property
    def key_name(self) -> str:
        """The name under which the host's key is filed: `host`, or `[host]:port`."""
        host = self.key_alias or self.host.lower()
        return host if self.key_alias or self.port == 22 else f"[{host}]:{self.port}"

    @property
    def portless_name(self) -> str:
        """The name without the port, for keys filed before the host moved to it; or ""."""
        return "" if self.key_alias or self.port == 22 else self.host.lower()


def split_destination(text: str) -> tuple[str, str, int | None]:
    """(user, host, port) of `user@host:port` or `ssh://...`; "" and None where not given.

    Raises:
        UsageError: The text is no destination, or holds a password.
    """
    user, _, place = text.removeprefix("ssh://").rpartition("@")
    if text.startswith("ssh://"):
        user = unquote(user)
    refuse_password(user)
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([\w.-]+))(?::(\d{1,5}))?/?", place)
    if not match or place.startswith("-") or _NO_USER.search(user):
        raise UsageError(f"'{text}' is no SSH destination.", hint="user@host or user@host:2222")
    port = int(match[3]) if match[3] else None
    if port is not None and not 0 < port < 65536:
        raise UsageError(f"'{text}': port {port} is not between 1 and 65535.")
    return user, match[1] or match[2], port


def resolve(address: Address, config: Path | None = None) -> HostSettings:
    """The settings of an `ssh:` address, after ~/.ssh/config (or the file `?config=` names).

    Raises:
        EdgeqError: The configuration file cannot be read.
    """
    given = address.query.get("config")
    path = Path(os.path.expanduser(given)) if given else config  # noqa: PTH111  (~nobody stays)
    return settings_for(f"ssh://{address.rest}", path)


def settings_for(destination: str, config: Path | None = None) -> HostSettings:
    """The settings of `user@host:port`; what is in the destination wins over the file.

    Raises:
        EdgeqError: The configuration file cannot be read.
    """
    user, alias, port = split_destination(destination)
    options = read_options(alias, user, config)

    def one(name: str, default: str = "") -> str:
        return options.get(name, [default])[0]

    host = expand(one("hostname", "%h"), {"h": alias, "%": "%"})
    if not re.search("[%:]", host):  # the zone of an IPv6 address may be in capitals
        host = host.lower()
    real_port = port or int(one("port", "22"))
    real_user = user or one("user") or user_name()
    proxy = {"h": host, "n": alias, "p": str(real_port), "r": real_user, "%": "%"}
    key_alias = one("hostkeyalias").lower()
    tokens = proxy | _local_tokens(proxy, key_alias)
    ssh = home() / ".ssh"
    identities = options.get("identityfile") or [str(ssh / name) for name in _DEFAULT_KEYS]
    known = options.get("userknownhostsfile", [f"{ssh}/known_hosts", f"{ssh}/known_hosts2"])
    known = known + options.get("globalknownhostsfile", list(_SYSTEM_KNOWN_HOSTS))
    hops = [hop for hop in options.get("proxyjump", []) if hop.lower() != "none"]
    command = "none" if hops else one("proxycommand")
    return HostSettings(
        alias=alias,
        host=host,
        port=real_port,
        user=real_user,
        key_alias=key_alias,
        identity_files=tuple(_path(each, tokens) for each in identities if each.lower() != "none"),
        identities_only=one("identitiesonly") == "yes",
        agent=_agent(one("identityagent", _AGENT_VARIABLE), tokens),
        known_hosts=tuple(_path(each, tokens) for each in known if each.lower() != "none"),
        proxy_jump=tuple(expand(hop, proxy) for hop in hops),
        proxy_command="" if command.lower() == "none" else expand(command, proxy),
        connect_timeout_s=min(int(one("connecttimeout", "0")), _LONGEST_S),
        alive_interval_s=int(one("serveraliveinterval", "0")),
        alive_count_max=int(one("serveralivecountmax", "3")),
        config=config,
    )


def _local_tokens(proxy: dict[str, str], key_alias: str) -> dict[str, str]:
    """The tokens of paths that a proxy's command does not have."""
    here = socket.gethostname()
    told = here + proxy["h"] + proxy["p"] + proxy["r"]
    return {
        "C": hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest(),
        "d": str(home()),
        "i": str(os.getuid()) if hasattr(os, "getuid") else "0",
        "k": key_alias or proxy["n"],
        "L": here.partition(".")[0],
        "l": here,
        "u": user_name(),
    }


def _agent(text: str, tokens: dict[str, str]) -> Path | None:
    """The socket of the agent to ask; None without one."""
    if text.lower() == "none":
        return None
    if text == _AGENT_VARIABLE or re.fullmatch(r"\$\w+", text):
        usual = "pageant" if sys.platform == "win32" else ""
        found = os.environ.get(text.removeprefix("$"), usual)
        return Path(found) if found else None
    return _path(text, tokens)


def _path(text: str, tokens: dict[str, str]) -> Path:
    def variable(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise EdgeqError(f"'{text}' in the SSH configuration: {match[1]} is not set.")
        return os.environ[match[1]]

    home = os.path.expanduser(text)  # noqa: PTH111  (the text may hold tokens)
    return Path(re.sub(r"\$\{(\w+)\}", variable, expand(home, tokens)))
