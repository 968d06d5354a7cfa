"""What a model is compressed for: data to train on and to judge by; and the steps in common."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.compress.network import load_network
from edgeq.compress.objective import keras_outputs
from edgeq.compress.result import Compression, size_of
from edgeq.compress.training import (
    Labelled,
    Quality,
    Training,
    check_trained,
    fit,
    load_data,
    measure,
    some_of,
)
from edgeq.conversion.sources.keras_loss import keep_loss, outputs_by_loss
from edgeq.data import DatasetOptions, Understood, data_warnings
from edgeq.errors import EdgeqError, UsageError
from edgeq.metrics.outputs import Outputs, told
from edgeq.support.figures import score_text


@dataclass(frozen=True)
class Task:
    """What a model is for.

    Attributes:
        data: Training data: a path, `file.npz:x,y`, `module:function`, or arrays (x, y).
        eval_data: Held-out labelled data to compare quality before and after on.
        training: How to train; None for what suits the method.
        teacher: A keras.Model or file to learn from as well; None lets the model as it was teach.
        labelled: Whether `data` has labels; without, the teacher alone teaches.
        dataset_options: How data is read.
        trust: Whether code inside model files (Lambda layers) may run.
        max_drop: Most that the held-out figure may lose before the result says so; None for no
            limit.
    """

    data: Any
    eval_data: Any = None
    training: Training | None = None
    teacher: Any = None
    labelled: bool = True
    dataset_options: DatasetOptions | None = None
    trust: bool = False
    max_drop: float | None = None

    def __post_init__(self) -> None:
        if self.max_drop is not None and not math.isfinite(self.max_drop):
            raise UsageError(f"The figure may not lose {self.max_drop:g}.", hint="--max-drop 0.05")


@dataclass(frozen=True)
class Workspace:
    """A task with everything loaded.

    Attributes:
        source: The file or the model that it came from.
        original: The model as it came, flat.
        teacher: The model to learn from.
        samples: Training data.
        training: How to train.
        judged_on: Data to compare quality before and after on; None without labels.
        before: Quality of `original` on it; None without.
        held_out: Whether that data is other data than `samples`.
        outputs: What the numbers of the first output are, of `original` and what comes of it.
        teacher_outputs: What the teacher's are.
        max_drop: Most that the held-out figure may lose.
    """

    source: Any
    original: Any
    teacher: Any
    samples: Labelled
    training: Training
    judged_on: Labelled | None
    before: Quality | None
    held_out: bool
    outputs: Outputs
    teacher_outputs: Outputs
    max_drop: float | None = None

    @property
    def understood(self) -> dict[str, Understood]:
        """What was understood of the data, "train" and "eval"."""
        parts = {"train": self.samples, "eval": self.judged_on if self.held_out else None}
        return {name: data.understood for name, data in parts.items() if data and data.understood}

    def fit(self, model: Any, training: Training | None = None) -> None:
        """Train a model on the task's data."""
        fit(
            model,
            self.samples,
            training or self.training,
            self.teacher,
            self.outputs,
            self.teacher_outputs,
        )

    def result(
        self,
        method: str,
        model: Any,
        details: Mapping[str, Any],
        *,
        judged: Any = None,
        warnings: tuple[str, ...] = (),
    ) -> Compression:
        """The finished compression, its quality measured where there is data for that.

        Args:
            method: Name of the method.
            model: The compressed model.
            details: What was done.
            judged: A model to measure instead, which shows what conversion will do.
            warnings: What the user should know.
        """
        quality = None
        failures: tuple[str, ...] = ()
        if self.judged_on is not None and self.before is not None:
            after = model if judged is None else judged
            quality = self.before, measure(after, self.judged_on, self.outputs)
            failures = tuple(failures_of(*quality, self.max_drop, held_out=self.held_out))
        keep_loss(model, self.source)
        return Compression(
            method,
            model,
            size_of(self.original),
            size_of(model),
            quality if self.held_out else None,
            details,
            (*data_warnings(tuple(self.understood.values())), *warnings, *failures),
            failures,
            self.outputs,
            self.understood,
        )


