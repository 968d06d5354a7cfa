"""Scores: a model's answers as integers of 1/32768, which decisions are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.model.arrays import quantize
from edgeq.model.decision import ONE, Rules
from edgeq.model.fixedpoint import (
    dtype_range,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from edgeq.model.graph import Quantization, Tensor
from edgeq.support.array import Array

_TYPES = ("int8", "uint8", "int16", "float32")


def score_tensor(answer: Tensor, full_scale: float) -> Tensor:
    """What an answer is turned into: int16, where `full_scale` is 32768."""
    scale = Quantization(np.asarray([full_scale / ONE], np.float32), np.zeros(1, np.int64))
    return replace(answer, name="scores", dtype="int16", quantization=scale, dynamic_axes=())


def as_int8(tensor: Tensor) -> Tensor:
    """A uint8 tensor as int8 of the same scale, which loses nothing."""
    assert tensor.quantization is not None
    zero = np.asarray([tensor.zero_point - 128], np.int64)
    return replace(tensor, dtype="int8", quantization=Quantization(tensor.quantization.scale, zero))


def check_scores(answer: Tensor, full_scale: float, where: str, hint: str = "") -> None:
    """Refuse answers that are no scores.

    Args:
        answer: The model's output.
        full_scale: The real value that is a score of 1.
        where: What to blame.
        hint: What to do about answers that reach further.

    Raises:
        EdgeqError: They are of another type, or reach further than `full_scale`.
    """
    if answer.dtype not in _TYPES or (answer.dtype != "float32" and answer.quantization is None):
        raise EdgeqError(
            f"The model's answers are {answer.dtype} without a scale; decisions are made of "
            "scores.",
            where,
            "convert it with --head scores",
        )
    if answer.dtype == "float32":
        return
    low, high = ((end - answer.zero_point) * answer.scale for end in dtype_range(answer.dtype))
    reach = max(high, -low)
    if reach > full_scale * 1.01:
        raise EdgeqError(
            f"The model's answers reach from {low:.4g} to {high:.4g}; scores of this decision "
            f"are at most {full_scale:g}.",
            where,
            hint
            or f"full_scale = {reach:.4g} under [decision], or a model with softmax or sigmoid at "
            "its end",
        )


def check_reach(answer: Tensor, rules: Rules, where: str) -> None:
    """Refuse thresholds that lie above every score which integer answers can have.

    Raises:
        EdgeqError: No class can ever make an event.
    """
    if answer.dtype == "float32" or not rules.firing:
        return
    most = dtype_range(answer.dtype)[1]
    ends = np.full((1, 1), most, answer.dtype)
    reach = int(scores_of(ends, answer, rules.full_scale)[0, 0])
    lowest = min(rules.thresholds[c] for c in rules.firing)
    if lowest > reach:
        real = (most - answer.zero_point) * answer.scale
        raise EdgeqError(
            f"The model's answers reach {real:.4g} at most, and no threshold is below "
            f"{lowest / ONE * rules.full_scale:.4g}: no event could ever be made.",
            where,
            f"threshold = {real:.3g} or less under [decision]",
        )


def scores_of(answers: Array, tensor: Tensor, full_scale: float) -> Array:
    """Answers as the generated C turns them into scores.

    Args:
        answers: Of the tensor's type; the first axis counts them.
        tensor: The model's output.
        full_scale: The real value that is a score of 1.

    Returns:
        int16, shape (answers, classes).
    """
    score = score_tensor(tensor, full_scale)
    rows = answers.reshape(len(answers), -1)
    if rows.dtype.kind == "f":
        return quantize(rows, score)
    multiplier, shift = quantize_multiplier(tensor.scale / score.scale)
    scaled = multiply_by_quantized_multiplier(
        rows.astype(np.int64) - tensor.zero_point, multiplier, shift
    )
    return np.asarray(np.clip(scaled, -ONE, ONE - 1), np.int16)
