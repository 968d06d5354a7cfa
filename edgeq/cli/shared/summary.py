"""What `edgeq deploy` prints for people."""

from __future__ import annotations

from rich.console import Console  # noqa: TID251  (its type)
from rich.table import Table

from edgeq.cli.shared.tables import op_table, result_console
from edgeq.report.account import (
    account_rows,
    check_line,
    energy_lines,
    image_lines,
    latency_lines,
    provenance_lines,
)
from edgeq.report.delegates import delegate_lines
from edgeq.report.ops import delegate_line
from edgeq.report.units import in_bytes
from edgeq.support.figures import score_text
from edgeq.workflow.deployment import Deployment


def show_deployment(found: Deployment) -> None:
    """Print the figures, the table per op, the limits, and where everything is."""
    console = result_console()
    table = Table("figure", "value", box=None)
    table.columns[1].justify = "right"
    for name, value in _figures(found):
        table.add_row(name, value)
    console.print(table)
    figures = found.account.figures
    more = (*energy_lines(figures), *provenance_lines(figures))
    for line in (*latency_lines(found.account), *more):
        console.print(line, markup=False, soft_wrap=True)
    if found.account.image is not None:
        for line in image_lines(found.account.image):
            console.print(line, markup=False, soft_wrap=True)
    ops = found.profile.to_json()["ops"]
    if taken := delegate_line(ops, found.profile.measurement.device.get("delegate")):
        console.print(f"here {taken}", soft_wrap=True, highlight=False)
    for take in found.delegates:
        for line in delegate_lines(take):
            console.print(line, markup=False, soft_wrap=True, highlight=False)
    if found.profile.measurement.ops:
        if any(figure.kind == "stand-in" for figure in found.account.figures.values()):
            console.print(f"by op, on {found.account.on}, which is not {found.target}:")
        console.print(op_table(found.profile.measurement.ops))
    _show_limits(found, console)
    console.print(f"report: {found.report}", soft_wrap=True)


def _figures(found: Deployment) -> list[tuple[str, str]]:
    rows = []
    if found.float_accuracy is not None:
        score = found.float_accuracy.score
        rows.append((f"float {score.metric}", score_text(score.value)))
    if found.accuracy is not None:
        score = found.accuracy.score
        rows.append((f"integer {score.metric} ({found.accuracy.on})", score_text(score.value)))
    if found.events is not None:
        total = found.events.total
        words = f"{total.found} of {total.happened} found, {total.false_accepts} false accepts"
        rows.append((f"events ({found.events.on})", words))
    if found.compared is not None:
        rows.append(("integer against float", str(found.compared)))
    rows.append(("model file", in_bytes(found.result["model"]["file_bytes"])))
    rows.append(("MACs", f"{found.profile.macs:,}"))
    rows += account_rows(found.account)
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
        style = None if check.met else "red"
        console.print(check_line(check), style=style, markup=False, soft_wrap=True)
