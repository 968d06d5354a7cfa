"""What a model is compressed for: data to train on and to judge by; and the steps in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.compress.network import load_network
from edgeq.compress.result import Compression, size_of
from edgeq.compress.training import (
    Labelled,
    Quality,
    Training,
    check_trained,
    fit,
    load_data,
    measure,
)
from edgeq.data import DatasetOptions
from edgeq.errors import EdgeqError, UsageError


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
    """

    data: Any
    eval_data: Any = None
    training: Training | None = None
    teacher: Any = None
    labelled: bool = True
    dataset_options: DatasetOptions | None = None
    trust: bool = False


@dataclass(frozen=True)
class Workspace:
    """A task with everything loaded.

    Attributes:
        original: The model as it came, flat.
        teacher: The model to learn from.
        samples: Training data.
        training: How to train.
        held_out: Data to compare quality before and after on; None without.
        before: Quality of `original` on it; None without.
    """

    original: Any
    teacher: Any
    samples: Labelled
    training: Training
    held_out: Labelled | None
    before: Quality | None

    def fit(self, model: Any, training: Training | None = None) -> None:
        """Train a model on the task's data."""
        fit(model, self.samples, training or self.training, self.teacher)

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
        if self.held_out is not None and self.before is not None:
            after = model if judged is None else judged
            quality = self.before, measure(after, self.held_out)
        return Compression(
            method, model, size_of(self.original), size_of(model), quality, details, warnings
        )


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
    held_out = before = None
    if task.eval_data is not None:
        # Read and tried now: what does not fit must not come to light after the training.
        held_out = load_data(original, task.eval_data, task.dataset_options, least=1)
        before = measure(original, held_out)
    teacher = original
    if task.teacher is not None:
        teacher = load_network(task.teacher, trust=task.trust)
        _check_teacher(original, teacher)
        check_trained(teacher, samples, f"the teacher {_name(task.teacher, teacher)}")
    if trained:
        check_trained(original, samples, _name(model, original))
    return Workspace(original, teacher, samples, task.training or default, held_out, before)


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
