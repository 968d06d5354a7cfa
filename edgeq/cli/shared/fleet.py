"""`edgeq profile --on group:NAME`: a live table of progress, then one report."""

from __future__ import annotations

from pathlib import Path

from rich.live import Live
from rich.table import Table

from edgeq.analysis.fleet import FleetReport, FleetResult, profile_group
from edgeq.cli.shared.common import print_json
from edgeq.cli.shared.tables import result_console
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions


def profile_fleet(
    model: Path,
    group: str,
    how: ProfileOptions,
    options: CompileOptions,
    *,
    as_json: bool,
    strict: bool,
) -> int:
    """Measure on every device of a group and print the results; the exit code.

    Args:
        strict: Whether a run that was disturbed counts as a limit that is not met.
    """
    states: dict[str, str] = {}
    console = result_console(err=True)
    with Live(console=console, refresh_per_second=4, transient=True) as live:

        def show(name: str, state: str) -> None:
            states[name] = state
            table = Table("device", "state", box=None)
            for each, what in states.items():
                table.add_row(each, what)
            if console.is_terminal:
                live.update(table)

        report = profile_group(model, group, profile_options=how, options=options, progress=show)
    if as_json:
        print_json(report.to_json())
    else:
        _show(report)
    if report.failed:
        return 1
    disturbed = any(each.profile and not each.profile.measurement.valid for each in report.results)
    return 3 if strict and disturbed else 0


def _show(report: FleetReport) -> None:
    table = Table("device", "cpu", "runtime", "p50 µs", "p99 µs", "peak RSS", "valid", box=None)
    for column in table.columns[3:6]:
        column.justify = "right"
    for result in report.results:
        table.add_row(*_cells(result))
    console = result_console()
    console.print(table)
    for result in report.failed:
        console.print(f"{result.name} failed: {result.error or ''}", style="red")


def _cells(result: FleetResult) -> list[str]:
    if result.profile is None:
        return [result.name, "", "", "", "", "", "failed"]
    found = result.profile.measurement
    latency, peak = found.latency_us, found.memory_bytes.peak_rss
    return [
        result.name,
        str(found.device.get("cpu")),
        str(found.device.get("runtime")),
        f"{latency.typical:,.1f}" if latency else "",
        f"{latency.p99:,.1f}" if latency and latency.p99 is not None else "",
        f"{peak / 1e6:,.1f} MB" if peak else "",
        "yes" if found.valid else "no",
    ]
