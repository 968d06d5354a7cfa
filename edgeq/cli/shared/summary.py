"""What `edgeq deploy` prints for people."""

from __future__ import annotations

from rich.console import Console  # noqa: TID251  (its type)
from rich.table import Table
from rich.text import Text

from edgeq.cli.profile import op_table
from edgeq.cli.shared.tables import result_console
from edgeq.workflow.deployment import Deployment


def show_deployment(found: Deployment) -> None:
    """Print the figures, the table per op, the limits, and where everything is."""
    console = result_console()
    table = Table("figure", "value", box=None)
    table.columns[1].justify = "right"
    for name, value in _figures(found):
        table.add_row(name, value)
    console.print(table)
    if found.profile.measurement.ops:
        console.print(op_table(found.profile.measurement.ops))
    _show_limits(found, console)
    console.print(f"report: {found.report}", soft_wrap=True)


def _figures(found: Deployment) -> list[tuple[str, str]]:
    rows = []
    if found.float_accuracy is not None:
        score = found.float_accuracy.score
        rows.append((f"float {score.metric}", f"{score.value:.4f}"))
    if found.accuracy is not None:
        score = found.accuracy.score
        rows.append((f"integer {score.metric} ({found.accuracy.on})", f"{score.value:.4f}"))
    measured = found.profile.measurement
    memory = measured.memory_bytes
    rows += [
        (name, f"{value:,}")
        for name, value in (
            ("flash bytes", memory.flash_total),
            ("arena bytes", memory.arena),
            ("stack bytes", memory.stack),
            ("RAM bytes, all", memory.ram_total),
            ("instructions", measured.instructions),
            ("cycles" + " (estimated)" * measured.cycles_estimated, measured.cycles),
        )
        if value is not None
    ]
    if found.latency_ms is not None:
        estimated = " (estimated)" if measured.latency_us is None else ""
        rows.append((f"latency, ms{estimated}", f"{found.latency_ms:.4g}"))
    for check in found.verifications:
        words = f"equal to {check.against}, {check.compared} inputs"
        if not check.equal:
            words = f"{check.differing} of {check.compared} inputs DIFFER from {check.against}"
        rows.append((f"bytes on {check.on}", words))
    return rows


def _show_limits(found: Deployment, console: Console) -> None:
    for check in found.limits:
        if check.met and check.source == "always":
            continue
        value = "unknown" if check.value is None else f"{check.value:,.6g}"
        verdict = Text("met", "green") if check.met else Text("MISSED", "red")
        words = f"{check.name}: {value}, limit {check.limit:,.6g} ({check.source}):"
        console.print(words, verdict)
