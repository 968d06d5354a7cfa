"""`edgeq compare`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from edgeq.analysis.compare import Comparison
from edgeq.analysis.compare import compare as compare_files
from edgeq.cli.shared.common import json_option, print_json
from edgeq.cli.shared.tables import result_console


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

    Latencies are called different if the Mann-Whitney test says so (p < 0.01) and the medians
    are more than 2 % apart.
    """
    found = compare_files(a, b)
    if as_json:
        print_json(found)
    else:
        _show(found)
    change = found.latency
    if fail_if_slower is None or change is None or change.verdict != "slower":
        return
    if change.ratio > 1 + fail_if_slower / 100:
        ctx.exit(3)


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
