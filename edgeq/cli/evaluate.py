"""`edgeq evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from edgeq.analysis.evaluation.evaluate import Evaluation
from edgeq.analysis.evaluation.evaluate import evaluate as evaluate_model
from edgeq.analysis.evaluation.robustness import Robustness
from edgeq.analysis.evaluation.robustness import robustness as robustness_of
from edgeq.cli.shared.common import (
    Whole,
    compile_options,
    frontend_options,
    import_option,
    json_option,
    print_json,
    runtime_option,
    runtimes_of,
)
from edgeq.cli.shared.data import dataset_options
from edgeq.cli.shared.recordings import (
    RecordingOptions,
    check_recordings,
    judge_recordings,
    recordings_options,
)
from edgeq.cli.shared.tables import result_console
from edgeq.compiler.options import CompileOptions
from edgeq.data import DatasetOptions
from edgeq.devices.registry import on_runtime
from edgeq.errors import UsageError
from edgeq.metrics.base import Score
from edgeq.support.figures import score_text
from edgeq.support.terminal import say

_MAX_CLASSES_SHOWN = 20


@click.command(
    epilog="Example: edgeq evaluate kws_int8.tflite --on c --data test.npz --metric classification"
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--on", default="local", show_default=True, help="Device address, or group:NAME.")
@runtime_option
@click.option(
    "--data",
    help="Labelled data: .npz with x and y (others: file.npz:specs,labels), a folder with one "
    "subfolder per class, .csv, .tfrecord, or module:function that yields (x, y).",
)
@click.option(
    "--metric",
    default="classification",
    show_default=True,
    help="classification, regression, anomaly, segmentation, multi-label, detection, or "
    "module:function of your own: (outputs, labels) -> number or dict; set its attribute "
    "larger_is_better to False where less is better.",
)
@click.option("--limit", type=Whole(1), help="Use at most so many samples.")
@click.option("--also-on", help="A second device, whose outputs are compared sample by sample.")
@click.option("--robustness", is_flag=True, help="With disturbed inputs too: noise, shift, ...")
@click.option(
    "--against", type=click.Path(path_type=Path),
    help="The float model, on the very same samples: is the difference noise?",
)  # fmt: skip
@click.option("--trust", is_flag=True, help="Run code inside a Keras file (Lambda layers).")
@import_option
@recordings_options
@dataset_options
@compile_options
@frontend_options
@json_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    model: Path,
    on: str,
    runtime: str | None,
    data: str | None,
    metric: str,
    limit: int | None,
    also_on: str | None,
    robustness: bool,
    against: Path | None,
    trust: bool,
    recorded: RecordingOptions,
    reading: DatasetOptions,
    options: CompileOptions,
    as_json: bool,
) -> None:
    """Accuracy of MODEL (.tflite; Keras, SavedModel, ONNX, PyTorch) with a device's arithmetic."""
    check_recordings(ctx, recorded)
    if recorded.folder is not None:
        how = {"on": on, "also_on": also_on, "options": options, "trust": trust,
               "resample": reading.resample}  # fmt: skip
        ctx.exit(judge_recordings(model, recorded, how, runtimes_of(runtime, on), as_json=as_json))
    common: dict[str, Any] = {
        "data": data,
        "metric": metric,
        "limit": limit,
        "dataset_options": reading,
        "options": options,
    }
    result: Evaluation | Robustness
    runtimes = runtimes_of(runtime, on)
    if robustness:
        _check_robustness(on, also_on, options, runtimes)
    if on.startswith("group:") or len(runtimes) > 1:
        every = {**common, "trust": trust, "also_on": also_on, "against": against}
        ctx.exit(_evaluate_each(model, on, runtimes, every, as_json=as_json))
    common["on"] = on_runtime(on, runtimes[0]) if runtimes else on
    if robustness:
        result = robustness_of(model, against=against, trust=trust, **common)
    else:
        result = evaluate_model(model, trust=trust, also_on=also_on, against=against, **common)
    if as_json:
        print_json(result.to_json())
    elif isinstance(result, Robustness):
        _show_robustness(result)
    else:
        show_evaluation(result)
    for warning in result.warnings:
        say(f"Warning: {warning}", err=True)


