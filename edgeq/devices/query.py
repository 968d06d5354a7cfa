"""The options behind the `?` of a device address, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgeq.devices.address import Address
from edgeq.devices.numbers import core_list, whole
from edgeq.errors import UsageError


def allow_only(address: Address, names: Iterable[str]) -> None:
    """Refuse options that this kind of device does not have.

    Raises:
        UsageError: The address has another option; the allowed ones are listed.
    """
    allowed = tuple(names)
    for name in address.query:
        if name not in allowed:
            known = f"known here: {', '.join(allowed)}" if allowed else "it takes no options"
            raise UsageError(f"'{address.text}' has an unknown option '{name}'.", hint=known)


def choice(address: Address, name: str, choices: Sequence[str], default: str) -> str:
    """The value of an option that is one of a few words.

    Raises:
        UsageError: It is none of them.
    """
    value = address.query.get(name, default)
    if value not in choices:
        raise UsageError(
            f"'{address.text}': {name}={value} is not possible.",
            hint=f"{name}= takes {', '.join(choices)}",
        )
    return value


def positive(address: Address, name: str, default: int) -> int:
    """The value of an option that is a whole number from 1 on.

    Raises:
        UsageError: It is not.
    """
    value = whole(address.query.get(name, str(default)))
    if value is None or not 1 <= value <= 1024:
        raise UsageError(
            f"'{address.text}': this {name} is not possible.", hint=f"{name}= takes 1 to 1024"
        )
    return value


def cores(text: str, where: str) -> str:
    """Numbers of cores, separated by commas, out of one of taskset's lists, such as `0,4-6`.

    Args:
        text: The list; "" for any core.
        where: What the user has typed, for the message.

    Raises:
        UsageError: It is no such list.
    """
    found = core_list(text) if text else ()
    if found is None:
        raise UsageError(
            f"'{where}': '{text}' is no list of cores.",
            hint="as taskset -c takes it: 0,4-6 or 0-7:2",
        )
    return ",".join(map(str, found))
