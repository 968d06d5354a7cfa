"""The facts of delegates: who they are, where they can be, which ops they take and when."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from edgeq.boards.target import Target
from edgeq.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Delegate:
    """What runs parts of a model in another place than the runtime's own kernels.

    Attributes:
        name: As it is asked for.
        title: For people.
        place: Where its parts run.
        release: The version that the facts are of.
        evidence: "measured" where the facts are held against the thing itself by a test, else
            "documented".
        sources: Where the facts are from.
        rows: By op, the conditions under which it is taken; several rows are alternatives.
        os, soc, targets: The targets that can have it: their system, how their chip's name
            begins (all if empty), or their names.
        levels: Versions of its interface that differ, oldest first; `level_name` is their unit.
        most_parts: The most parts that it is given, the largest ones; 0 for any number.
        fewest_ops: Parts of fewer ops are left to the runtime.
        first_part_only: Nothing behind the first op that it refuses is given to it, but for what
            makes integers of float inputs.
        vela: The configurations that Vela compiles for.
        remarks: What to know besides.
    """

    name: str
    title: str
    place: str
    release: str
    evidence: str
    sources: tuple[str, ...]
    rows: Mapping[str, tuple[Mapping[str, Any], ...]]
    os: tuple[str, ...] = ()
    soc: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()
    level_name: str = ""
    most_parts: int = 0
    fewest_ops: int = 1
    first_part_only: bool = False
    vela: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def can_be_on(self, target: Target) -> bool:
        """Whether this kind of target has it, or can be given it."""
        if target.name in self.targets:
            return True
        chip = str(target.host.get("soc", ""))
        return target.host.get("os") in self.os and (not self.soc or chip.startswith(self.soc))


def all_delegates() -> tuple[Delegate, ...]:
    """Every delegate that there are facts of, by name."""
    return tuple(delegate(file.stem) for file in sorted(_FOLDER.glob("*.toml")))


@cache
def delegate(name: str) -> Delegate:
    """The facts of one delegate; of an Ethos-U by the name of any of its configurations, too.

    Raises:
        UsageError: There are none of that name.
    """
    for file in sorted(_FOLDER.glob("*.toml")):
        data: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        if name == data["name"] or name in data.get("vela", ()):
            return _delegate(data)
    known = ", ".join(file.stem for file in sorted(_FOLDER.glob("*.toml")))
    raise UsageError(f"nothing is known about a delegate '{name}'.", hint=f"one of: {known}")


def _delegate(data: dict[str, Any]) -> Delegate:
    always, rows = data.pop("any", {}), data.pop("take")
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        conditions = {**always, **row}
        for op in conditions.pop("ops"):
            found.setdefault(op, []).append(conditions)
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
    }
    fields["rows"] = {op: tuple(each) for op, each in found.items()}
    return Delegate(**fields)
