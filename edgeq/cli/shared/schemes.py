"""`edgeq convert --compare`: schemes by devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from edgeq.cli.shared.common import print_json, was_given
from edgeq.cli.shared.tables import result_console
from edgeq.data import DatasetOptions
from edgeq.errors import UsageError
from edgeq.report.units import in_cycles, microseconds
from edgeq.report.write import report_page
from edgeq.support.figures import mark, score_text
from edgeq.support.output import check_writable, write_results
from edgeq.support.terminal import say
from edgeq.workflow.schemes import BASELINE, SchemeComparison, compare_schemes

# What says something of one conversion only.
_ONE_ONLY = ("scheme", "precision", "target", "io", "explain", "ranges")


def run_comparison(
    model: Path,
    schemes: str,
    on: str,
    output: Path | None,
    eval_data: str | None,
    reading: DatasetOptions,
    settings: Mapping[str, Any],
    *,
    max_drop: float,
    metric: str,
    as_json: bool,
) -> None:
    """Convert, evaluate and profile by each scheme; print a table, and write a page if asked."""
    for name in _ONE_ONLY:
        if was_given(name):
            raise UsageError(
                f"--{name} is of one conversion, and --compare makes several.", hint="leave it out"
            )
    if eval_data is None:
        raise UsageError("Schemes are compared on labelled data.", hint="--eval test.npz")
    force = bool(settings["force"])
    if output is not None:
        if output.suffix.lower() not in (".html", ".htm"):
            raise UsageError(f"'{output}' is no page.", hint="-o schemes.html, or no -o")
        inputs = (model, settings["data"], eval_data)
        check_writable(output, force=force, inputs=inputs)
    others = {k: v for k, v in settings.items() if k not in (*_ONE_ONLY, "force", "data")}
    found = compare_schemes(
        model,
        data=settings["data"],
        eval_data=eval_data,
        schemes=[name.strip() for name in schemes.split(",") if name.strip()],
        on=[address.strip() for address in on.split(",") if address.strip()],
        metric=metric,
        max_drop=max_drop,
        dataset_options=reading,
        **others,
    )
    if output is not None:
        write_results({output: report_page([found.to_json()])}, force=force)
    if as_json:
        print_json(found.to_json())
    else:
        show_schemes(found)
        if output is not None:
            say(f"report: {output}")
    if {row.on for row in found.rows if row.evaluation} < {row.on for row in found.rows}:
        click.get_current_context().exit(1)  # a device has no result at all


def show_schemes(found: SchemeComparison) -> None:
    """Print the table, and what is best where."""
    table = Table("scheme", "on", found.metric, "file, bytes", "time", "RAM, bytes", "", box=None)
    for column in table.columns[3:6]:
        column.justify = "right"
    for cells in _cells(found):
        table.add_row(*cells)
    result_console().print(table)
    for row in found.rows:
        if row.error:
            say(f"{row.scheme} on {row.on}: {row.error}")
    if all(row.scheme != BASELINE for row in found.rows):
        say(f"none is called the best: {BASELINE}, which all are held against, is not among them")
    for address, scheme in found.best.items():
        say(f"best on {address}: {scheme}, the quickest within {found.max_drop:g} of float32")


def _cells(found: SchemeComparison) -> Iterator[list[str]]:
    for row in found.rows:
        if row.evaluation is None or row.profile is None:
            size = f"{row.file_bytes:,}" if row.file_bytes is not None else ""
            yield [row.scheme, row.on, "-", size, "", "", ""]
            continue
        score, measured = row.evaluation.score, row.profile.measurement
        between = score.interval
        ends = [score_text(end, digits=3) for end in between or ()]
        interval = f" ({' to '.join(ends)})" if between else ""
        if measured.latency_us:
            time = microseconds(measured.latency_us.typical)
        else:
            kind = mark(row.profile.figures["cycles"])
            time = "" if measured.cycles is None else f"{in_cycles(measured.cycles)}{kind}"
        yield [
            row.scheme,
            row.on,
            f"{score_text(score.value)}{interval}",
            f"{row.file_bytes:,}",
            time if measured.valid else f"{time} (disturbed)",
            "" if row.ram_bytes is None else f"{row.ram_bytes:,}",
            "best" if found.best.get(row.on) == row.scheme else "",
        ]
