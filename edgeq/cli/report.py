"""`edgeq report`."""

from __future__ import annotations

from pathlib import Path

import click

from edgeq.cli.shared.common import force_option, json_option, print_json, try_it_option
from edgeq.support.terminal import say


@click.command(epilog="Example: edgeq report profile.json accuracy.json -o report.html")
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", default="report.html", show_default=True, type=click.Path(path_type=Path),
    help="The HTML file to write.",
)  # fmt: skip
@try_it_option
@force_option
@json_option
def report(
    results: tuple[Path, ...], output: Path, try_it: bool, force: bool, as_json: bool
) -> None:
    """Make one self-contained HTML page of RESULTS.

    RESULTS are what deploy, convert, profile, evaluate, verify and diagnose print with --json.
    Where a result's .tflite file lies beside it, the page runs the model.
    """
    from edgeq.report.write import write_report

    write_report(results, output, try_it=try_it, force=force)
    if as_json:
        print_json({"output": str(output)})
    else:
        say(f"report: {output}")
