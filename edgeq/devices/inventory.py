"""The user's devices and groups of devices: `~/.config/edgeq/devices.toml`."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from edgeq.devices.address import SCHEMES, PasswordGiven, parse_address
from edgeq.devices.inventory_text import changed_text
from edgeq.errors import EdgeqError, UsageError, raise_problems
from edgeq.support.alone import alone
from edgeq.support.folders import config_folder
from edgeq.support.foreign import parse_toml, read_bytes
from edgeq.support.output import write_whole
from edgeq.support.text import kind_of_value, line_problem, visible_line

_MOST_BYTES = 1 << 20
_LONGEST = 1000  # of a name or an address
_FORM = """[devices.NAME] with address = "ssh://user@host", [groups] with NAME = ["DEVICE", ...]"""


@dataclass(frozen=True)
class Inventory:
    """Devices and groups by name.

    Attributes:
        devices: Addresses by name.
        groups: Names of devices, or addresses, by name of the group.
    """

    devices: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def path() -> Path:
    """Where the inventory is kept."""
    return config_folder() / "devices.toml"


def read_inventory() -> Inventory:
    """The inventory; empty if there is none yet.

    Raises:
        EdgeqError: The file is damaged.
    """
    where = path()
    if not where.exists():
        return Inventory()
    content = parse_toml(read_bytes(where, "inventory", _MOST_BYTES), str(where))
    problems = list(_form_problems(content))
    if not problems:
        devices = {name: entry["address"] for name, entry in content.get("devices", {}).items()}
        groups = {name: tuple(members) for name, members in content.get("groups", {}).items()}
        problems = [problem] if (problem := _problem(devices, groups)) else []
    raise_problems(
        [
            EdgeqError(f"The inventory cannot be read: {problem}.", str(where), _FORM)
            for problem in problems
        ]
    )
    _refuse_passwords(devices, groups, where)
    return Inventory(devices, groups)


def _form_problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Tables that no inventory has, and values of another form; further keys are the user's."""
    for name, table in content.items():
        if name not in ("devices", "groups"):
            yield f"there is no table [{visible_line(name)[:100]}]"
        elif not isinstance(table, dict):
            yield f"'{name}' is {kind_of_value(table)}, and must be a table"
    devices, groups = (content.get(name) for name in ("devices", "groups"))
    for name, entry in devices.items() if isinstance(devices, dict) else ():
        shown = f"the device '{visible_line(name)[:100]}'"
        if not isinstance(entry, dict):
            yield f"{shown} is {kind_of_value(entry)}, and must be a table"
        elif "address" not in entry:
            yield f"{shown} has no address"
    for name, members in groups.items() if isinstance(groups, dict) else ():
        if not isinstance(members, list):
            shown = f"the group '{visible_line(name)[:100]}'"
            yield f"{shown} is {kind_of_value(members)}, and must be a list of names"


def _refuse_passwords(
    devices: Mapping[str, str], groups: Mapping[str, tuple[str, ...]], where: Path
) -> None:
    """Refuse a file that somebody has written a password into, before anything shows it.

    Raises:
        EdgeqError: It has one; with the name that it stands under, and whether others may read it.
    """
    named = [*devices.items(), *((name, each) for name, of in groups.items() for each in of)]
    for name, address in named:
        try:
            parse_address(address)
        except UsageError as error:
            if not isinstance(error, PasswordGiven):
                continue  # said when it is used
            seen = stat.S_IMODE(where.stat().st_mode) & 0o044
            raise EdgeqError(
                f"The inventory holds a password, under '{name}'; it is not used"
                + (", and other users of this machine can read it." if seen else "."),
                str(where),
                f"take it out of the file{', and change it on the device' if seen else ''}; "
                "use a key, the prompt, or the environment variable EDGEQ_SSH_PASSWORD",
            ) from None


def _problem(devices: Mapping[str, Any], groups: Mapping[str, Iterable[Any]]) -> str:
    """What in an inventory cannot be, read or to be written; empty where all of it can."""
    members = [member for names in groups.values() for member in names]
    for text in (*devices, *devices.values(), *groups, *members):
        if problem := line_problem(text, _LONGEST):
            return f"{text!r:.100} is not {problem}"
    return ""


def resolve(text: str) -> str:
    """The address of a device of the inventory, with the options that stand behind its name.

    Raises:
        EdgeqError: There is no such device.
    """
    return _address(read_inventory().devices, text.strip())


def _address(devices: Mapping[str, str], text: str) -> str:
    name, mark, options = text.partition("?")
    if name not in devices:
        known = ", ".join(sorted(devices)) or "none yet"
        raise EdgeqError(
            f"There is no device '{name}'; the inventory has {known}.",
            hint=f"edgeq devices add {name} ssh://user@host",
        )
    found = devices[name]
    return found + (("&" if "?" in found else "?") + options if mark else "")


