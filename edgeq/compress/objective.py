"""What a model is trained for: the loss, the metric, and targets from labels and a teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.errors import EdgeqError
from edgeq.support.array import Array

_TINY = 1e-7


@dataclass(frozen=True)
class Objective:
    """A task.

    Attributes:
        kind: "classes" (one of several), "binary", or "values".
        probabilities: Whether the output holds probabilities already, not logits.
        targets: Labels in the shape of the output; None for unlabelled data.
        loss: A Keras loss by name that the user asked for; None for the kind's own.
    """

    kind: str
    probabilities: bool
    targets: Array | None
    loss: str | None = None

    @property
    def metric(self) -> str:
        """Name of the headline figure."""
        return "mse" if self.kind == "values" else "accuracy"

    def better(self, one: float, other: float) -> bool:
        """Whether a figure is clearly better than another."""
        if self.kind == "values":
            return one < other * 0.99
        # Weights that were drawn at random can do a little better than a guess, too.
        return one > other + 0.1 * (1 - other)

    def score(self, outputs: Array) -> float:
        """The figure for a model's outputs."""
        assert self.targets is not None
        if self.kind == "classes":
            return float((outputs.argmax(-1) == self.targets.argmax(-1)).mean())
        if self.kind == "binary":
            limit = 0.5 if self.probabilities else 0.0
            return float(((outputs > limit) == (self.targets > 0.5)).mean())
        return float(((outputs - self.targets) ** 2).mean())

    def guess(self) -> float:
        """The figure for always giving the same answer."""
        assert self.targets is not None
        if self.kind == "classes":
            return float(self.targets.reshape(-1, self.targets.shape[-1]).mean(0).max())
        if self.kind == "binary":
            share = float((self.targets > 0.5).mean())
            return max(share, 1 - share)
        return float(((self.targets - self.targets.mean(0)) ** 2).mean())

    def with_teacher(
        self, teacher: Array | None, teach: float, temperature: float
    ) -> tuple[Array, Callable[[Any, Any], Any]]:
        """Targets for `fit`, and the loss that understands them.

        Args:
            teacher: The teacher's outputs; None without one.
            teach: The teacher's share of the loss.
            temperature: How much probabilities are softened.

        Raises:
            EdgeqError: There are neither labels nor a teacher.
        """
        _, keras = import_tensorflow()
        own = self._own_loss(keras)
        if teacher is None:
            if self.targets is None:
                raise EdgeqError("There are neither labels nor a teacher to learn from.")
            return self.targets, own
        hard = teacher if self.targets is None else self.targets
        both = np.stack([hard.astype(np.float32), teacher.astype(np.float32)], axis=1)
        soft = self._teacher_loss(keras, temperature)

        def loss(wanted: Any, found: Any) -> Any:
            labels = own(wanted[:, 0], found)
            return (1 - teach) * labels + teach * soft(wanted[:, 1], found)

        return both, loss

    def _own_loss(self, keras: Any) -> Callable[[Any, Any], Any]:
        if self.loss is not None:
            try:
                found: Callable[[Any, Any], Any] = keras.losses.get(self.loss)
            except ValueError:
                raise EdgeqError(f"Keras has no loss '{self.loss}'.") from None
            return found
        logits = not self.probabilities
        if self.kind == "classes":
            return keras.losses.CategoricalCrossentropy(from_logits=logits)  # type: ignore[no-any-return]
        if self.kind == "binary":
            return keras.losses.BinaryCrossentropy(from_logits=logits)  # type: ignore[no-any-return]
        return keras.losses.MeanSquaredError()  # type: ignore[no-any-return]

    def _teacher_loss(self, keras: Any, temperature: float) -> Callable[[Any, Any], Any]:
        """Cross-entropy of softened probabilities; mean squared error where there are none.

        Source: "Distilling the Knowledge in a Neural Network", Hinton et al., 2015.
        """
        ops = keras.ops
        if self.kind != "classes":
            return keras.losses.MeanSquaredError()  # type: ignore[no-any-return]

        def logits(value: Any) -> Any:
            return ops.log(ops.maximum(value, _TINY)) if self.probabilities else value

        def loss(wanted: Any, found: Any) -> Any:
            target = ops.softmax(logits(wanted) / temperature)
            found = ops.log_softmax(logits(found) / temperature)
            return -ops.mean(ops.sum(target * found, axis=-1)) * temperature**2

        return loss


def choose_objective(
    model: Any, labels: Array | None, loss: str | None, output: int = 0
) -> Objective:
    """The task that a model's output and the labels suggest.

    Args:
        model: The keras.Model.
        labels: None where only a teacher teaches.
        loss: A Keras loss by name; None for what fits.
        output: Which of the model's outputs.

    Raises:
        EdgeqError: They do not fit, or the model has several outputs and labels for one.
    """
    if len(model.outputs) != 1 and labels is not None:
        raise EdgeqError(
            f"The model has {len(model.outputs)} outputs; labels are for one.",
            model.name,
            "--unlabelled: all outputs learn from the model as it was; or your own training loop "
            "with edgeq.compress's functions",
        )
    shape = tuple(model.outputs[output].shape[1:])
    last = _last_activation(model.outputs[output])
    if labels is None:
        kind = "classes" if last == "softmax" else "values"
        return Objective(kind, last == "softmax", None, loss)
    if labels.shape[1:] == shape[:-1] and labels.dtype.kind in "iub" and shape[-1] > 1:
        return Objective("classes", last == "softmax", _one_hot(labels, shape[-1], model), loss)
    if labels.ndim == 1 and shape[-1] > 1 and last == "softmax":
        raise EdgeqError(
            "The labels are no whole numbers, and the model tells classes apart.",
            model.name,
            "class numbers from 0 on",
        )
    if shape == (1,) and labels.ndim == 1:
        labels = labels[:, None]
    if labels.shape[1:] != shape:
        raise EdgeqError(
            f"Labels of shape {labels.shape[1:]} do not fit the output {shape}.",
            model.name,
            "class numbers, or values in the shape of the output",
        )
    whole = bool(np.isin(labels, (0, 1)).all())
    if whole and shape[-1] > 1 and last == "softmax":
        return Objective("classes", True, labels.astype(np.float32), loss)
    if whole and last in ("sigmoid", "linear") and labels.dtype.kind in "iub":
        return Objective("binary", last == "sigmoid", labels.astype(np.float32), loss)
    return Objective("values", False, labels.astype(np.float32), loss)


def _one_hot(labels: Array, classes: int, model: Any) -> Array:
    if labels.min() < 0 or labels.max() >= classes:
        raise EdgeqError(
            f"Labels go from {labels.min()} to {labels.max()}; the model has {classes} classes.",
            model.name,
            "class numbers from 0 on",
        )
    return np.eye(classes, dtype=np.float32)[labels.astype(np.int64)]


def _last_activation(output: Any) -> str:
    """Name of the activation that makes an output."""
    layer = output._keras_history.operation
    inner = getattr(layer, "inner", layer)
    if type(inner).__name__ in ("Softmax", "Sigmoid"):
        return type(inner).__name__.lower()
    return str(getattr(getattr(inner, "activation", None), "__name__", "linear"))
