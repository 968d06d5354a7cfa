"""`edgeq evaluate --recordings`: its options, and how its result is shown."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeq.analysis.evaluation.recordings import EventEvaluation, evaluate_recordings
from edgeq.cli.shared.common import (
    Number,
    compile_options,
    frontend_options,
    import_option,
    json_option,
    names_of,
    print_json,
    takes_only,
)
from edgeq.cli.shared.tables import result_console, show_table
from edgeq.devices.registry import on_runtime
from edgeq.errors import UsageError
from edgeq.metrics.events import Tally
from edgeq.report.units import moment
from edgeq.support.terminal import say

if TYPE_CHECKING:
    from edgeq.analysis.fleet.results import FleetReport

# Options of labelled data that recordings have no use for.
_NOT_OF_RECORDINGS = ("data", "limit", "robustness", "against")
# What they take of evaluate's own, beside all that these groups of options have.
_OF_RECORDINGS = ("model", "on", "runtime", "also_on", "trust", "resample")
_GROUPS = (compile_options, frontend_options, json_option, import_option)


@dataclass(frozen=True)
class RecordingOptions:
    """What `recordings_options` collects; `folder` is None where recordings were not asked for."""

    folder: Path | None
    tolerance_s: float | None
    seconds: float | None
    tune_decision: float | None


def recordings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of recordings, collected as `recorded: RecordingOptions`."""

    @click.option(
        "--recordings",
        metavar="FOLDER",
        type=click.Path(path_type=Path),
        help="Instead of --data: whole .wav or .csv files through --frontend, model and decision, "
        "with events.csv (file, start, end, label; seconds).",
    )
    @click.option(
        "--tolerance",
        metavar="SECONDS",
        type=Number(0),
        help="So long after its end an event may be found; by default as far as an answer looks "
        "back, half a second at the least.",
    )
    @click.option(
        "--seconds",
        metavar="N",
        type=Number(0, min_open=True),
        help="Use the first N seconds of the recordings.",
    )
    @click.option(
        "--tune-decision",
        metavar="[RATE]",
        is_flag=False,
        flag_value="1",
        type=Number(0),
        help="Best thresholds with at most RATE false accepts an hour (1 if left out).",
    )
    @functools.wraps(command)
    def wrapper(
        *args: Any,
        recordings: Path | None,
        tolerance: float | None,
        seconds: float | None,
        tune_decision: float | None,
        **kwargs: Any,
    ) -> Any:
        recorded = RecordingOptions(recordings, tolerance, seconds, tune_decision)
        asked = click.get_current_context().get_parameter_source("on")
        if recordings is not None and asked == click.core.ParameterSource.DEFAULT:
            kwargs["on"] = "c"  # where front ends run
        return command(*args, recorded=recorded, **kwargs)

    return wrapper


def check_recordings(ctx: click.Context, recorded: RecordingOptions) -> None:
    """Refuse options that do not go together.

    Raises:
        UsageError: Both kinds of data or none, or an option of the other kind.
    """
    if recorded.folder is None:
        if ctx.params["data"] is None:
            raise UsageError("Neither --data nor --recordings is given.", hint="--data LABELLED")
        given = {"--tolerance": recorded.tolerance_s, "--seconds": recorded.seconds,
                 "--tune-decision": recorded.tune_decision}  # fmt: skip
        stray = [name for name, value in given.items() if value is not None]
        if stray:
            raise UsageError(f"{stray[0]} is of --recordings.", hint="--recordings FOLDER")
        return
    stray = [name for name in _NOT_OF_RECORDINGS if ctx.params[name]]
    if stray:
        raise UsageError(f"--{stray[0]} and --recordings exclude each other.")
    taken = names_of(recordings_options, *_GROUPS)
    takes_only("--recordings", *_OF_RECORDINGS, *taken, hint="it is of labelled data: --data")
    if ctx.params["on"].startswith("group:"):
        raise UsageError("--recordings takes one device.", hint="--on ADDRESS")