def members(group: str) -> list[tuple[str, str]]:
    """(name, address) of the devices of a group, in its order.

    Raises:
        EdgeqError: There is no such group, it is empty, or it names a device that is not there.
    """
    inventory = read_inventory()
    if group not in inventory.groups:
        known = ", ".join(sorted(inventory.groups)) or "none yet"
        raise EdgeqError(
            f"There is no group '{group}'; the inventory has {known}.",
            hint=f"edgeq devices groups {group} DEVICE...",
        )
    if not inventory.groups[group]:
        raise EdgeqError(
            f"The group '{group}' has no devices.", str(path()),
            f"edgeq devices groups {group} DEVICE...",
        )  # fmt: skip
    return [
        (name, _address(inventory.devices, name) if parse_address(name).scheme == "name" else name)
        for name in inventory.groups[group]
    ]


def add(name: str, address: str, groups: Iterable[str] = ()) -> None:
    """Give a device a name, and put it into groups.

    Raises:
        UsageError: A name or the address cannot be; nothing is written then.
        EdgeqError: The name is taken.
    """
    for each in (name, *(wanted := tuple(groups))):
        _check_name(each)
    if parse_address(address).scheme == "name":
        raise UsageError(f"'{address}' is itself a name.", hint="an address such as ssh://pi@host")
    address = _from_anywhere(address)
    with alone(path()):
        inventory = read_inventory()
        if inventory.devices.get(name, address) != address:
            there = inventory.devices[name]
            raise EdgeqError(f"'{name}' is already {there}.", hint=f"edgeq devices remove {name}")
        more = {
            group: tuple(dict.fromkeys((*inventory.groups.get(group, ()), name)))
            for group in wanted
        }
        _write(Inventory({**inventory.devices, name: address}, {**inventory.groups, **more}))


def _from_anywhere(address: str) -> str:
    """An address whose files are the same ones whatever the current folder is."""
    body, mark, options = address.partition("?")
    return body + mark + "&".join(_absolute(option) for option in options.split("&"))


def _absolute(option: str) -> str:
    key, mark, value = option.partition("=")
    file = Path(unquote(value))
    if key not in ("config", "program") or not value or file.is_absolute():
        return option
    # What is not a file here may be a program on the device.
    return f"{key}{mark}{quote(str(file.absolute()))}" if file.is_file() else option


def remove(name: str) -> None:
    """Forget a device, in its groups too.

    Raises:
        EdgeqError: There is no such device.
    """
    with alone(path()):
        resolve(name)
        inventory = read_inventory()
        groups = {
            group: tuple(each for each in names if each.partition("?")[0] != name)
            for group, names in inventory.groups.items()
        }
        devices = {key: value for key, value in inventory.devices.items() if key != name}
        _write(Inventory(devices, {group: names for group, names in groups.items() if names}))


def set_group(group: str, names: Iterable[str]) -> None:
    """Define a group; with no names, forget it.

    Raises:
        UsageError: The group's name cannot be.
        EdgeqError: A name is no device of the inventory.
    """
    _check_name(group)
    wanted = tuple(dict.fromkeys(names))
    for name in wanted:
        if parse_address(name).scheme == "name":
            resolve(name)
    with alone(path()):
        inventory = read_inventory()
        groups = {key: value for key, value in inventory.groups.items() if key != group}
        if wanted:
            groups[group] = wanted
        elif group not in inventory.groups:
            raise EdgeqError(f"There is no group '{group}'.", str(path()), "edgeq devices groups")
        _write(Inventory(inventory.devices, groups))


def _check_name(name: str) -> None:
    if name in SCHEMES:
        raise UsageError(
            f"'{name}' cannot be a name: it is a kind of device.", hint="lab-pi, say, or my-board"
        )
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise UsageError(
            f"'{name}' cannot be a name.", hint="letters, digits, dots, dashes and underscores"
        )


def _write(inventory: Inventory) -> None:
    """Write it, if it can be read again; what the user wrote beside it stays.

    Raises:
        UsageError: It could not.
        EdgeqError: The file is written in a form that cannot be changed in parts.
    """
    if problem := _problem(inventory.devices, inventory.groups):
        raise UsageError(f"The inventory cannot keep this: {problem}.", str(path()))
    place = path()
    before = read_bytes(place, "inventory", _MOST_BYTES).decode() if place.exists() else ""
    text = changed_text(before, inventory.devices, inventory.groups)
    if text is None:
        raise EdgeqError(
            "The inventory is written in a form that edgeq cannot change.",
            str(place),
            f"change it by hand: {_FORM}",
        )
    if len(text.encode()) > _MOST_BYTES:
        raise UsageError(
            f"The inventory would be {len(text):,} bytes long, over {_MOST_BYTES:,}.",
            str(path()),
            "edgeq devices remove NAME",
        )
    # Where it is a link, what that leads to is the file.
    write_whole(place.resolve(), text, private=True)
