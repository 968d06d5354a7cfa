"""What training makes small: distance to labels, and to what a teacher says."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from edgeq.conversion.tensorflow import first_line, import_tensorflow
from edgeq.errors import EdgeqError

Loss = Callable[[Any, Any], Any]
# Of these names Keras expects probabilities; and labels as numbers, which are one-hot here.
_OF_PROBABILITIES = frozenset({"dice", "kl_divergence", "tversky"})
_BY_NUMBERS = "sparse_categorical_crossentropy"
CLASSES, BINARY, VALUES = "classes", "binary", "values"
_TINY = 1e-7


def label_loss(kind: str, *, logits: bool, name: str | None = None) -> Loss:
    """The distance of outputs to labels in their shape.

    Args:
        kind: "classes" (one of several), "binary" (yes or no, each for itself) or "values".
        logits: Whether outputs are logits.
        name: A Keras loss that the user asked for; None for the kind's own. It takes outputs for
            what they are: logits or probabilities.

    Raises:
        EdgeqError: Keras has no such loss.
    """
    _, keras = import_tensorflow()
    if name is not None:
        return _named(name, kind, logits=logits)
    if kind == CLASSES:
        return keras.losses.CategoricalCrossentropy(from_logits=logits)  # type: ignore[no-any-return]
    if kind == BINARY:
        return keras.losses.BinaryCrossentropy(from_logits=logits)  # type: ignore[no-any-return]
    return keras.losses.MeanSquaredError()  # type: ignore[no-any-return]


def _named(name: str, kind: str, *, logits: bool) -> Loss:
    """Keras's loss of a name, for outputs as they are and labels in their shape."""
    _, keras = import_tensorflow()
    try:
        found = keras.losses.get(name)
    except ValueError:
        found = None
    found = getattr(found, "fn", found)  # of a class: what it averages
    if not callable(found):
        raise EdgeqError(f"Keras has no loss '{name}'.")
    plain = getattr(found, "__name__", "")
    if plain == _BY_NUMBERS:
        found = keras.losses.categorical_crossentropy
    if not logits:
        return found  # type: ignore[no-any-return]
    if "from_logits" in inspect.signature(found).parameters:
        return lambda wanted, said: found(wanted, said, from_logits=True)
    if plain in _OF_PROBABILITIES and kind != VALUES:
        squash = keras.ops.softmax if kind == CLASSES else keras.ops.sigmoid
        return lambda wanted, said: found(wanted, squash(said))
    return found  # type: ignore[no-any-return]


def check_loss(loss: Loss, name: str, labels: Any) -> None:
    """Refuse a loss that the user asked for and that cannot be computed of such labels.

    Raises:
        EdgeqError: It fails on them.
    """
    try:
        loss(labels, labels)
    except Exception as error:
        raise EdgeqError(
            f"The loss {name} does not go with labels of shape {labels.shape[1:]} "
            f"({first_line(error)}).",
            hint="another --loss, or none, for one that fits labels and output",
        ) from error


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