def _evaluate_each(
    model: Path, on: str, runtimes: Sequence[str], how: Mapping[str, Any], *, as_json: bool
) -> int:
    """Evaluate on the devices of a group, or with several runtimes; the exit code."""
    from edgeq.analysis.fleet.groups import evaluate_group
    from edgeq.analysis.fleet.runtimes import evaluate_runtimes
    from edgeq.cli.shared.fleet import ask_each, show_evaluations

    if runtimes:
        ask = partial(evaluate_runtimes, model, on, runtimes, **how)
    else:
        ask = partial(evaluate_group, model, on, **how)
    return ask_each(lambda tell: ask(progress=tell), show_evaluations, as_json=as_json)


def _check_robustness(
    on: str, also_on: str | None, options: CompileOptions, runtimes: Sequence[str]
) -> None:
    if options.frontend is not None:
        raise UsageError("--robustness disturbs the model's input, not recordings.")
    if also_on is not None:
        raise UsageError("--also-on and --robustness exclude each other.")
    if on.startswith("group:"):
        raise UsageError("--robustness takes one device.", hint="--on ADDRESS")
    if len(runtimes) > 1:
        raise UsageError("--robustness takes one runtime.", hint=f"--runtime {runtimes[0]}")


def show_evaluation(result: Evaluation) -> None:
    """Print an evaluation: what was understood, the headline figure, details, confusion matrix."""
    score = result.score
    _show_understood(result)
    say(
        f"{score.metric} {score_text(score.value)} on {result.n} samples ({result.on})"
        f"{_interval(score, score.metric)}"
    )
    for name, value in score.details.items():
        if isinstance(value, int | float):
            say(f"{name} {value:g}{_interval(score, name)}")
    if result.real is not None:
        say(f"float {score_text(result.real.value)} ({result.against}); {result.compared}")
    if result.also_on is not None:
        same = result.also_on
        classes = "" if same.same_class is None else f"same class: {same.same_class}; "
        say(
            f"equal outputs on {same.on}: {same.equal} of {result.n}; {classes}"
            f"largest difference {same.max_difference:.4g}"
        )
    if "top_k" in score.details:
        say("  ".join(f"top-{k} {score_text(v)}" for k, v in score.details["top_k"].items()))
    if "confusion" in score.details:
        _show_confusion(score.details, result.classes)


def _interval(score: Score, name: str) -> str:
    """A figure's 95 % interval for people; empty where there is none."""
    found = score.intervals.get(name)
    return "" if found is None else f"  [95 %: {score_text(found[0])} to {score_text(found[1])}]"


def _show_understood(result: Evaluation) -> None:
    """What was read, so that a mistake in it is seen before the figure is believed."""
    if result.data is not None:
        say(str(result.data))
    if result.outputs is not None:
        say(f"outputs: {result.outputs}")


def _show_robustness(result: Robustness) -> None:
    from rich.table import Table

    if result.data is not None:
        say(str(result.data))
    headings = ("disturbance", "level", "float", "integer", "agreement", "confidence error")
    table = Table(*headings, "float's", "worst class", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in result.rows:
        compared = row.comparison
        figures = [row.real, row.integer]
        if compared is not None:
            figures += [compared.agreement, compared.calibration_error]
            figures += [compared.float_calibration_error]
        cells = ["" if figure is None else score_text(figure) for figure in figures]
        if compared is not None:
            drops = [drop for drop in compared.recall_drop if drop is not None]
            worst = max(drops, default=0.0)
            cells.append(
                f"{compared.recall_drop.index(worst)}: -{score_text(worst)}" if worst > 0 else ""
            )
        table.add_row(row.disturbance, f"{row.level:g}", *cells)
    result_console().print(table)


def _show_confusion(details: Mapping[str, Any], classes: tuple[str, ...]) -> None:
    from rich.table import Table

    confusion = details["confusion"]
    size = len(confusion)
    if size > _MAX_CLASSES_SHOWN:
        say(f"confusion matrix: {size} classes, see --json")
        return
    numbers = details.get("confusion_classes", range(size))
    named = len(classes) == len(details.get("recall", confusion))
    names = [classes[number] if named else str(number) for number in numbers]
    table = Table("true \\ predicted", *names, box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in zip(names, confusion, strict=True):
        table.add_row(name, *(str(count) if count else "·" for count in row))
    result_console().print(table)
