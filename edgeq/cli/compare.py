"""`edgeq compare`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from edgeq.analysis.compare import Comparison
from edgeq.analysis.compare import compare as compare_files
from edgeq.analysis.compare_groups import (
    GroupComparison,
    compare_groups,
    is_group,
    read_result,
)
from edgeq.cli.shared.common import json_option, print_json
from edgeq.cli.shared.tables import result_console, show_columns


@click.command(epilog="Example: edgeq compare before.json after.json --fail-if-slower 5")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--fail-if-slower",
    type=click.FloatRange(0.0),
    metavar="PERCENT",
    help="Exit with 3 if B is slower than A by more than this, and not by chance.",
)
@json_option
@click.pass_context
def compare(
    ctx: click.Context, a: Path, b: Path, fail_if_slower: float | None, as_json: bool
) -> None:
    """Compare two results of `edgeq profile --json`, with a statistical test.

    Results of groups are compared device by device.

    Latencies are called different if the Mann-Whitney test says so (p < 0.01) and the medians
    are more than 2 % apart.
    """
    contents = [read_result(path) for path in (a, b)]
    if any(is_group(content) for content in contents):
        ctx.exit(_compare_groups(compare_groups(*contents), fail_if_slower, as_json=as_json))
    found = compare_files(a, b)
    if as_json:
        print_json(found)
    else:
        _show(found)
    if _too_slow(found, fail_if_slower):
        ctx.exit(3)


def _too_slow(found: Comparison, percent: float | None) -> bool:
    change = found.latency
    if percent is None or change is None or change.verdict != "slower":
        return False
    return change.ratio > 1 + percent / 100


def _compare_groups(found: GroupComparison, percent: float | None, *, as_json: bool) -> int:
    """Print one column a device; 3 if one became too slow, 1 if one cannot be compared."""
    if as_json:
        print_json(found)
    else:
        show_columns("figure", {name: _changes(each) for name, each in found.devices.items()})
        for name, why in found.missing.items():
            result_console().print(f"{name}: {why}", style="red")
    if any(_too_slow(each, percent) for each in found.devices.values()):
        return 3
    return 1 if found.missing else 0


def _changes(found: Comparison) -> dict[str, str]:
    """B over A of each figure, as cells of a table."""
    cells = {}
    change = found.latency
    if change is not None:
        low, high = change.interval
        cells["latency p50, B / A"] = f"{change.ratio:.3f} {change.verdict}"
        cells["95 % interval"] = f"{low:.3f} to {high:.3f}"
    for name, (a, b) in found.counts.items():
        ratio = f"{b / a:.3f}" if a else f"{a:,} to {b:,}"
        cells[f"{name.replace('_', ' ')}, B / A"] = "same" if a == b else ratio
    if found.same_output is not None:
        cells["outputs"] = "same" if found.same_output else "differ"
    if found.warnings:
        cells["warnings"] = "\n".join(found.warnings)
    return cells


def _show(found: Comparison) -> None:
    table = Table("figure", "A", "B", "B / A", "", box=None)
    for column in table.columns[1:4]:
        column.justify = "right"
    change = found.latency
    if change is not None:
        low, high = change.interval
        table.add_row(
            "latency p50, µs",
            f"{change.a_p50:,.1f}",
            f"{change.b_p50:,.1f}",
            f"{change.ratio:.3f}",
            f"{change.verdict} (95 % interval {low:.3f} to {high:.3f}, p = {change.p_value:.2g})",
        )
    for name, (a, b) in found.counts.items():
        ratio = f"{b / a:.3f}" if a else ""
        table.add_row(name.replace("_", " "), f"{a:,}", f"{b:,}", ratio, "same" if a == b else "")
    console = result_console()
    console.print(table)
    if found.same_output is False:
        console.print("The outputs differ.", style="yellow")
    for warning in found.warnings:
        console.print(f"Warning: {warning}", style="yellow")
