"""`edgeq tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeq.cli.shared.common import (
    Number,
    Whole,
    force_option,
    import_option,
    json_option,
    print_json,
)
from edgeq.cli.shared.data import dataset_options
from edgeq.cli.shared.tables import result_console
from edgeq.data import DatasetOptions
from edgeq.report.units import seconds
from edgeq.support.figures import mark, score_text
from edgeq.support.sizes import parse_bytes
from edgeq.support.terminal import say
from edgeq.workflow.tuning.front import PREFERENCES, TuneLimits
from edgeq.workflow.tuning.journal import BEST
from edgeq.workflow.tuning.trial import Trial
from edgeq.workflow.tuning.tune import Tuning
from edgeq.workflow.tuning.tune import tune as tune_model


@click.command(
    epilog="Example: edgeq tune kws.keras -o tuned --data calibration.npz --eval test.npz "
    "--max-drop 0.01 --flash 64K"
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for journal and results; a search that was interrupted goes on there.",
)
@click.option("--data", required=True, help="Representative data, as for `edgeq convert`.")
@click.option(
    "--eval", "eval_data", help="Labelled data; without, agreement with float is measured."
)
@click.option(
    "--train", "train_data", help="Labelled data to train on: compressions are tried too."
)
@click.option("--on", default="sim:cortex-m4", show_default=True, help="Device to profile on.")
@click.option(
    "--max-drop", type=Number(), default=0.01, show_default=True, help="Most the metric may lose."
)
@click.option("--flash", help="Limit: flash in all, e.g. 128K.")
@click.option("--ram", help="Limit: RAM in all, e.g. 32K.")
@click.option("--cycles", type=Whole(1, most=2**53), help="Limit: cycles per inference.")
@click.option(
    "--max-latency",
    type=Number(),
    help="Limit: milliseconds; emulated boards count at their clock.",
)
@click.option(
    "--max-energy",
    type=Number(),
    help="Limit: microjoules; for emulated boards whose currents are known.",
)
@click.option("--metric", default="classification", show_default=True, help="As for evaluate.")
@click.option(
    "--prefer",
    type=click.Choice(PREFERENCES),
    default="balanced",
    show_default=True,
    help="What counts most among models that keep to the limits.",
)
@click.option("--trials", type=Whole(1), default=40, show_default=True, help="Candidates to try.")
@click.option("--minutes", type=Number(), help="Begin no further trial after so many minutes.")
@click.option(
    "--workers",
    metavar="N|tcp://HOST:PORT",
    help="Local processes, or the scheduler of a dask cluster; by default one process per core.",
)
@click.option("--limit", type=Whole(1), default=500, show_default=True, help="Samples.")
@click.option("--seed", type=Whole(0), default=0, show_default=True, help="Of the search.")
@click.option("--trust", is_flag=True, help="Run code inside a Keras file (Lambda layers).")
@import_option
@dataset_options
@force_option
@json_option
@click.pass_context
def tune(
    ctx: click.Context,
    /,
    model: Path,
    max_drop: float | None,
    flash: str | None,
    ram: str | None,
    cycles: int | None,
    max_latency: float | None,
    max_energy: float | None,
    reading: DatasetOptions,
    as_json: bool,
    **settings: Any,
) -> None:
    """Search schemes, precisions of layers and compressions of MODEL for a device and limits.

    Prints the Pareto front of accuracy, flash, RAM and time, and what to take. The exit code is 3
    when nothing keeps to the limits; what comes nearest is shown then.
    """
    limits = TuneLimits(
        max_drop,
        parse_bytes(flash),
        parse_bytes(ram),
        cycles,
        None if max_latency is None else max_latency * 1000,
        max_energy,
    )
    result = tune_model(model, limits=limits, dataset_options=reading, **settings)
    if as_json:
        print_json(result.to_json())
    else:
        show_tuning(result)
    for warning in result.warnings:
        say(f"Warning: {warning}", err=True)
    if not result.met:
        ctx.exit(3)


def _score(trial: Trial) -> str:
    """The score with its 95 % interval."""
    if trial.score_interval is None:
        return score_text(trial.score)
    low, high = (score_text(end, digits=3) for end in trial.score_interval)
    return f"{score_text(trial.score)} ({low}-{high})"


def _time(trial: Trial) -> str:
    """Cycles, or microseconds and how far single inferences were apart."""
    if not trial.time_spread:
        return f"{trial.time:,.0f}"
    doubt = " (disturbed)" if trial.disturbed else ""
    return f"{trial.time:,.1f} ±{trial.time_spread:,.1f}{doubt}"


def show_tuning(result: Tuning) -> None:
    """Print the front, and what to take."""
    from rich.table import Table

    timed = result.best.cycles is None
    said = "" if result.cycles.kind == "unknown" else mark(result.cycles)
    headings = ("", "candidate", result.metric, "flash", "RAM", "us" if timed else f"cycles{said}")
    table = Table(*headings, box=None)
    for column in table.columns[2:]:
        column.justify = "right"
    for trial in result.front:
        table.add_row(
            "*" if trial == result.best else "",
            trial.candidate.key,
            _score(trial),
            f"{trial.flash_bytes:,}",
            f"{trial.ram_bytes:,}",
            _time(trial),
        )
    result_console().print(table)
    failed = sum(bool(trial.error) for trial in result.trials)
    say(
        f"{len(result.trials)} candidates tried in {seconds(result.seconds)}, "
        f"{failed} not possible; float {score_text(result.real)}"
    )
    if not result.met:
        say("Nothing keeps to all limits. What comes nearest:")
    say(f"Take: {result.best.candidate.key} ({result.output / BEST})")
    for layer, scheme in result.layers.items():
        say(f"  {layer}: {scheme}")
