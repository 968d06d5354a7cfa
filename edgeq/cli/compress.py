"""`edgeq compress`."""

from __future__ import annotations

import functools
from collections.abc import Callable
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
from edgeq.compress.result import Compression, keras_bytes
from edgeq.compress.task import Task
from edgeq.compress.training import STRUCTURED_RATE, Training
from edgeq.data import DatasetOptions
from edgeq.errors import UsageError
from edgeq.support.figures import score_text
from edgeq.support.output import check_writable, write_results
from edgeq.support.terminal import say

# What a method may cost before the command calls it a failure: well beyond what any should.
_MAX_DROP = 0.05
_MODEL = click.Path(path_type=Path)


@click.group(epilog="Example: edgeq compress qat kws.keras -o kws_qat.keras --data train.npz")
def compress() -> None:
    """Make a Keras model smaller or fitter for integers by training it a little more.

    Every method reads a .keras or .h5 file and writes an ordinary .keras file, which `edgeq
    convert` and the other methods take: prune, then qat keeps the zeros; cluster, then qat keeps
    the shared values.
    """


def _output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add -o, --force, --json and --trust; the command returns a Compression, which is saved."""

    @click.option("-o", "--output", required=True, type=_MODEL, help="The .keras file to write.")
    @click.option("--trust", is_flag=True, help="Run Python code inside the model file (Lambda).")
    @import_option
    @force_option
    @json_option
    @functools.wraps(command)
    def wrapper(*args: Any, output: Path, force: bool, as_json: bool, **kwargs: Any) -> None:
        if output.suffix != ".keras":
            raise UsageError(f"The output '{output}' must be a .keras file.")
        given = click.get_current_context().params
        inputs = [value for name, value in given.items() if name != "output"]
        check_writable(output, force=force, inputs=inputs)
        result: Compression = command(*args, **kwargs)
        write_results({output: keras_bytes(result.model)}, force=force)
        if as_json:
            print_json({**result.to_json(), "output": str(output)})
        else:
            _show(result, output)
        for warning in result.warnings:
            say(f"Warning: {warning}", err=True)
        if result.failures:
            click.get_current_context().exit(3)

    return wrapper


def _training_declarations(epochs: int, teach: float, rates: str) -> list[Callable[..., Any]]:
    """The options of training, in the order of --help."""
    return [
        click.option("--data", required=True, help="Training data, as for `edgeq evaluate`."),
        click.option("--eval", "eval_data", help="Held-out data: compare before and after."),
        click.option(
            "--unlabelled",
            is_flag=True,
            help="The data has no labels: learn from the model's own outputs.",
        ),
        click.option("--epochs", type=Whole(0), default=epochs, show_default=True, help="Passes."),
        click.option("--learning-rate", type=Number(), show_default=rates, help="Of Adam."),
        click.option(
            "--batch-size", type=Whole(1), default=32, show_default=True, help="Per step."
        ),
        click.option(
            "--teach",
            type=Number(),
            default=teach,
            show_default=True,
            help="Share of the loss that is the teacher's output; the rest is the labels'.",
        ),
        click.option("--loss", help="A Keras loss by name; by default one that fits the labels."),
        click.option(
            "--seed", type=Whole(0), default=0, show_default=True, help="Of the training."
        ),
        click.option(
            "--max-drop",
            type=Number(),
            default=_MAX_DROP,
            show_default=True,
            help="With --eval: exit code 3 where the figure loses more (of errors: this share).",
        ),
    ]


def _training_options(
    *, epochs: int, teach: float = 0.5, rate: float = 1e-3, structured_rate: float | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of training, collected as `task: Task`.

    Args:
        epochs: Default of --epochs.
        teach: Default of --teach.
        rate: Default of --learning-rate.
        structured_rate: Default of --learning-rate with --structured.
    """
    rates = f"{rate:g}" + (f", {structured_rate:g} with --structured" if structured_rate else "")

    declared = _training_declarations(epochs, teach, rates)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @dataset_options
        @functools.wraps(command)
        def wrapper(
            *args: Any,
            data: str,
            eval_data: str | None,
            unlabelled: bool,
            max_drop: float,
            reading: DatasetOptions,
            trust: bool,
            **kwargs: Any,
        ) -> Any:
            if eval_data is None and was_given("max_drop"):
                raise UsageError("--max-drop is judged on held-out data.", hint="--eval test.npz")
            if kwargs["learning_rate"] is None:
                structured = kwargs.get("structured") and structured_rate
                kwargs["learning_rate"] = structured or rate
            names = ("epochs", "learning_rate", "batch_size", "teach", "loss", "seed")
            training = Training(**{name: kwargs.pop(name) for name in names})
            task = Task(
                data,
                eval_data,
                training,
                kwargs.pop("teacher", None),
                not unlabelled,
                reading,
                trust,
                max_drop,
            )
            return command(*args, task=task, **kwargs)

        for option in reversed(declared):
            wrapper = option(wrapper)
        return wrapper

    return decorate


_teacher = click.option(
    "--teacher", type=_MODEL, help="Learn from this model, not from MODEL as it was."
)


