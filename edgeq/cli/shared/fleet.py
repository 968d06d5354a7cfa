"""Commands on `group:NAME` or with several runtimes: a live table, then one report for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.live import Live
from rich.table import Table

from edgeq.analysis.evaluation.evaluate import Evaluation
from edgeq.analysis.evaluation.recordings import EventEvaluation
from edgeq.analysis.fleet.each import Progress
from edgeq.analysis.fleet.groups import probe_group
from edgeq.analysis.fleet.results import FleetReport, FleetResult
from edgeq.cli.shared.common import print_json
from edgeq.cli.shared.tables import result_console, show_columns
from edgeq.devices.base import Latency
from edgeq.report.account import energy_lines, figure_text
from edgeq.report.units import megabytes
from edgeq.support.figures import score_text


def ask_each(
    ask: Callable[[Progress], FleetReport],
    show: Callable[[FleetReport], None],
    *,
    as_json: bool,
    strict: bool = False,
) -> int:
    """Ask several devices, or several runtimes, and print what they gave; the exit code.

    Args:
        ask: Does it, and tells its progress.
        show: Prints what was found as a table.
        strict: Whether a run that was disturbed counts as a limit that is not met.
    """
    with _live_states() as tell:
        report = ask(tell)
    if as_json:
        print_json(report.to_json())
    else:
        show(report)
        _show_failed(report)
    disturbed = any(each.profile and not each.profile.measurement.valid for each in report.results)
    return report.exit_code or (3 if strict and disturbed else 0)


def show_evaluations(report: FleetReport) -> None:
    """Print one column a device or runtime."""
    found = {each.name: each.evaluation for each in report.results if each.evaluation}
    show_columns("figure", {name: _accuracy(each) for name, each in found.items()})
    for name, each in found.items():
        for warning in each.warnings:
            result_console(err=True).print(
                f"Warning: {name}: {warning}", highlight=False, markup=False
            )


def probe_fleet(group: str, *, as_json: bool) -> int:
    """Probe every device of a group and print one column a device; the exit code."""
    report = probe_group(group)
    if as_json:
        print_json(report.to_json())
    else:
        columns = {each.name: shown_facts(each.facts) for each in report.results if each.facts}
        show_columns("fact", columns)
        _show_failed(report)
    return report.exit_code


def shown_facts(facts: Mapping[str, Any]) -> dict[str, str]:
    """What a probe found, as cells of a table."""
    shown = {name.replace("_", " "): _text(value) for name, value in facts.items()}
    shown["runtimes"] = "\n".join(
        f"{name}: {found['reason'] or 'yes'}" for name, found in facts["runtimes"].items()
    )
    return shown


def _text(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return str(value)


def _accuracy(found: Evaluation | EventEvaluation) -> dict[str, str]:
    if isinstance(found, EventEvaluation):
        return _decided(found.total.to_json())
    figures = {found.score.metric: found.score.value, **found.score.details}
    shown = {
        name: score_text(value) for name, value in figures.items() if isinstance(value, int | float)
    }
    return {**shown, "samples": f"{found.n:,}", **_beside(found)}


def _beside(found: Evaluation) -> dict[str, str]:
    """What was found of the float model and on a second device, as cells of a table."""
    cells = {}
    if found.real is not None:
        cells["float"] = score_text(found.real.value)
        if found.compared is not None:
            cells["against float"] = str(found.compared)
    if found.also_on is not None:
        cells[f"equal outputs on {found.also_on.on}"] = f"{found.also_on.equal:,}"
    return cells


def _decided(total: Mapping[str, Any]) -> dict[str, str]:
    """What was found in recordings, as cells of a table."""
    shown = {}
    for name, value in total.items():
        if isinstance(value, int | float):
            cell = f"{value:,}" if isinstance(value, int) else score_text(value)
            shown["event f1" if name == "f1" else name.replace("_", " ")] = cell
    return shown


def _show_failed(report: FleetReport) -> None:
    for result in report.failed:
        result_console().print(f"{result.name} failed: {result.error or ''}", style="red")


@contextmanager
def _live_states() -> Iterator[Callable[[str, str], None]]:
    """A table of what each device does, while something is done on all."""
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

        yield show


def show_fleet(report: FleetReport) -> None:
    """Print a line for each device."""
    profiles = [result.profile for result in report.results if result.profile is not None]
    counted = any(profile.measurement.cycles is not None for profile in profiles)
    figures = ["p50 µs", "p99 µs", *(["cycles"] if counted else []), "peak RSS"]
    table = Table("device", "cpu", "runtime", *figures, "valid", box=None)
    for column in table.columns[3:-1]:
        column.justify = "right"
    for result in report.results:
        table.add_row(*_cells(result, counted=counted))
    console = result_console()
    console.print(table)
    for result in report.results:
        if result.profile is None:
            continue
        for line in energy_lines(result.profile.energy):
            console.print(f"{result.name}: {line}", markup=False, soft_wrap=True)
        for warning in result.profile.measurement.warnings:
            text = f"Warning: {result.name}: {warning}"
            console.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _cells(result: FleetResult, *, counted: bool) -> list[str]:
    if result.profile is None:
        return [result.name, *[""] * (6 if counted else 5), "failed"]
    found = result.profile.measurement
    latency, peak = found.latency_us, found.memory_bytes.peak_rss
    cycles = "" if found.cycles is None else figure_text(result.profile.figures["cycles"])
    return [
        result.name,
        str(found.device.get("cpu")),
        str(found.device.get("runtime")),
        _middle(latency) if latency else "",
        f"{latency.p99:,.1f}" if latency and latency.p99 is not None else "",
        *([cycles] if counted else []),
        megabytes(peak),
        "yes" if found.valid else "no",
    ]


def _middle(latency: Latency) -> str:
    """The median; where a tool tells none the mean, which says so."""
    return f"{latency.mean:,.1f} (mean)" if latency.p50 is None else f"{latency.p50:,.1f}"
