"""`edgeq compare`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
from rich.table import Table

from edgeq.analysis.comparison.gate import Gate
from edgeq.analysis.comparison.groups import (
    GroupComparison,
    compare_groups,
    is_group,
    read_result,
)
from edgeq.analysis.comparison.profiles import Comparison, QualityChange
from edgeq.analysis.comparison.profiles import compare as compare_files
from edgeq.cli.shared.common import Number, json_option, print_json
from edgeq.cli.shared.tables import result_console, show_columns
from edgeq.support.figures import score_text
from edgeq.support.terminal import say


@click.command(
    epilog="Example: edgeq compare before.json after.json --fail-if-slower 5 --fail-if-larger 1"
)
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("new", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--fail-if-slower",
    type=Number(0.0),
    metavar="PERCENT",
    help="Exit with 3 if NEW is slower by more than this, and not by chance.",
)
@click.option(
    "--fail-if-larger",
    type=Number(0.0),
    metavar="PERCENT",
    help="Exit with 3 if NEW takes more than so much more flash or RAM.",
)
@click.option(
    "--fail-if-worse",
    type=Number(0.0),
    metavar="POINTS",
    help="Exit with 3 if NEW, an evaluation, is worse by more than so many points of 100; of "
    "errors, and of what is no share, by more than so many percent.",
)
@json_option
@click.pass_context
def compare(
    ctx: click.Context,
    base: Path,
    new: tuple[Path, ...],
    fail_if_slower: float | None,
    fail_if_larger: float | None,
    fail_if_worse: float | None,
    as_json: bool,
) -> None:
    """Hold NEW results of `edgeq profile --json` or `edgeq evaluate --json` against BASE.

    Results of groups are compared device by device.

    Latencies are called different if the Mann-Whitney test says so (p < 0.01) and the medians
    are more than 2 % apart.
    """
    gate = Gate(fail_if_slower, fail_if_larger, fail_if_worse)
    if len(new) == 1:
        contents = [read_result(path) for path in (base, *new)]
        if any(is_group(content) for content in contents):
            ctx.exit(_show_several(compare_groups(*contents), gate, as_json=as_json))
        found = compare_files(base, new[0])
        if as_json:
            print_json(found)
        else:
            _show(found)
        ctx.exit(_judge({"": found}, gate))
    several = {str(path): compare_files(base, path) for path in new}
    ctx.exit(_show_several(GroupComparison(several, {}), gate, as_json=as_json))


def _judge(found: Mapping[str, Comparison], gate: Gate) -> int:
    """3 if one of them does not get through; says why on stderr."""
    failed = False
    for name, each in found.items():
        for why in gate.failures(each):
            say(f"{name}: {why}" if name else why, err=True)
            failed = True
    return 3 if failed else 0


def _show_several(found: GroupComparison, gate: Gate, *, as_json: bool) -> int:
    """Print one column each; 3 if one does not get through, 1 if one cannot be compared."""
    if as_json:
        print_json(found)
    else:
        show_columns("figure", {name: _changes(each) for name, each in found.devices.items()})
        for name, why in found.missing.items():
            result_console().print(f"{name}: {why}", style="red")
    return _judge(found.devices, gate) or int(bool(found.missing))


def _changes(found: Comparison) -> dict[str, str]:
    """B over A of each figure, as cells of a table."""
    cells = {}
    change = found.latency
    if change is not None:
        low, high = change.interval
        cells["latency p50, B / A"] = f"{change.ratio:.3f} {change.verdict}"
        cells["95 % interval"] = f"{low:.3f} to {high:.3f}"
    if found.quality is not None:
        cells[f"{found.quality.metric}, B - A"] = _difference(found.quality)
    for name, (a, b) in found.counts.items():
        ratio = f"{b / a:.3f}" if a else f"{a:,} to {b:,}"
        first, second = found.marked(name)
        kinds = (
            first if first == second else f"{first or ' (measured)'} to{second or ' (measured)'}"
        )
        cells[f"{name.replace('_', ' ')}, B / A"] = ("same" if a == b else ratio) + kinds
    if found.same_output is not None:
        cells["outputs"] = "same" if found.same_output else "differ"
    if found.warnings:
        cells["warnings"] = "\n".join(found.warnings)
    return cells


def _difference(change: QualityChange) -> str:
    words = score_text(change.b - change.a, "+")
    if change.interval is not None:
        low, high = (score_text(end, "+") for end in change.interval)
        words += f" (95 % interval {low} to {high}, n = {change.n:,})"
    return words


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
    if found.quality is not None:
        kept = found.quality
        table.add_row(kept.metric, score_text(kept.a), score_text(kept.b), "", _difference(kept))
    for name, (a, b) in found.counts.items():
        ratio = f"{b / a:.3f}" if a else ""
        first, second = found.marked(name)
        shown = (f"{a:,}{first}", f"{b:,}{second}")
        table.add_row(name.replace("_", " "), *shown, ratio, "same" if a == b else "")
    console = result_console()
    console.print(table)
    if found.same_output is False:
        console.print("The outputs differ.", style="yellow")
    for warning in found.warnings:
        console.print(f"Warning: {warning}", style="yellow")
