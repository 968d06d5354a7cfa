"""`edgeq ops`."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.table import Table

from edgeq.analysis.op_table import markdown, op_table
from edgeq.cli.shared.common import json_option, print_json
from edgeq.cli.shared.tables import result_console
from edgeq.errors import UsageError
from edgeq.support.terminal import say


@click.command(epilog="Example: edgeq ops --markdown")
@click.option("--markdown", "as_markdown", is_flag=True, help="A table for a document.")
@json_option
def ops(as_markdown: bool, as_json: bool) -> None:
    """List the ops that edgeq compiles, by type, beside what TFLM and LiteRT have."""
    if as_json and as_markdown:
        raise UsageError("--json and --markdown are two forms of one table.", hint="give one")
    rows = op_table()
    if as_json:
        print_json({"ops": [asdict(row) for row in rows]})
        return
    if as_markdown:
        say(markdown(rows), nl=False)
        return
    table = Table("op", "edgeq", "TensorFlow Lite Micro", "LiteRT", box=None)
    for row in rows:
        here = ", ".join(row.edgeq) or ("yes" if row.compiled else "-")
        there = "-" if row.tflm is None else ", ".join(row.tflm) or "yes"
        table.add_row(row.op, here, there, f"v{row.litert_version}" if row.litert_version else "-")
    result_console().print(table)