def failures_of(
    before: Quality, after: Quality, max_drop: float | None, *, held_out: bool
) -> Iterator[str]:
    """Why a result is of no use, in sentences; nothing where it is.

    Args:
        before: Quality of the model as it came.
        after: That of the result.
        max_drop: Most that the figure may lose; it counts on held-out data alone.
        held_out: Whether the figures are of held-out data.
    """
    place = "held-out" if held_out else "training"
    if after.guessing:
        yield (
            f"The result is no better than a guess: {after.guessing} ({after.samples} {place} "
            "samples). A smaller --learning-rate, or less compression?"
        )
    elif held_out and max_drop is not None and _lost(before, after) > max_drop + 1e-9:
        yield (
            f"{after.metric} went from {score_text(before.value)} to {score_text(after.value)} on "
            f"held-out data, by more than the {max_drop:g} of --max-drop."
        )


def _lost(before: Quality, after: Quality) -> float:
    """What is lost; in shares of what it was where smaller is better, since its unit is any."""
    if before.larger_is_better:
        return before.value - after.value
    return (after.value - before.value) / max(before.value, 1e-12)


def begin(model: Any, task: Task, default: Training, *, trained: bool = True) -> Workspace:
    """Load model, teacher and data, and refuse what cannot work.

    Args:
        model: A `.keras` or `.h5` file, or a keras.Model.
        task: What it is for.
        default: How to train unless the task says otherwise.
        trained: Whether the model must be trained already.

    Raises:
        EdgeqError: The model cannot be followed or is not trained, the data does not fit, or the
            teacher has another shape.
    """
    original = load_network(model, trust=task.trust)
    samples = load_data(original, task.data, task.dataset_options, labelled=task.labelled)
    reading = task.dataset_options or DatasetOptions()
    said = told(from_logits=reading.from_logits)
    outputs = keras_outputs(original, said, outputs_by_loss(model))
    judged_on = before = None
    held_out = task.eval_data is not None
    if held_out:
        # Read and tried now: what does not fit must not come to light after the training.
        judged_on = load_data(original, task.eval_data, task.dataset_options, least=1)
    elif samples.y is not None:
        judged_on = some_of(samples)
    if judged_on is not None:
        before = measure(original, judged_on, outputs)
    teacher, teacher_outputs = original, outputs
    if task.teacher is not None:
        teacher = load_network(task.teacher, trust=task.trust)
        _check_teacher(original, teacher)
        teacher_outputs = keras_outputs(teacher, loss=outputs_by_loss(task.teacher))
        name = f"the teacher {_name(task.teacher, teacher)}"
        check_trained(teacher, samples, name, teacher_outputs)
    if trained:
        check_trained(original, samples, _name(model, original), outputs)
    return Workspace(
        model,
        original,
        teacher,
        samples,
        task.training or default,
        judged_on,
        before,
        held_out,
        outputs,
        teacher_outputs,
        task.max_drop,
    )


def _name(given: Any, model: Any) -> str:
    """What the user calls a model: its file where it came from one."""
    return str(given) if isinstance(given, str | Path) else str(model.name)


def _check_teacher(student: Any, teacher: Any) -> None:
    for side in ("input", "output"):
        ours, theirs = (
            [tuple(tensor.shape[1:]) for tensor in getattr(model, side + "s")]
            for model in (student, teacher)
        )
        if ours != theirs:
            raise EdgeqError(
                f"The teacher's {side} is {_shapes(theirs)}, the student's {_shapes(ours)}.",
                f"{teacher.name}, {student.name}",
                "both must take the same inputs and give the same outputs",
            )


def _shapes(shapes: list[tuple[Any, ...]]) -> str:
    return ", ".join(map(str, shapes))


def share(value: float, name: str) -> float:
    """A number that must lie between 0 and 1, both excluded.

    Raises:
        UsageError: It does not.
    """
    if not 0 < value < 1:
        raise UsageError(f"{name} {value:g} is not between 0 and 1.")
    return value
