"""`edgeq convert`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
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
    was_given,
)
from edgeq.cli.shared.data import dataset_options
from edgeq.cli.shared.passes import show_passes
from edgeq.cli.shared.tables import result_console
from edgeq.conversion.calibration.calibrate import METHODS, Calibration
from edgeq.conversion.describe import read_labels
from edgeq.conversion.passes.heads import HEADS
from edgeq.conversion.proof.quality import Quality
from edgeq.conversion.quantization.adaptive_rounding import METHODS as ROUNDINGS
from edgeq.conversion.quantization.adaptive_rounding import Rounding
from edgeq.conversion.quantization.schemes import IO_TYPES, SCHEMES, find_scheme
from edgeq.data import DatasetOptions
from edgeq.errors import UsageError
from edgeq.metrics.base import Score
from edgeq.report.units import in_bytes
from edgeq.support.figures import score_text
from edgeq.support.terminal import say
from edgeq.workflow.conversion import Conversion
from edgeq.workflow.convert import convert as convert_model
from edgeq.workflow.front_ends import SplitFrontEnd
from edgeq.workflow.streams import Streamed


@click.command(
    epilog="Example: edgeq convert kws.keras -o kws.tflite --data calibration.npz\n\n"
    "edgeq convert kws.keras --data calibration.npz --eval test.npz "
    "--compare float32,int8,int16x8,int4 --on c,sim:cortex-m4 -o schemes.html"
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The .tflite; with --compare a page."
)
@click.option(
    "--data",
    help="Representative data: .npz, .npy (file.npz:key for one array), a folder of images or "
    ".wav files, .csv, .tfrecord, or module:function that yields samples.",
)
@click.option(
    "--scheme",
    default="int8",
    show_default=True,
    metavar="NAME",
    help=f"How to quantize: {', '.join(SCHEMES)}.",
)
@click.option("-t", "--target", help="Where it shall run; a scheme that cannot is refused.")
@click.option(
    "--io",
    type=click.Choice(IO_TYPES),
    help="Type of inputs and outputs; by default that of activations, and uint8 for a phone.",
)
@click.option(
    "--calibration",
    type=click.Choice(METHODS),
    help="How the ranges of tensors are chosen; all but minmax may cut extremes off. By default "
    "minmax, and mse for int4.",
)
@click.option("--symmetric", is_flag=True, help="Zero point 0 for int8 activations.")
@click.option(
    "--precision",
    multiple=True,
    metavar="LAYER=SCHEME",
    help="For --scheme mixed and other integer schemes: the scheme of a layer (* and ? are "
    "understood); repeatable. Without it, mixed gives int4 weights to layers that bear it.",
)
@click.option(
    "--rounding",
    type=click.Choice(ROUNDINGS),
    help="How weights become integers; adaptive: by what that does to the output of the layer; "
    "sequential: the same layer after layer, with scales and biases. Sequential for int4, "
    "nearest for other schemes, unless given.",
)
@click.option(
    "--bias-correction",
    is_flag=True,
    help="Biases make up for what rounding of weights adds on average.",
)
@click.option(
    "--quality-check/--no-quality-check",
    default=True,
    help="Run the result beside the float model on up to 100 samples, 3 seconds at most, and that "
    "beside the model itself on 3.",
)
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Write the result even if its outputs differ much from the float model's.",
)
@click.option(
    "--split-outputs",
    is_flag=True,
    help="Undo concatenations at the outputs, so that each part has a scale of its own.",
)
@click.option(
    "--explain", is_flag=True, help="Print which graph passes changed which layers, and how."
)
@click.option(
    "--check-passes",
    is_flag=True,
    default=None,
    help="Hold each graph pass against the graph before it, on random and real inputs.",
)
@click.option(
    "--head",
    type=click.Choice(HEADS),
    default="scores",
    show_default=True,
    help="Outputs: as they are; without a softmax or sigmoid; or the number of the largest.",
)
@click.option(
    "--stream",
    type=Whole(1),
    metavar="AXIS",
    help="Make a Keras model of windows one of steps along this axis of its input (1: the first "
    "behind the batch); what has gone by is kept in variables. --data are whole windows.",
)
@click.option(
    "--stream-step", type=Whole(1), metavar="N", help="Frames that a step has; 1 by default."
)
@click.option(
    "--image-front-end",
    is_flag=True,
    help="Resizing, CenterCrop and Rescaling at the head of a Keras model become a front end for "
    "cameras (OUTPUT.frontend.toml); the model takes what is behind them.",
)
@click.option("--ranges", is_flag=True, help="Print the range of every tensor.")
@click.option("--limit", type=Whole(1), help="Calibrate on at most so many samples.")
@click.option("--eval", "eval_data", help="Labelled data: compare float and integer accuracy.")
@click.option("--metric", default="classification", show_default=True, help="What --eval computes.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="Class names, one a line, in the model's order; they go into the model.",
)
@click.option(
    "--compare",
    metavar="SCHEME,...",
    help="Convert by each of these schemes (float32: the model as it is), and compare what they "
    "are worth on --eval and what they cost on --on.",
)
@click.option(
    "--on", default="local", show_default=True, metavar="ADDRESS,...", help="Where --compare runs."
)
@click.option(
    "--max-drop",
    type=Number(0.0),
    default=0.01,
    show_default=True,
    help="How much worse than float32 the best of --compare may be.",
)
@click.option("--signature", help="Which signature of a SavedModel.")
@click.option(
    "--trust",
    is_flag=True,
    help="Run code inside the model file (Lambda, pickles) and loops that may not end.",
)
@import_option
@dataset_options
@force_option
@json_option
def convert(
    model: Path,
    output: Path | None,
    eval_data: str | None,
    metric: str,
    labels: Path | None,
    precision: tuple[str, ...],
    ranges: bool,
    reading: DatasetOptions,
    compare: str | None,
    on: str,
    max_drop: float,
    as_json: bool,
    **settings: Any,
) -> None:
    """MODEL to a verified integer .tflite.

    MODEL is .keras, .h5, a SavedModel folder, a float .tflite, .onnx, .pt2 (torch.export.save), or
    module:function of yours that returns a torch.nn.Module and example inputs.
    """
    if labels is not None:
        reading = replace(reading, classes=read_labels(labels))
    if compare is not None:
        if settings.pop("stream") is not None or settings.pop("stream_step") is not None:
            raise UsageError("--compare is for models of windows; convert with --stream alone.")
        from edgeq.cli.shared.schemes import run_comparison

        settings["precision"] = _pairs(precision)
        run_comparison(
            model, compare, on, output, eval_data, reading, settings,
            max_drop=max_drop, metric=metric, as_json=as_json,
        )  # fmt: skip
        return
    _refuse_of_others(eval_data)
    if output is None:
        raise UsageError("Where shall the .tflite go?", hint="-o model.tflite")
    if not as_json:
        scheme = find_scheme(settings["scheme"])
        say(f"{scheme.name} saves: {scheme.saves}")
        say(f"{scheme.name} runs on: {scheme.runs_on}")
    result = convert_model(
        model,
        output=output,
        dataset_options=reading,
        eval_data=eval_data,
        metric=metric,
        precision=_pairs(precision),
        **settings,
    )
    _say_all(result.notes)
    if as_json:
        print_json(result.to_json())
    else:
        show_conversion(result)
        if settings["explain"]:
            show_passes(result.passes)
        if ranges and result.calibration is not None:
            show_ranges(result.calibration)
    _say_all(f"Warning: {warning}" for warning in result.warnings)


def _refuse_of_others(eval_data: str | None) -> None:
    """Refuse options of --compare and --eval without these: they would have no effect.

    Raises:
        UsageError: There is one.
    """
    for name in ("on", "max_drop"):
        if was_given(name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is of --compare.", hint="--compare float32,int8")
    if eval_data is None and was_given("metric"):
        raise UsageError("--metric is for labelled data; none is given.", hint="--eval test.npz")


def _say_all(lines: Iterable[str]) -> None:
    for line in lines:
        say(line, err=True)


def show_conversion(result: Conversion) -> None:
    """Print what a conversion made: sizes, the proof, accuracy."""
    say(
        f"{result.output}: {in_bytes(len(result.data))}, {result.scheme.name} "
        f"({in_bytes(result.float_bytes)} as float32)"
    )
    _show_parts(result)
    for layer, scheme in result.precision.items():
        say(f"  {layer}: {scheme}")
    if result.proof is not None:
        types = ", ".join(f"{count} {dtype}" for dtype, count in result.proof.dtypes.items())
        say(
            f"integer proof: passed, {result.proof.tensors} tensors ({types}), "
            f"{'/'.join(result.proof.inputs)} in, {'/'.join(result.proof.outputs)} out"
        )
    if result.calibration is not None:
        enough = "enough" if result.calibration.enough else "perhaps not enough"
        say(
            f"calibration: {result.calibration.method} over {result.calibration.samples} samples "
            f"({enough})"
        )
    lines = [str(x).replace("data:", f"{name} data:", 1) for name, x in result.understood.items()]
    for line in (*lines, *(f"in apps: {runtime}" for runtime in result.app_runtimes)):
        say(line)
    if result.quality is not None:
        show_quality(result.quality)
    if result.rounded:
        show_rounding(result.rounded)
    if result.corrected:
        layer, most = max(result.corrected.items(), key=lambda item: item[1])
        say(f"bias correction: {len(result.corrected)} layers, by {most:.4g} at most ({layer})")
    if result.accuracy is not None:
        _show_accuracy(result, *result.accuracy)


def _show_accuracy(result: Conversion, before: Score, after: Score) -> None:
    say(
        f"{before.metric}: {score_text(before.value)} float, {score_text(after.value)} "
        f"{result.scheme.name} ({result.compared})"
    )
    if result.outputs is not None:
        say(f"outputs: {result.outputs}")


def _show_parts(result: Conversion) -> None:
    """Print what comes before the model, and how it streams."""
    if result.frontend is not None:
        show_front_end(result.frontend)
    if result.stream is not None:
        show_stream(result.stream)


def show_front_end(front: SplitFrontEnd) -> None:
    """Print how close a front end and the float model behind it are to the model of both."""
    say(f"front end: {front.output}, for --frontend")
    found = front.quality
    if found is not None:
        ratio = found.signal_to_noise_db
        say(
            f"float model behind it beside the Keras model: {found.samples} recordings"
            + ("" if ratio is None else f", SNR {ratio:.1f} dB")
        )


def show_stream(stream: Streamed) -> None:
    """Print how a model streams."""
    form = stream.form
    delay = f", {form.delay} frames after the end of its window" if form.delay else ""
    say(
        f"stream: {form.step} of {form.window} frames a call, first answer after "
        f"{form.first_answer} frames{delay}"
    )
    found = stream.quality
    if found is not None:
        ratio = found.signal_to_noise_db
        say(
            f"float model of steps beside that of windows: {found.samples} windows, largest "
            f"difference {stream.max_difference:.2g}"
            + ("" if ratio is None else f", SNR {ratio:.1f} dB")
        )


def show_quality(quality: Quality) -> None:
    """Print how close each output is to the float model's."""
    say(f"quality: {quality.verdict}, {quality.samples} samples beside the float model")
    for output in quality.outputs:
        parts = [
            "no difference"
            if output.signal_to_noise_db is None
            else f"SNR {output.signal_to_noise_db:.1f} dB",
            f"cosine {output.cosine:.4f}",
        ]
        if output.max_difference_steps is not None:
            parts.append(f"{output.max_difference_steps:.1f} steps at most")
        if output.top1_agreement is not None:
            parts.append(f"first class agrees {output.top1_agreement:.1%}")
        if output.logits_db is not None:
            parts.append(f"logits {output.logits_db:.1f} dB")
        say(f"  {output.name}: {', '.join(parts)}")