def judge_recordings(
    model: Path,
    recorded: RecordingOptions,
    how: Mapping[str, Any],
    runtimes: Sequence[str],
    *,
    as_json: bool,
) -> int:
    """Evaluate, on one device with the runtimes asked for, and print the result; the exit code.

    Args:
        how: Arguments of `evaluate_recordings` that are options of all evaluations.
        runtimes: The words of --runtime.
    """
    asked: dict[str, Any] = {
        **how,
        "recordings": recorded.folder,
        "tolerance_s": recorded.tolerance_s,
        "seconds": recorded.seconds,
        "tune_decision": recorded.tune_decision,
    }
    if len(runtimes) > 1:
        from edgeq.analysis.fleet.runtimes import evaluate_runtimes
        from edgeq.cli.shared.fleet import ask_each

        ask = partial(evaluate_runtimes, model, asked.pop("on"), runtimes, **asked)
        return ask_each(lambda tell: ask(progress=tell), _show_each, as_json=as_json)
    if runtimes:
        asked["on"] = on_runtime(asked["on"], runtimes[0])
    _show_result(evaluate_recordings(model, **asked), as_json=as_json)
    return 0


def _show_each(report: FleetReport) -> None:
    """Print one column a runtime, and what was asked for besides."""
    from edgeq.cli.shared.fleet import show_evaluations

    show_evaluations(report)
    for each in report.results:
        if isinstance(each.evaluation, EventEvaluation):
            for line in _asked_lines(each.evaluation):
                say(f"{each.name}: {line}")


def _show_result(result: EventEvaluation, *, as_json: bool) -> None:
    """Print the result: the headline, classes, and thresholds where they were looked for."""
    if as_json:
        print_json(result.to_json())
    else:
        _show(result)
    for warning in result.warnings:
        say(f"Warning: {warning}", err=True)


def _show(result: EventEvaluation) -> None:
    total = result.total
    say(
        f"{result.recordings} recordings, {moment(result.seconds, 1)} ({result.on}); an event may "
        f"be found until {moment(result.tolerance_s)} after its end"
    )
    say(
        f"{total.found} of {total.happened} found, {total.misses} missed, {total.false_accepts} "
        f"false accepts ({total.false_accepts_per_hour:.2f} an hour), {_f1(total)}"
    )
    if total.latency_s is not None:
        latency = total.latency_s
        say(
            f"latency from an event's start {moment(latency.p50)} (median), "
            f"{moment(latency.max)} (longest); from its end {moment(latency.after_end_p50)} "
            "(median)"
        )
    headings = ("class", "happened", "found", "missed", "false accepts", "an hour", "F1",
                "latency s")  # fmt: skip
    rows = [
        (
            label,
            str(tally.happened),
            str(tally.found),
            str(tally.misses),
            str(tally.false_accepts),
            f"{tally.false_accepts_per_hour:.2f}",
            "" if tally.f1 is None else f"{tally.f1:.4f}",
            "" if tally.latency_s is None else f"{tally.latency_s.p50:.2f}",
        )
        for label, tally in result.by_class.items()
    ]
    show_table(result_console(), headings, rows, right=range(1, len(headings)))
    for line in _asked_lines(result):
        say(line)


def _asked_lines(result: EventEvaluation) -> Iterator[str]:
    """What a second device decided, and the thresholds that were looked for."""
    if result.also_on is not None:
        yield f"events on {result.also_on[0]}: {'the same' if result.also_on[1] else 'different'}"
    if result.tuned is not None:
        tuned = result.tuned
        best = tuned.result
        yield (
            f"best for {tuned.wanted_per_hour:g} false accepts an hour: {best.found} of "
            f"{best.happened} found, {best.false_accepts_per_hour:.2f} an hour, {_f1(best)}"
            + ("" if tuned.reached else "; no thresholds are strict enough")
        )
        yield tuned.table()


def _f1(tally: Tally) -> str:
    return "F1 -" if tally.f1 is None else f"F1 {tally.f1:.4f}"
