"""How results are printed."""

from __future__ import annotations

from collections.abc import Mapping

from edgeq.support.terminal import console as result_console

__all__ = ["result_console", "short_name", "show_columns"]


def short_name(name: str) -> str:
    """A tensor's name without those of the ops that were fused into it."""
    return name.split(";")[0]


def show_columns(heading: str, columns: Mapping[str, Mapping[str, str]]) -> None:
    """Print a table with one row per figure and one column per device."""
    from rich.table import Table

    table = Table(heading, *columns, box=None)
    for name in dict.fromkeys(name for cells in columns.values() for name in cells):
        table.add_row(name, *(cells.get(name, "") for cells in columns.values()))
    result_console().print(table)
