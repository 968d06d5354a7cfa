"""What training makes small: distance to labels, and to what a teacher says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.errors import EdgeqError

Loss = Callable[[Any, Any], Any]
CLASSES, BINARY, VALUES = "classes", "binary", "values"
_TINY = 1e-7


def label_loss(kind: str, *, logits: bool, name: str | None = None) -> Loss:
    """The distance of outputs to labels in their shape.

    Args:
        kind: "classes" (one of several), "binary" (yes or no, each for itself) or "values".
        logits: Whether outputs are logits.
        name: A Keras loss that the user asked for; None for the kind's own.

    Raises:
        EdgeqError: Keras has no such loss.
    """
    _, keras = import_tensorflow()
    if name is not None:
        try:
            found: Loss = keras.losses.get(name)
        except ValueError:
            raise EdgeqError(f"Keras has no loss '{name}'.") from None
        return found
    if kind == CLASSES:
        return keras.losses.CategoricalCrossentropy(from_logits=logits)  # type: ignore[no-any-return]
    if kind == BINARY:
        return keras.losses.BinaryCrossentropy(from_logits=logits)  # type: ignore[no-any-return]
    return keras.losses.MeanSquaredError()  # type: ignore[no-any-return]


def teacher_loss(kind: str, *, logits: bool, teacher_logits: bool, temperature: float) -> Loss:
    """The distance of a student's outputs to its teacher's: cross-entropy of softened answers.

    Both are brought to logits first, each from what it is itself; only logits can be softened.

    Args:
        kind: As for `label_loss`; for "values" the squared distance is taken.
        logits: Whether the student's outputs are logits.
        teacher_logits: Whether the teacher's are.
        temperature: What logits are divided by.

    Source: "Distilling the Knowledge in a Neural Network", Hinton et al., 2015.
    """
    _, keras = import_tensorflow()
    ops = keras.ops
    if kind == VALUES:
        return keras.losses.MeanSquaredError()  # type: ignore[no-any-return]

    def as_logits(value: Any, are_logits: bool) -> Any:
        if are_logits:
            return value
        value = ops.clip(value, _TINY, 1.0)
        return ops.log(value) if kind == CLASSES else ops.log(value) - ops.log1p(-value + _TINY)

    def of_classes(wanted: Any, found: Any) -> Any:
        target = ops.softmax(as_logits(wanted, teacher_logits) / temperature)
        said = ops.log_softmax(as_logits(found, logits) / temperature)
        return -ops.mean(ops.sum(target * said, axis=-1)) * temperature**2

    def of_each(wanted: Any, found: Any) -> Any:
        target = ops.sigmoid(as_logits(wanted, teacher_logits) / temperature)
        said = as_logits(found, logits) / temperature
        losses = ops.binary_crossentropy(target, said, from_logits=True)
        return ops.mean(losses) * temperature**2

    return of_classes if kind == CLASSES else of_each
