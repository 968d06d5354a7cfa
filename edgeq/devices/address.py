"""Device addresses: text such as `sim:cortex-m4` or `ssh://pi@10.0.0.7?threads=2`, taken apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from edgeq.errors import UsageError

SCHEMES = ("local", "c", "tflm", "wasm", "sim", "qemu", "serial", "ssh", "adb", "vela")


@dataclass(frozen=True)
class Address:
    """One device address.

    Attributes:
        text: The address as given.
        scheme: One of SCHEMES, or "name" for a device of the user's inventory.
        rest: What follows the scheme, without the query: a CPU, a port, `user@host:port`, a name.
        query: Options such as {"threads": "2"}.
    """

    text: str
    scheme: str
    rest: str = ""
    query: Mapping[str, str] = field(default_factory=dict)


_ALONE = ("local", "c", "tflm", "wasm")  # of which there is one on this machine


class PasswordGiven(UsageError):
    """An address holds a password."""


def is_emulated(text: str) -> bool:
    """Whether an address is that of an emulated machine, which counts and keeps no time."""
    return text.startswith(("sim:", "qemu:"))


def refuse_password(user: str) -> None:
    """Refuse the part before the @ of a destination if it holds more than a name.

    Raises:
        PasswordGiven: It holds a password, which is not said again.
    """
    if ":" in user:
        raise PasswordGiven(
            "An address must not hold a password: it would be seen by everyone on this machine.",
            hint="use a key, the prompt, or the environment variable EDGEQ_SSH_PASSWORD",
        )


def parse_address(text: str) -> Address:
    """The parts of a device address.

    Raises:
        UsageError: The text is no address, or holds a password.
    """
    body, _, query_text = text.strip().partition("?")
    # In forms a plus is a blank; here it stands for itself, as in a folder's name.
    query = dict(parse_qsl(query_text.replace("+", "%2B"), keep_blank_values=True))
    scheme, colon, rest = body.partition(":")
    if scheme in _ALONE and scheme != "wasm" and not colon:
        return Address(text, scheme, "", query)
    if scheme == "wasm" and not rest:
        return Address(text, scheme, "", query)
    if scheme == "ssh":
        refuse_password(unquote(rest.rpartition("@")[0]))
    if scheme in SCHEMES and rest and scheme not in _ALONE:
        return Address(text, scheme, rest.removeprefix("//"), query)
    if not colon and re.fullmatch(r"[A-Za-z0-9_.-]+", body):
        return Address(text, "name", body, query)
    raise UsageError(
        f"'{text}' is no device address.",
        hint="local, c, tflm, wasm:, sim:cortex-m4, qemu:cortex-m55, serial:PORT, ssh://user@host, "
        "adb:SERIAL, vela:ethos-u55-128, or a name from `edgeq devices list`",
    )
