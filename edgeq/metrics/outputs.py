"""What the numbers of a model's output are: logits or probabilities; scores of classes from them.

A threshold of 0.5 on logits is as wrong as one of 0 on probabilities, and no figure shows it. So
it is found once, in this order: told by the user, by the last op, by the loss the model was trained
with, by metadata, at last by the numbers themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.support.array import Array

LOGITS, PROBABILITIES, CLASSES = "logits", "probabilities", "classes"
# Integers of a softmax add up to 1 within a step for each class.
_SLACK, _STEP = 0.05, 1 / 512


@dataclass(frozen=True)
class Outputs:
    """What an output's numbers are.

    Attributes:
        kind: "logits" (above 0 means yes), "probabilities" (above 0.5 means yes), or "classes"
            (the number of the class itself).
        reason: Where that is known from.
    """

    kind: str
    reason: str

    @property
    def threshold(self) -> float:
        """What a single output must exceed for a yes."""
        return 0.0 if self.kind == LOGITS else 0.5

    def __str__(self) -> str:
        """For people: the kind and the reason."""
        return f"{self.kind} ({self.reason})"


def told(*, from_logits: bool | None) -> Outputs | None:
    """What `--from-logits` or `--from-probabilities` says; None where neither is given."""
    if from_logits is None:
        return None
    return (
        Outputs(LOGITS, "--from-logits")
        if from_logits
        else Outputs(PROBABILITIES, "--from-probabilities")
    )


def outputs_by_value(values: Array) -> Outputs:
    """Probabilities if the numbers may be some, else logits.

    Args:
        values: (N, ...).
    """
    inside = values.size > 0 and values.min() >= -0.01 and values.max() <= 1.01
    width = values.shape[-1] if values.ndim > 1 else 1
    if inside and (width == 1 or sums_to_one(values)):
        return Outputs(PROBABILITIES, "all values lie between 0 and 1")
    if inside:
        return Outputs(PROBABILITIES, "all values lie between 0 and 1, one by one")
    return Outputs(LOGITS, "values lie beyond 0 and 1")


def sums_to_one(values: Array) -> bool:
    """Whether the last axis may hold the probabilities of classes that exclude each other."""
    slack = _SLACK + values.shape[-1] * _STEP
    return bool(np.abs(values.sum(axis=-1) - 1).max() <= slack)


def class_scores(values: Array, kind: Outputs) -> Array:
    """Scores (N, classes), the largest of which is the answer.

    Args:
        values: A model's output, (N, ...); a single column is the score of class 1.
        kind: What its numbers are.

    Raises:
        EdgeqError: The model gives class numbers, which hold no scores.
    """
    if kind.kind == CLASSES:
        raise EdgeqError("The model gives the number of the class; there are no scores.")
    scores = values.reshape(len(values), -1)
    if scores.shape[1] == 1:
        other = np.zeros_like(scores) if kind.kind == LOGITS else 1 - scores
        scores = np.concatenate([other, scores], axis=1)
    return scores


def probabilities(scores: Array, kind: Outputs) -> Array:
    """Class scores (N, classes) as probabilities that add up to 1: the softmax of logits."""
    if kind.kind == PROBABILITIES:
        total = scores.sum(axis=1, keepdims=True)
        # Sigmoids of one class each need not add up.
        return scores if sums_to_one(scores) else scores / np.maximum(total, 1e-12)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: Array = powers / powers.sum(axis=1, keepdims=True)
    return found


def evidence(scores: Array, kind: Outputs) -> Array:
    """How much speaks for each class against all others, (N, classes), to rank samples by.

    Of logits it is the logarithm of the odds, in the order of the softmax, which is 1 for all that
    are sure.
    """
    if kind.kind == PROBABILITIES:
        return probabilities(scores, kind)
    values, rows = scores.astype(np.float64), np.arange(len(scores))
    top = values.argmax(axis=1)
    most, rest = values[rows, top], values.copy()
    rest[rows, top] = -np.inf
    second = rest.max(axis=1)
    beside = np.exp(rest - most[:, None])  # of those that are not at the top, whose own is 1
    others = np.log1p(np.maximum(beside.sum(axis=1, keepdims=True) - beside, 0))
    found: Array = values - most[:, None] - others
    found[rows, top] = most - second - np.log(np.exp(rest - second[:, None]).sum(axis=1))
    return found
