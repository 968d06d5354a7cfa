"""What a model is trained for: what its outputs and labels are, and how good it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.compress.losses import (
    BINARY,
    CLASSES,
    VALUES,
    Loss,
    check_loss,
    label_loss,
    teacher_loss,
)
from edgeq.conversion.layer_kinds import activation_of, kind_of
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.errors import EdgeqError
from edgeq.metrics.base import Samples, Score
from edgeq.metrics.labels import is_one_hot
from edgeq.metrics.outputs import LOGITS, PROBABILITIES, Outputs
from edgeq.metrics.table import METRICS
from edgeq.support.array import Array

_UNCHANGED = frozenset(
    {"Flatten", "Reshape", "Permute", "Dropout", "Identity", "Cropping1D", "Cropping2D",
     "UpSampling1D", "UpSampling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D"}
)  # fmt: skip
_BY_ACTIVATION = {"softmax": CLASSES, "sigmoid": BINARY}
_PROBABLE = ("softmax", "sigmoid", "hard_sigmoid", "hard_sigmoid_of_keras_2")


@dataclass(frozen=True)
class Objective:
    """A task.

    Attributes:
        kind: "classes" (one of several), "binary" (yes or no, each for itself), or "values".
        outputs: What the model's numbers are: logits or probabilities.
        targets: Labels in the shape of the output; None for unlabelled data.
        labels: Labels as the metric takes them; None for unlabelled data.
        metric: The metric's name, as for `edgeq evaluate`.
        loss: A Keras loss by name that the user asked for; None for the kind's own.
        trained_on: The kind whose loss is taken; it differs from `kind` where sigmoids tell
            classes apart, or where yes and no were learned as the values 1 and 0.
    """

    kind: str
    outputs: Outputs
    targets: Array | None
    labels: Array | None = None
    metric: str = "regression"
    loss: str | None = None
    trained_on: str = ""

    def score(self, outputs: Array) -> Score:
        """The metric for a model's outputs, as `edgeq evaluate` computes it."""
        assert self.labels is not None
        return METRICS[self.metric](Samples([outputs], self.labels, np.empty(0), self.outputs))

    def knows(self, outputs: Array) -> tuple[bool, str]:
        """Whether a model does clearly better than always giving one answer; and the figures."""
        found, guess = self._figure(outputs), self._guess()
        if self.kind == VALUES:
            better, name = found < guess * 0.99, "squared error"
        else:
            # Weights that were drawn at random can do a little better than a guess, too.
            better, name = found > guess + 0.1 * (1 - guess), "accuracy"
        return better, (
            f"its {name} is {found:.3f} on this data, and always giving the same answer has "
            f"{guess:.3f}"
        )

    def _figure(self, outputs: Array) -> float:
        assert self.targets is not None
        if self.kind == CLASSES:
            return float((outputs.argmax(-1) == self.targets.argmax(-1)).mean())
        if self.kind == BINARY:
            return float(((outputs > self.outputs.threshold) == (self.targets > 0.5)).mean())
        return float(((outputs - self.targets) ** 2).mean())

    def _guess(self) -> float:
        """The figure for always giving the same answer."""
        assert self.targets is not None
        if self.kind == CLASSES:
            return float(self.targets.reshape(-1, self.targets.shape[-1]).mean(0).max())
        if self.kind == BINARY:
            share = float((self.targets > 0.5).mean())
            return max(share, 1 - share)
        return float(((self.targets - self.targets.mean(0)) ** 2).mean())

    def with_teacher(
        self,
        teacher: Array | None,
        teach: float,
        temperature: float,
        teacher_outputs: Outputs | None = None,
    ) -> tuple[Array, Loss]:
        """Targets for `fit`, and the loss that understands them.

        Args:
            teacher: The teacher's outputs; None without one.
            teach: The teacher's share of the loss.
            temperature: How much answers are softened.
            teacher_outputs: What the teacher's numbers are; None for the same as the model's.

        Raises:
            EdgeqError: There are neither labels nor a teacher.
        """
        logits = self.outputs.kind == LOGITS
        own = label_loss(self.trained_on or self.kind, logits=logits, name=self.loss)
        hard = teacher if self.targets is None else self.targets
        if hard is None:
            raise EdgeqError("There are neither labels nor a teacher to learn from.")
        if self.loss is not None:
            check_loss(own, self.loss, hard[:1].astype(np.float32))
        if teacher is None:
            return hard, own
        both = np.stack([hard.astype(np.float32), teacher.astype(np.float32)], axis=1)
        soft = teacher_loss(
            self.trained_on or self.kind,
            logits=logits,
            teacher_logits=(teacher_outputs or self.outputs).kind == LOGITS,
            temperature=temperature,
        )

        ops = import_tensorflow()[1].ops

        def loss(wanted: Any, found: Any) -> Any:
            # Of models with one output, Keras has taken the last axis off what is wanted.
            hard, said = (ops.reshape(wanted[:, each], ops.shape(found)) for each in (0, 1))
            return (1 - teach) * own(hard, found) + teach * soft(said, found)

        return both, loss


