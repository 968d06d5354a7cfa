"""What ~/.ssh/config says about a host: Include, Host patterns, the options edgeq obeys."""

from __future__ import annotations

import getpass
import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.devices.address import Address
from edgeq.devices.remote.link import SILENCE_S
from edgeq.errors import EdgeqError, UsageError

_INCLUDE_DEPTH = 16  # as OpenSSH's READCONF_MAX_DEPTH
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True)
class HostSettings:
    """How one host is reached.

    Attributes:
        alias: The name as the user typed it; host keys may be filed under `key_alias`.
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
    use_agent: bool = True
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
        return self.alive_interval_s * self.alive_count_max or SILENCE_S

    @property
    def key_name(self) -> str:
        """The name under which the host's key is filed: `host`, or `[host]:port`."""
        host = self.key_alias or self.host.lower()
        return host if self.key_alias or self.port == 22 else f"[{host}]:{self.port}"


def split_destination(text: str) -> tuple[str, str, int | None]:
    """(user, host, port) of `user@host:port`; user is "" and port None where not given.

    Raises:
        UsageError: The text is no destination, or holds a password.
    """
    user, _, place = text.rpartition("@")
    if ":" in user:
        raise UsageError(
            "An address must not hold a password: it would be seen by everyone on this machine.",
            hint="use a key, the prompt, or the environment variable EDGEQ_SSH_PASSWORD",
        )
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([\w.-]+))(?::(\d{1,5}))?/?", place)
    if not match or place.startswith("-"):
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
    path = Path(given).expanduser() if given else config
    return settings_for(address.rest, path)


def settings_for(destination: str, config: Path | None = None) -> HostSettings:
    """The settings of `user@host:port`; what is in the destination wins over the file."""
    user, alias, port = split_destination(destination)
    options = read_options(alias, user, config)

    def one(name: str, default: str = "") -> str:
        return options.get(name, [default])[0]

    host = _expand(one("hostname", alias), {"h": alias, "n": alias, "%": "%"})
    real_port = port or _number("Port", one("port", "22"))
    real_user = user or one("user") or getpass.getuser()
    tokens = {
        "h": host, "n": alias, "p": str(real_port), "r": real_user, "%": "%",
        "d": str(Path.home()), "u": getpass.getuser(), "k": one("hostkeyalias") or alias,
    }  # fmt: skip
    ssh = Path.home() / ".ssh"
    identities = options.get("identityfile") or [str(ssh / name) for name in _DEFAULT_KEYS]
    known = one("userknownhostsfile", f"{ssh}/known_hosts {ssh}/known_hosts2").split()
    known += one("globalknownhostsfile", "/etc/ssh/ssh_known_hosts").split()
    jump, command = one("proxyjump"), one("proxycommand")
    return HostSettings(
        alias=alias,
        host=host,
        port=real_port,
        user=real_user,
        key_alias=one("hostkeyalias"),
        identity_files=tuple(_path(each, tokens) for each in identities if each != "none"),
        identities_only=one("identitiesonly") == "yes",
        use_agent=one("identityagent").lower() != "none",
        known_hosts=tuple(_path(each, tokens) for each in known if each != "none"),
        proxy_jump=() if jump.lower() in ("", "none") else tuple(jump.split(",")),
        proxy_command="" if command.lower() == "none" else _expand(command, tokens),
        connect_timeout_s=_seconds("ConnectTimeout", one("connecttimeout", "none")),
        alive_interval_s=_seconds("ServerAliveInterval", one("serveraliveinterval", "none")),
        alive_count_max=_number("ServerAliveCountMax", one("serveralivecountmax", "3")),
        config=config,
    )


def read_options(alias: str, user: str = "", config: Path | None = None) -> dict[str, list[str]]:
    """The options that apply to a host, first value first; keys in lower case.

    Args:
        alias: The host's name as the user typed it.
        user: The user of the destination, for `Match user`.
        config: A file to read instead of ~/.ssh/config and /etc/ssh/ssh_config.

    Raises:
        EdgeqError: The file named by `config` does not exist.
    """
    if config is not None and not config.is_file():
        raise EdgeqError(f"'{config}' is no SSH configuration file.")
    files = [config] if config else [Path.home() / ".ssh" / "config", Path("/etc/ssh/ssh_config")]
    found: dict[str, list[str]] = {}
    for path in files:
        if path.is_file():
            _read_file(path, alias, user, found, applies=True, depth=0)
    return found


def _read_file(
    path: Path, alias: str, user: str, found: dict[str, list[str]], *, applies: bool, depth: int
) -> None:
    outer = applies
    for line in path.read_text(errors="replace").splitlines():
        match = re.match(r"\s*([A-Za-z]\w*)(?:\s*=\s*|\s+)(.*\S)", line)
        if not match:
            continue
        name, text = match[1].lower(), match[2]
        values = [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', text)]
        if name == "host":
            applies = outer and matches(alias, values)
        elif name == "match":
            applies = outer and _match_applies(values, alias, user, found)
        elif name == "include" and depth < _INCLUDE_DEPTH:
            for each in values:
                pattern = Path(each).expanduser()
                base = pattern if pattern.is_absolute() else path.parent / pattern
                for included in sorted(glob.glob(str(base))):  # noqa: PTH207  (absolute pattern)
                    _read_file(Path(included), alias, user, found, applies=applies, depth=depth + 1)
        elif applies:
            value = text if name == "proxycommand" else " ".join(values)
            if name == "identityfile":
                found.setdefault(name, []).append(value)
            else:
                found.setdefault(name, [value])


def _match_applies(
    words: Sequence[str], alias: str, user: str, found: Mapping[str, list[str]]
) -> bool:
    """Whether a Match line applies; only `all`, `host`, `originalhost` and `user` are understood.

    `Match exec` is never run: reading a file must not start programs.
    """
    if [each.lower() for each in words] == ["all"]:
        return True
    subjects = {
        "host": found.get("hostname", [alias])[0],
        "originalhost": alias,
        "user": user or found.get("user", [getpass.getuser()])[0],
    }
    pairs = list(zip(words[::2], words[1::2], strict=False))
    return bool(pairs) and all(
        name.lower() in subjects and matches(subjects[name.lower()], patterns.split(","))
        for name, patterns in pairs
    )


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a host name matches ssh's patterns: `*`, `?`, and `!` for exclusion."""
    hit = False
    for pattern in patterns:
        body = re.escape(pattern.lstrip("!").lower()).replace(r"\*", ".*").replace(r"\?", ".")
        if re.fullmatch(body, name.lower()):
            if pattern.startswith("!"):
                return False
            hit = True
    return hit


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    return re.sub(r"%(.)", lambda match: tokens.get(match[1], match[0]), text)


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise EdgeqError(f"{name} in the SSH configuration is no number: '{text}'.")
    return int(text)


def _seconds(name: str, text: str) -> int:
    """Seconds out of one of ssh's time formats, such as 90 or 1m30s; `none` is 0."""
    if text.lower() == "none":
        return 0
    parts = re.findall(r"(\d+)([smhdw]?)", text.lower())
    if "".join(number + unit for number, unit in parts) != text.lower() or not parts:
        raise EdgeqError(f"{name} in the SSH configuration is no time: '{text}'.")
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)


def _path(text: str, tokens: Mapping[str, str]) -> Path:
    expanded = os.path.expandvars(_expand(text, tokens))
    return Path(expanded).expanduser()
