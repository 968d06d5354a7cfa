"""Layers that share one function, and what of their parameters it is told when it is called.

A function is a kernel with its parameters as constants, so that the compiler drops what a layer
does not need. Layers that differ in what costs little to look up (`Call.told`) have one function
between them, which is called with a row of a table; all else stays constant in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd

from edgeq.compiler.codegen.literals import number
from edgeq.compiler.ops.shared.base import Call, ParamValue

Path = tuple[str | int, ...]

_MOST_FACTOR = 16
_TYPES = {
    "uint8_t": (0, 255),
    "int8_t": (-128, 127),
    "uint16_t": (0, 65535),
    "int16_t": (-32768, 32767),
    "int32_t": (-(1 << 31), (1 << 31) - 1),
}


@dataclass(frozen=True)
class Field:
    """One number that a shared function is told.

    Attributes:
        name: Of the row's field.
        ctype: The smallest type that holds all rows' values.
        factor: A power of two that all values are multiples of; compilers see that they are.
        paths: Where it stands in the parameters; in more than one place if these are always equal.
        values: One for each row.
    """

    name: str
    ctype: str
    factor: int
    paths: tuple[Path, ...]
    values: tuple[int, ...]


def key(call: Call, *, share: bool) -> object:
    """What is the same in all layers of one function."""
    if not share:
        return call.function, _hashable(call.params)
    starts = tuple(f"{name}." for name in call.told)
    leaves = _leaves(call.params)
    fixed = {
        path: leaf for path, leaf in leaves.items() if not f"{_text(path)}.".startswith(starts)
    }
    return call.function, tuple(fixed.items()), call.alike


def rows(calls: Sequence[Call]) -> tuple[tuple[Field, ...], list[int]]:
    """What layers of one function differ in: the fields of a row, and the row of each layer."""
    leaves = [_leaves(call.params) for call in calls]
    columns: dict[tuple[object, ...], list[Path]] = {}
    for path in leaves[0]:
        columns.setdefault(tuple(each[path] for each in leaves), []).append(path)
    columns = {column: paths for column, paths in columns.items() if len(set(column)) > 1}
    ordered = list(zip(*columns, strict=True)) if columns else [() for _ in calls]
    distinct = list(dict.fromkeys(ordered))
    fields = [
        _field(tuple(paths), tuple(int(row[position]) for row in distinct))
        for position, paths in enumerate(columns.values())
    ]
    fields.sort(
        key=lambda field: _TYPES[field.ctype][0] - _TYPES[field.ctype][1]
    )  # words first, so that nothing is filled
    return tuple(fields), [distinct.index(row) for row in ordered]


def with_expressions(
    params: Mapping[str, ParamValue], fields: Sequence[Field]
) -> dict[str, object]:
    """The parameters, with C expressions where a shared function is told them."""
    told = {path: _expression(field) for field in fields for path in field.paths}

    def filled(value: object, path: Path) -> object:
        if isinstance(value, Mapping):
            return {name: filled(each, (*path, name)) for name, each in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [filled(each, (*path, place)) for place, each in enumerate(value)]
        return told.get(path, value)

    return {name: filled(value, (name,)) for name, value in params.items()}


def _bytes(field: Field) -> int:
    low, high = _TYPES[field.ctype]
    return (high - low).bit_length() // 8


def _expression(field: Field) -> str:
    return f"layer->{field.name}" if field.factor == 1 else f"{field.factor} * layer->{field.name}"


def table_lines(name: str, fields: Sequence[Field]) -> list[str]:
    """The type of a row and the rows of a shared function."""
    lines = ["typedef struct {", *(f"    {field.ctype} {field.name};" for field in fields)]
    lines += [f"}} {name}_layer;", ""]
    lines.append(f"static const {name}_layer {name}_layers[] = {{")
    stored = ([value // field.factor for value in field.values] for field in fields)
    for row in zip(*stored, strict=True):
        lines.append("    {" + ", ".join(map(number, row)) + "},")
    return [*lines, "};", ""]


def _text(path: Path) -> str:
    return ".".join(map(str, path))


def _leaves(value: object, path: Path = ()) -> dict[Path, object]:
    """Every number of a struct of parameters by where it stands."""
    if isinstance(value, Mapping):
        parts: list[tuple[str | int, object]] = list(value.items())
    elif isinstance(value, Sequence):
        parts = list(enumerate(value))
    else:
        return {path: value}
    found: dict[Path, object] = {}
    for name, each in parts:
        found |= _leaves(each, (*path, name))
    return found


def _hashable(params: Mapping[str, ParamValue]) -> object:
    return tuple(_leaves(params).items())


def _field(paths: tuple[Path, ...], values: tuple[int, ...]) -> Field:
    factor = min(gcd(*values, _MOST_FACTOR) & -gcd(*values, _MOST_FACTOR), _MOST_FACTOR)
    low, high = min(values) // factor, max(values) // factor
    ctype = next(name for name, (least, most) in _TYPES.items() if least <= low and high <= most)
    return Field(_text(paths[0]).replace(".", "_"), ctype, factor, paths, values)