def show_rounding(rounded: Mapping[str, Rounding]) -> None:
    """Print what rounding did to each layer."""
    from rich.table import Table

    paid = sum(layer.changed > 0 for layer in rounded.values())
    say(f"rounding: {paid} of {len(rounded)} layers changed")
    table = Table("layer", "before dB", "after dB", "weights changed", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, layer in rounded.items():
        figures = ("" if x is None else f"{x:.1f}" for x in (layer.before_db, layer.after_db))
        table.add_row(name, *figures, layer.skipped or f"{layer.changed:.1%}")
    result_console().print(table)


def show_ranges(calibration: Calibration) -> None:
    """Print a table of the range of every tensor, and what hangs on single samples."""
    from rich.table import Table

    table = Table("tensor", "low", "high", "least", "most", "later half", "one sample", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, r in calibration.tensors.items():
        table.add_row(
            name,
            *(f"{value:.4g}" for value in (r.low, r.high, r.least, r.most)),
            f"+{r.growth:.0%}",
            f"+{r.outlier:.0%} (sample {r.outlier_sample})" if r.outlier >= 0.005 else "",
        )
    result_console().print(table)


def _pairs(precision: tuple[str, ...]) -> dict[str, str]:
    """`LAYER=SCHEME` arguments as a dict."""
    pairs = {}
    for text in precision:
        layer, equals, scheme = text.rpartition("=")
        if not equals or not layer:
            raise UsageError(f"--precision {text}: LAYER=SCHEME is wanted.")
        pairs[layer] = scheme
    return pairs