def choose_objective(
    model: Any,
    labels: Array | None,
    loss: str | None,
    output: int = 0,
    outputs: Outputs | None = None,
    teacher: Any = None,
) -> Objective:
    """The task that a model's output and the labels suggest.

    Args:
        model: The keras.Model.
        labels: None where only a teacher teaches.
        loss: A Keras loss by name; None for what fits.
        output: Which of the model's outputs.
        outputs: What the output's numbers are, where it is known (see `keras_outputs`).
        teacher: The model to learn from, whose last activation counts too where labels are
            missing.

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
    last = last_activation(model.outputs[output])
    known = outputs or keras_outputs(model, output=output)
    if labels is None:
        other = last if teacher is None else last_activation(teacher.outputs[output])
        kinds = [kind for name, kind in _BY_ACTIVATION.items() if name in (last, other)]
        return Objective(kinds[0] if kinds else VALUES, known, None, loss=loss)
    width = shape[-1] if shape else 1
    per_sample = len(shape) <= 1
    if labels.shape[1:] == shape[:-1] and width > 1:
        numbers = _class_numbers(labels, width, model)
        return Objective(
            CLASSES,
            known,
            np.eye(width, dtype=np.float32)[numbers],
            numbers,
            "classification" if per_sample else "segmentation",
            loss,
            BINARY if last == "sigmoid" else CLASSES,
        )
    if width == 1 and labels.shape[1:] == shape[:-1]:
        labels = labels[..., None]
    if labels.shape[1:] != shape:
        raise EdgeqError(
            f"Labels of shape {labels.shape[1:]} do not fit the output {shape}.",
            model.name,
            "class numbers, or values in the shape of the output",
        )
    return _in_shape(labels.astype(np.float32), known, last, loss, per_sample=per_sample)


def _in_shape(
    labels: Array, known: Outputs, last: str, loss: str | None, *, per_sample: bool
) -> Objective:
    """The task of labels that have the shape of the output."""
    width = labels.shape[-1]
    shares = (
        last == "softmax"
        and bool((labels >= 0).all())
        and bool(np.allclose(labels.sum(axis=-1), 1, atol=1e-3))
    )
    if width > 1 and (is_one_hot(labels) or shares):
        numbers = labels.argmax(axis=-1)
        metric = "classification" if per_sample else "segmentation"
        trained_on = BINARY if last == "sigmoid" else CLASSES
        return Objective(CLASSES, known, labels, numbers, metric, loss, trained_on)
    if width == 1 and known.kind == LOGITS and last == "linear" and _are_signs(labels):
        labels = (labels + 1) / 2
    if bool(np.isin(labels, (0, 1)).all()) and last in ("linear", *_PROBABLE):
        metric = "multi-label" if width > 1 else "classification"
        metric = metric if per_sample else "segmentation"
        # A linear output whose loss says 0.5 has learned the values 0 and 1.
        values = last == "linear" and known.kind == PROBABILITIES
        return Objective(BINARY, known, labels, labels, metric, loss, VALUES if values else BINARY)
    return Objective(VALUES, known, labels, labels, "regression", loss)


def _are_signs(labels: Array) -> bool:
    """Whether no and yes are written as -1 and 1."""
    return bool(np.isin(labels, (-1, 1)).all() and labels.min() < 0)


def keras_outputs(
    model: Any, told: Outputs | None = None, loss: Outputs | None = None, output: int = 0
) -> Outputs:
    """What the numbers of a Keras model's output are.

    Args:
        model: The keras.Model.
        told: What the user says.
        loss: What the loss says that it was trained with (see `outputs_by_loss`).
        output: Which output.
    """
    last = last_activation(model.outputs[output])
    if told is not None:
        return told
    if last in _PROBABLE:
        return Outputs(PROBABILITIES, f"the last activation is {last}")
    return loss or Outputs(LOGITS, f"the last activation is {last}")


def last_activation(output: Any) -> str:
    """Name of the activation that makes an output."""
    layer = output._keras_history.operation
    inner = getattr(layer, "inner", layer)
    kind = kind_of(inner)
    if kind in ("Softmax", "Sigmoid", "HardSigmoid"):
        return {"HardSigmoid": "hard_sigmoid"}.get(kind, kind.lower())
    if kind in _UNCHANGED:
        node = layer._inbound_nodes[output._keras_history.node_index]
        return last_activation(node.input_tensors[0])
    return activation_of(inner)


def _class_numbers(labels: Array, classes: int, model: Any) -> Array:
    """Labels as class numbers, int64.

    Raises:
        EdgeqError: They are fractions, or beyond the classes.
    """
    if not (labels == np.round(labels)).all():
        raise EdgeqError(
            "The labels are no whole numbers, and the model tells classes apart.",
            model.name,
            "class numbers from 0 on",
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise EdgeqError(
            f"Labels go from {labels.min()} to {labels.max()}; the model has {classes} classes.",
            model.name,
            "class numbers from 0 on",
        )
    return labels.astype(np.int64)
