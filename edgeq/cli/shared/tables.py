"""How results are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from edgeq.report.ops import op_layer, op_numbers, op_share, op_time
from edgeq.support.terminal import console as result_console
from edgeq.support.terminal import say
from edgeq.support.text import visible_line

if TYPE_CHECKING:
    from rich.console import Console  # noqa: TID251  (its type)
    from rich.table import Table

    from edgeq.devices.base import OpProfile

__all__ = ["op_table", "result_console", "short_name", "show_columns", "show_table"]

_LONG = 500
_WIDEST = 60


def show_table(
    console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]
) -> None:
    """Print a table; one of many rows in plain lines, since rich takes a millisecond for each.

    Args:
        heads: Of the columns.
        rows: The cells.
        right: Columns of numbers.
    """
    if len(rows) <= _LONG:
        from rich.table import Table

        table = Table(*heads, box=None)
        for column in right:
            table.columns[column].justify = "right"
        for row in rows:
            table.add_row(*row)
        console.print(table)
        return
    shown = [[visible_line(cell) for cell in row] for row in (heads, *rows)]
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*shown, strict=True)]
    lines = []
    for row in shown:
        cells = (
            cell.rjust(width) if position in right else cell.ljust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append(" " + "  ".join(cells).rstrip())
    say("\n".join(lines))


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


def op_table(ops: Sequence[OpProfile]) -> Table:
    """The table per op; columns that the device cannot fill are left out."""
    from rich.table import Table

    columns = ["macs", "instructions", "cycles"]
    known = [name for name in columns if any(getattr(op, name) is not None for op in ops)]
    times = ["µs, median (p10 to p90)"] if any(op.us is not None for op in ops) else []
    table = Table("#", "op", *known, *times, "share", "name", box=None)
    for column in table.columns[2:-1]:
        column.justify = "right"
    for op in ops:
        row = asdict(op)
        figures = [row[name] for name in known]
        table.add_row(
            op_numbers(row),
            op.op,
            *("" if figure is None else f"{figure:,}" for figure in figures),
            *([op_time(row)] if times else []),
            op_share(row),
            op_layer(row),
        )
    return table