@compress.command(
    epilog="Example: edgeq compress qat kws.keras -o kws_qat.keras --data train.npz --scheme int4"
)
@click.argument("model", type=_MODEL)
@click.option(
    "--scheme",
    type=click.Choice(["int8", "int8-per-tensor", "int4"]),
    default="int8",
    show_default=True,
    help="The scheme that the result will be converted with.",
)
@_teacher
@_output_options
@_training_options(epochs=10)
def qat(model: Path, task: Task, scheme: str) -> Compression:
    """Train MODEL with the rounding that a scheme will bring (quantization-aware training)."""
    from edgeq.compress.qat import qat as run

    return run(model, task, scheme=scheme)


@compress.command(
    epilog="Example: edgeq compress prune kws.keras -o small.keras --data train.npz --structured"
)
@click.argument("model", type=_MODEL)
@click.option("--sparsity", type=Number(), help="Share of zeros (or of blocks).  [default: 0.5]")
@click.option("--block", is_flag=True, help="Zeros in blocks of 4x4, which C leaves out.")
@click.option("--two-of-four", is_flag=True, help="Two zeros in every four weights.")
@click.option("--structured", is_flag=True, help="Remove whole channels: less latency too.")
@click.option(
    "--macs",
    type=Number(),
    help="With --structured: share of the multiply-accumulates to keep.  [default: 0.5]",
)
@_teacher
@_output_options
@_training_options(epochs=20, structured_rate=STRUCTURED_RATE)
def prune(
    model: Path,
    task: Task,
    sparsity: float | None,
    block: bool,
    two_of_four: bool,
    structured: bool,
    macs: float | None,
) -> Compression:
    """Remove weights of MODEL, or whole channels, and train the rest to do without them."""
    if block + two_of_four + structured > 1:
        raise UsageError("--block, --two-of-four and --structured exclude each other.")
    if macs is not None and not structured:
        raise UsageError("--macs goes with --structured; zeros leave the count as it is.")
    if sparsity is not None and (structured or two_of_four):
        raise UsageError("--sparsity goes with single weights and with --block.")
    if structured:
        from edgeq.compress.structured import prune_channels

        return prune_channels(model, task, macs=0.5 if macs is None else macs)
    from edgeq.compress import pruning

    if two_of_four:
        return pruning.prune_2_of_4(model, task)
    run = pruning.prune_blocks if block else pruning.prune
    return run(model, task, sparsity=0.5 if sparsity is None else sparsity)


@compress.command(
    epilog="Example: edgeq compress cluster kws.keras -o kws16.keras --data train.npz --clusters 16"
)
@click.argument("model", type=_MODEL)
@click.option(
    "--clusters", type=Whole(2, 256), default=16, show_default=True, help="Values per kernel."
)
@_teacher
@_output_options
@_training_options(epochs=5)
def cluster(model: Path, task: Task, clusters: int) -> Compression:
    """Let the weights of each kernel of MODEL share a few values."""
    from edgeq.compress.clustering import cluster as run

    return run(model, task, clusters=clusters)


@compress.command(
    epilog="Example: edgeq compress factorize ad.keras -o thin.keras --data train.npz --rank 16"
)
@click.argument("model", type=_MODEL)
@click.option("--rank", type=Whole(1), help="Width in between; by default each layer gets its own.")
@click.option(
    "--energy", type=Number(), default=0.9, show_default=True, help="What the default rank keeps."
)
@_teacher
@_output_options
@_training_options(epochs=8)
def factorize(model: Path, task: Task, rank: int | None, energy: float) -> Compression:
    """Split large dense layers and 1x1 convolutions of MODEL into two thin ones (low rank)."""
    if rank is not None and was_given("energy"):
        raise UsageError("--energy chooses ranks, and --rank gives one.", hint="leave one out")
    from edgeq.compress.factorization import factorize as run

    return run(model, task, rank=rank, energy=energy)


@compress.command(
    epilog="Example: edgeq compress distill small.keras --teacher large.keras -o taught.keras "
    "--data train.npz"
)
@click.argument("student", type=_MODEL)
@click.option("--teacher", required=True, type=_MODEL, help="The trained model to learn from.")
@_output_options
@_training_options(epochs=20, teach=0.7)
def distill(student: Path, task: Task) -> Compression:
    """Train STUDENT on the labels and on what a larger model makes of the data."""
    from edgeq.compress.distillation import distill as run

    return run(student, task.teacher, task)


@compress.command(epilog="Example: edgeq compress equalize kws.keras -o kws_equal.keras")
@click.argument("model", type=_MODEL)
@_output_options
def equalize(model: Path, trust: bool) -> Compression:
    """Even out the channel ranges of MODEL; its results stay the same and no data is needed."""
    from edgeq.compress.equalization import equalize as run

    return run(model, trust=trust)


def _show(result: Compression, output: Path) -> None:
    before, after = result.before, result.after
    for name, data in result.understood.items():
        say(str(data).replace("data:", f"{name} data:", 1))
    say(
        f"{output}: {after.parameters:,} parameters ({before.parameters:,} before), "
        f"{after.nonzero:,} of them not zero"
    )
    if result.quality is not None:
        was, now = result.quality
        say(
            f"{was.metric}: {score_text(was.value)} before, {score_text(now.value)} after "
            f"({was.samples} held-out samples; {result.compared})"
        )
    if result.outputs is not None:
        say(f"outputs: {result.outputs}")
    for name, value in result.details.items():
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{key} {_short(entry)}" for key, entry in value.items())
        say(f"{name.replace('_', ' ')}: {_short(shown)}")


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return " to ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
