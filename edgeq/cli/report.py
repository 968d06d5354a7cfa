"""`edgeq report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeq.cli.shared.common import force_option, json_option, print_json
from edgeq.support.jsontext import read_json
from edgeq.support.output import check_writable, write_whole
from edgeq.support.terminal import say


@click.command(epilog="Example: edgeq report profile.json accuracy.json -o report.html")
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", default="report.html", show_default=True, type=click.Path(path_type=Path),
    help="The HTML file to write.",
)  # fmt: skip
@force_option
@json_option
def report(results: tuple[Path, ...], output: Path, force: bool, as_json: bool) -> None:
    """Make one self-contained HTML page of RESULTS.

    RESULTS are what deploy, convert, profile, evaluate, verify and diagnose print with --json.
    """
    from edgeq.report.html import combine, render

    check_writable(output, force=force)
    combined = combine([(str(path), _read(path)) for path in results])
    write_whole(output, render(combined))
    if as_json:
        print_json({"output": str(output)})
    else:
        say(f"report: {output}")


def _read(path: Path) -> dict[str, Any]:
    found = read_json(path, "result")
    return found if isinstance(found, dict) else {}
