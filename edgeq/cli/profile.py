"""`edgeq profile`."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console  # noqa: TID251  (its type)
from rich.table import Table

from edgeq.analysis.energy.figures import ENERGY_FIGURES, duty_of
from edgeq.analysis.profiling import Profile
from edgeq.analysis.profiling import profile as profile_model
from edgeq.cli.shared.common import (
    Number,
    Whole,
    compile_options,
    frontend_options,
    json_option,
    print_json,
    runtime_option,
    runtimes_of,
)
from edgeq.cli.shared.duty import duty_options, power_option
from edgeq.cli.shared.tables import op_table, result_console, show_columns
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import Latency, ProfileOptions
from edgeq.devices.query import cores
from edgeq.devices.registry import on_runtime
from edgeq.report.account import NAMES, energy_lines, plain_text, provenance_lines
from edgeq.report.units import in_macs, latency_name, microseconds
from edgeq.support.figures import mark

if TYPE_CHECKING:
    from edgeq.analysis.fleet.results import FleetReport


@click.command(epilog="Example: edgeq profile kws_int8.tflite --on sim:cortex-m4")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--on", default="local", show_default=True, help="Device address, or group:NAME.")
@runtime_option
@click.option("-n", "--runs", type=Whole(1), help="Timed calls.")
@click.option("--warmup", type=Whole(0), help="Untimed calls before; by default until steady.")
@click.option("--seconds", type=Number(0.0), help="Length of the timed part on hosts.")
@click.option("--threads", type=Whole(1), help="Threads of the runtime (ssh:, adb:).")
@click.option("--cpu", metavar="LIST", help="Cores to stay on, such as 0,4-6 (ssh:, adb:).")
@click.option(
    "--sustained",
    type=Number(0.0, min_open=True),
    metavar="MINUTES",
    help="Measure for so long, to see throttling (ssh:, adb:).",
)
@click.option(
    "--paced",
    type=Number(0.0, min_open=True),
    metavar="HZ",
    help="Make so many calls a second, as a camera would (ssh:, adb:).",
)
@click.option("--no-ops", is_flag=True, help="Leave the per-op figures out.")
@click.option(
    "--input-index",
    type=Whole(0),
    default=0,
    show_default=True,
    help="Number of the reproducible input that is fed.",
)
@power_option
@duty_options
@click.option("--require-valid", is_flag=True, help="Exit with 3 if the run was disturbed.")
@compile_options
@frontend_options
@json_option
@click.pass_context
def profile(
    ctx: click.Context,
    model: Path,
    on: str,
    runtime: str | None,
    runs: int | None,
    warmup: int | None,
    seconds: float | None,
    threads: int | None,
    cpu: str | None,
    sustained: float | None,
    paced: float | None,
    no_ops: bool,
    input_index: int,
    power: str | None,
    every: str | None,
    battery: str | None,
    require_valid: bool,
    options: CompileOptions,
    as_json: bool,
) -> None:
    """Measure MODEL.tflite on a device: latency or cycles, memory, per op."""
    extra = {
        "threads": threads,
        "cpu": None if cpu is None else cores(cpu, "--cpu"),
        "sustained_s": sustained and 60 * sustained,
        "paced_hz": paced,
    }
    given = {name: value for name, value in extra.items() if value is not None}
    how = ProfileOptions(runs, warmup, seconds, not no_ops, input_index, given)
    duty = duty_of(every, battery)
    asked: dict[str, Any] = {
        "profile_options": how, "options": options, "duty": duty, "power": power
    }  # fmt: skip
    runtimes = runtimes_of(runtime, on)
    if on.startswith("group:") or len(runtimes) > 1:
        from edgeq.analysis.fleet.groups import profile_group
        from edgeq.analysis.fleet.runtimes import profile_runtimes
        from edgeq.cli.shared.fleet import ask_each, show_fleet

        if runtimes:
            measure, show = partial(profile_runtimes, model, on, runtimes), _show_runtimes
        else:
            measure, show = partial(profile_group, model, on), show_fleet
        ctx.exit(
            ask_each(
                lambda tell: measure(**asked, progress=tell),
                show,
                as_json=as_json,
                strict=require_valid,
            )
        )
    if runtimes:
        on = on_runtime(on, runtimes[0])
    result = profile_model(model, on=on, **asked)
    if as_json:
        print_json(result.to_json())
    else:
        show_profile(result, result_console())
    if require_valid and not result.measurement.valid:
        ctx.exit(3)


def _show_runtimes(report: FleetReport) -> None:
    """Print one column a runtime."""
    profiles = {each.name: each.profile for each in report.results if each.profile}
    if profiles:
        head = f"{next(iter(profiles.values())).path} on {report.group}"
        result_console().print(head, highlight=False, markup=False, soft_wrap=True)
        show_columns("figure", {name: _column(found) for name, found in profiles.items()})
    for name, found in profiles.items():
        for warning in found.measurement.warnings:
            text = f"Warning: {name}: {warning}"
            result_console().print(text, style="yellow", highlight=False)


def _column(result: Profile) -> dict[str, str]:
    """What one runtime is and did, as cells of a table."""
    found = result.measurement
    told = {
        name: found.device.get(name) for name in ("runtime_version", "delegate", "isa", "threads")
    }
    cells = {
        name.replace("_", " "): str(value) for name, value in told.items() if value is not None
    }
    for title, value in _figures(result):
        # What is said of one runtime's figure stands with it: the row is everybody's.
        name, _, kind = title.partition(" (")
        cells[name] = f"{value} ({kind}" if kind else value
    cells["outputs, SHA-256"] = (found.output_sha256 or "")[:12]
    return {**cells, "valid": "yes" if found.valid else "no"}


def show_profile(result: Profile, console: Console) -> None:
    """Print a profile as tables."""
    found = result.measurement
    device = found.device
    console.print(
        f"{result.path} on {device['address']}: {device.get('cpu')}, {device.get('runtime')} "
        f"{device.get('runtime_version') or ''}",
        highlight=False,
    )
    table = Table("figure", "value", box=None)
    table.columns[1].justify = "right"
    for name, value in _figures(result):
        table.add_row(name, value)
    console.print(table)
    for line in (*energy_lines(result.energy), *provenance_lines(result.figures)):
        console.print(line, markup=False, soft_wrap=True)
    if found.ops:
        console.print(op_table(found.ops))
    for warning in found.warnings:
        console.print(f"Warning: {warning}", style="yellow", highlight=False)
    if not found.valid:
        console.print("The run was disturbed; its figures are not valid.", style="red")


def _figures(result: Profile) -> list[tuple[str, str]]:
    found = result.measurement
    rows = [("MACs", in_macs(result.macs, result.unknown_loops).replace(" MACs", ""))]
    if found.latency_us is not None:
        rows += _latency_rows(found.latency_us, valid=found.valid)
    rows += [
        (_name(path) + mark(entry), plain_text(entry))
        for path, entry in result.figures.items()
        if path != "latency_us" and entry.value is not None
    ]
    return rows


def _name(path: str) -> str:
    """What people call a figure; its unit stands with its value."""
    return (
        NAMES[path]
        if path in ENERGY_FIGURES
        else path.removeprefix("memory_bytes.").replace("_", " ")
    )


def _latency_rows(latency: Latency, *, valid: bool) -> list[tuple[str, str]]:
    known = asdict(latency)
    middle = ["mean", "stdev"] if latency.p50 is None else ["p50", "p90", "p99"]
    names = ["min", *middle, "max", "first"]
    return [
        (latency_name(name, known, valid=valid), microseconds(known[name]))
        for name in names
        if known[name] is not None
    ]
