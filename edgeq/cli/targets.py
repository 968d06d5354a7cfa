"""`edgeq targets`: what boards and hosts there are, and which of them a model fits."""

from __future__ import annotations

from typing import Any

import click

from edgeq.boards.target import Target, all_targets, load_target
from edgeq.cli.shared.common import (
    compile_options,
    json_option,
    print_json,
    refuse_budgets,
    takes_only,
)
from edgeq.compiler.options import CompileOptions
from edgeq.errors import UsageError
from edgeq.report.units import capacity, clock
from edgeq.support.terminal import say


@click.command(epilog="Example: edgeq targets --kind board\n\nedgeq targets nucleo-f446re --json")
@click.argument("name", required=False)
@click.option("--kind", type=click.Choice(["board", "host", "emulator"]), help="Only this kind.")
@click.option("--fits", type=click.Path(), metavar="MODEL", help="Which of them hold this model?")
@click.option(
    "--runtime",
    type=click.Choice(["c", "tflm"]),
    default="c",
    show_default=True,
    help="With --fits: generated C, or TensorFlow Lite Micro.",
)
@compile_options
@json_option
def targets(
    name: str | None,
    kind: str | None,
    fits: str | None,
    runtime: str,
    options: CompileOptions,
    as_json: bool,
) -> None:
    """List the boards and hosts edgeq knows, or all the facts of one (NAME or a TOML file).

    With --fits, each board's memories are held against the image that would be linked for it, or
    against what the model's program takes where there is none.
    """
    if fits is not None:
        refuse_budgets(options, runtime)
        of_c = ("optimize", "ram", "flash", "cycles", "accept_stand_in") * (runtime == "c")
        takes_only(f"--fits ({runtime})", "name", "kind", "fits", "runtime", *of_c, "as_json")
        _print_fits(fits, _boards(name, kind), options, runtime, as_json=as_json)
        return
    takes_only("a list", "name", "kind", "as_json", hint="--fits MODEL asks which hold a model")
    if name is not None:
        takes_only("one target", "name", "as_json")
        target = load_target(name)
        if as_json:
            print_json({"targets": [as_dict(target)]})
        else:
            _print_one(target)
        return
    chosen = [target for target in all_targets() if kind in (None, target.kind)]
    if as_json:
        print_json({"targets": [as_dict(target) for target in chosen]})
    else:
        _print_table(chosen)


def _boards(name: str | None, kind: str | None) -> list[Target]:
    """The boards that a model is held against.

    Raises:
        UsageError: There is none.
    """
    named = [load_target(name)] if name else all_targets()
    chosen = [each for each in named if kind in (None, each.kind) and each.kind != "host"]
    if not chosen:
        raise UsageError(
            "There is no board among them; on hosts memory is no question.",
            hint="another NAME or --kind",
        )
    return chosen


def as_dict(target: Target) -> dict[str, Any]:
    """A target as plain values for JSON."""
    uart = target.uart
    return {
        "name": target.name,
        "title": target.title,
        "kind": target.kind,
        "cpu": target.cpu,
        "isa": list(target.isa),
        "clock_hz": target.clock_hz,
        "cycle_counter": target.cycle_counter,
        "toolchain": target.toolchain,
        "flash_bytes": target.flash_bytes,
        "ram_bytes": target.ram_bytes,
        "memory": list(target.memory),
        "system": target.system,
        "templates": list(target.templates),
        "uart": uart and {"driver": uart.driver, "baud": uart.baud, "pins": uart.pins},
        "flash_tools": dict(target.flash_tools),
        "emulators": dict(target.emulators),
        "frameworks": dict(target.frameworks),
        "host": dict(target.host),
        "sources": dict(target.sources),
    }


def _print_table(chosen: list[Target]) -> None:
    from rich.table import Table

    from edgeq.cli.shared.tables import result_console

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "board or host", "cpu"):
        table.add_column(heading, no_wrap=heading == "name")
    for heading in ("clock", "flash", "RAM"):
        table.add_column(heading, justify="right", no_wrap=True)
    for target in chosen:
        cpu = " ".join([target.cpu, *target.isa])
        flash, ram = capacity(target.flash_bytes), capacity(target.ram_bytes)
        table.add_row(target.name, target.title, cpu, clock(target.clock_hz), flash, ram)
    result_console().print(table)


def _print_fits(
    model: str, chosen: list[Target], options: CompileOptions, runtime: str, *, as_json: bool
) -> None:
    from edgeq.analysis.fit import fit_tflm
    from edgeq.analysis.fit import fits as fits_of
    from edgeq.analysis.models import as_tflite
    from edgeq.report.account import figure_text, margins

    with as_tflite(model) as path:
        if runtime == "tflm":
            found = [fit_tflm(path, target) for target in chosen]
        else:
            found = fits_of(path, chosen, options)
    if as_json:
        print_json({"targets": [fit.to_json() for fit in found]})
        return
    for fit in sorted(found, key=lambda fit: not fit.fits):
        mark = "fits" if fit.fits else "?" if fit.unknown else "no"
        latency = "" if fit.account is None else figure_text(fit.account.latency_ms)
        say(f"{mark:<5}{fit.target:<28}{margins(fit.checks)}  latency {latency}")
        for line in (*fit.advice, *fit.error.splitlines()):
            say(f"     {line}")


def _print_one(target: Target) -> None:
    say(f"{target.name}: {target.title} ({target.kind})")
    say(f"  cpu        {' '.join([target.cpu, *target.isa])}, {clock(target.clock_hz)}")
    for region in target.memory:
        say(f"  {region.name:<10} {region.origin:#010x}  {capacity(region.size_bytes)}")
    if not target.memory:
        say(f"  RAM        {capacity(target.ram_bytes)}")
    if target.system.name:
        flash, ram = capacity(target.system.flash_bytes), capacity(target.system.ram_bytes)
        say(f"  system     {target.system.name}: {flash} flash, {ram} RAM")
    for label, names in (
        ("templates", target.templates),
        ("flashing", tuple(target.flash_tools)),
        ("emulators", tuple(target.emulators)),
    ):
        if names:
            say(f"  {label:<10} {', '.join(names)}")
    say("  sources")
    for fact, source in target.sources.items():
        say(f"    {fact}: {source}")
