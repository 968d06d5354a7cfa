"""The text of the inventory: only what changes is written anew, the user's own lines stay."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edgeq.errors import EdgeqError
from edgeq.support.foreign import parse_toml

Devices = Mapping[str, str]
Groups = Mapping[str, tuple[str, ...]]


def changed_text(before: str, devices: Devices, groups: Groups) -> str | None:
    """A file's text with these devices and groups in it, and everything else as it was.

    Args:
        before: The text.
        devices: Addresses by name.
        groups: Members by name.

    Returns:
        The text; None where it is written in a form that cannot be changed in parts.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(_without(before, devices))
        entries = document.setdefault("devices", tomlkit.table(is_super_table=True))
        for name in [name for name in entries if name not in devices]:
            del entries[name]
        for name in [name for name in devices if name not in entries]:
            inline = isinstance(entries, tomlkit.items.InlineTable)
            entry = tomlkit.inline_table() if inline else tomlkit.table()
            entry["address"] = devices[name]
            entries[name] = entry
        if not entries:
            del document["devices"]
        lists = document.setdefault("groups", tomlkit.table())
        for name in [name for name in lists if name not in groups]:
            del lists[name]
        for name, members in groups.items():
            if tuple(lists.get(name, ())) != members:
                lists[name] = list(members)
        if not lists:
            del document["groups"]
        text = tomlkit.dumps(document)
        found = parse_toml(text.encode(), "")
    except (TOMLKitError, EdgeqError, TypeError, KeyError, AttributeError, ValueError):
        return None
    right = {name: entry["address"] for name, entry in found.get("devices", {}).items()} == {
        **devices
    } and {name: tuple(of) for name, of in found.get("groups", {}).items()} == {**groups}
    return text if right else None


def _without(text: str, devices: Devices) -> str:
    """A text without the tables of devices that are gone.

    Comments behind a table's last key are about what follows, and stay.
    """
    parts = re.split(r"(?m)^(?=[ \t]*\[)", text)
    return "".join(_comments_at_end(part) if _is_gone(part, devices) else part for part in parts)


def _is_gone(part: str, devices: Devices) -> bool:
    try:
        found = parse_toml(part.encode(), "")
    except EdgeqError:
        return False
    names = found.get("devices")
    return list(found) == ["devices"] and isinstance(names, dict) and not set(names) & set(devices)


def _comments_at_end(part: str) -> str:
    lines = part.splitlines(keepends=True)
    said = [i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    return "".join(lines[said[-1] + 1 :]).lstrip("\r\n")
