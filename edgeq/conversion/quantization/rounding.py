"""Weights rounded up or down such that their products, not they themselves, are hardly off.

With weights w in units of their scale, integers q and the second moment G of the inputs, the mean
squared error of an output is (q - w) G (q - w). Rounding to nearest minimizes it only where inputs
are uncorrelated. Rounding one weight after the other, where those still to come make up for the
error so far, and then turning single weights while that helps, finds far better integers.

Source: choice and objective are those of "Up or Down? Adaptive Rounding for Post-Training
Quantization", Nagel et al., 2020, sections 2 and 3; the sequence that replaces its training is
"GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", Frantar et al.,
2022, section 3, kept to the two integers beside each weight where asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DAMPING = 0.01
_SWEEPS = 10
_BLOCK = 64
Array = NDArray[Any]


@dataclass(frozen=True)
class _Choices:
    """The integers a weight may become; arrays of one shape (groups, outputs, taps)."""

    weights: Array
    low: Array
    high: Array

    def nearest(self, values: Array, taps: Any = slice(None)) -> Array:
        """Of the integers of some taps, those nearest to values."""
        return np.clip(np.round(values), self.low[:, :, taps], self.high[:, :, taps])

    def ordered(self, order: Array) -> _Choices:
        """The same with taps in another order, per group."""
        sort = [np.take_along_axis(x, order, axis=2) for x in (self.weights, self.low, self.high)]
        return _Choices(*sort)


def adaptive_integers(
    weights: Array, gram: Array, limit: int, *, free: bool = False, sweeps: int = _SWEEPS
) -> Array:
    """For each weight the integer above or below it, such that outputs are least off.

    Args:
        weights: In units of their scale, shape (groups, outputs, taps).
        gram: Second moment of the inputs, shape (groups, taps, taps).
        limit: Largest absolute value of an integer.
        free: Whether weights may become integers further away.
        sweeps: How often each weight is looked at again.

    Returns:
        int8, of the shape of the weights; no output is further off than by rounding to nearest.
    """
    damped = damped_gram(gram)
    low, high = (np.clip(edge(weights), -limit, limit) for edge in (np.floor, np.ceil))
    if free:
        low, high = np.full_like(weights, -limit), np.full_like(weights, limit)
    choices = _Choices(weights, low, high)
    nearest = choices.nearest(weights)
    found = _descend(_sequential(choices, damped), choices, damped, sweeps)
    better = output_errors(found - weights, damped) < output_errors(nearest - weights, damped)
    return np.asarray(np.where(better[:, :, None], found, nearest), np.int8)


def output_errors(errors: Array, gram: Array) -> Array:
    """Mean squared error of each output, shape (groups, outputs).

    Args:
        errors: Of the weights, shape (groups, outputs, taps).
        gram: Second moment of the inputs, shape (groups, taps, taps).
    """
    return np.asarray(((errors @ gram) * errors).sum(axis=2))


def damped_gram(gram: Array) -> Array:
    """The moment with a little uncorrelated noise: few samples claim more than they know."""
    taps = gram.shape[1]
    noise = _DAMPING * np.trace(gram, axis1=1, axis2=2) / taps
    return np.asarray(gram + np.where(noise > 0, noise, 1.0)[:, None, None] * np.eye(taps))


def _inverse_factor(moment: Array) -> Array:
    """The upper factor of the inverse of each moment, with as little more damping as it takes.

    Inputs that nearly repeat each other leave an inverse that rounding makes indefinite.
    """
    taps = moment.shape[1]
    size = np.trace(moment, axis1=1, axis2=2)[:, None, None] / taps * np.eye(taps)
    for extra in (0.0, 1e-6, 1e-4, 1e-2):
        try:
            inverse = np.linalg.inv(moment + extra * size)
            return np.asarray(np.linalg.cholesky(inverse).transpose(0, 2, 1))
        except np.linalg.LinAlgError:
            continue
    # Inputs that hardly vary at all say nothing: each weight is rounded for itself.
    return np.asarray(np.broadcast_to(np.eye(taps), moment.shape))


def _sequential(choices: _Choices, gram: Array) -> Array:
    """Weights rounded one after the other, each error passed on to those still to come."""
    # The inputs that matter most first, while there are many others to make up for them.
    order = np.argsort(-np.diagonal(gram, axis1=1, axis2=2), axis=1, kind="stable")
    rows, columns = order[:, :, None], order[:, None, :]
    factor = _inverse_factor(gram[np.arange(len(gram))[:, None, None], rows, columns])
    ordered = choices.ordered(columns)
    wanted = ordered.weights.copy()
    found, errors = np.empty_like(wanted), np.empty_like(wanted)
    for start in range(0, wanted.shape[2], _BLOCK):
        end = min(start + _BLOCK, wanted.shape[2])
        for tap in range(start, end):
            found[:, :, tap] = ordered.nearest(wanted[:, :, tap], tap)
            errors[:, :, tap] = (wanted[:, :, tap] - found[:, :, tap]) / factor[:, tap, tap, None]
            passed_on = errors[:, :, tap, None] * factor[:, None, tap, tap + 1 : end]
            wanted[:, :, tap + 1 : end] -= passed_on
        # To taps of later blocks the errors of a whole block are passed on at once.
        wanted[:, :, end:] -= errors[:, :, start:end] @ factor[:, start:end, end:]
    integers: Array = np.empty_like(found)
    np.put_along_axis(integers, np.broadcast_to(columns, found.shape), found, axis=2)
    return integers


def _descend(integers: Array, choices: _Choices, gram: Array, sweeps: int) -> Array:
    """Each integer set to the better one given all others, until none changes."""
    found: Array = integers.copy()
    slope = (found - choices.weights) @ gram
    for _ in range(sweeps):
        before = found.copy()
        for tap in range(found.shape[2]):
            here = found[:, :, tap].copy()
            best = here - slope[:, :, tap] / gram[:, None, tap, tap]
            found[:, :, tap] = choices.nearest(best, tap)
            step = found[:, :, tap] - here
            groups, outputs = np.nonzero(step)
            slope[groups, outputs] += step[groups, outputs, None] * gram[groups, tap]
        if np.array_equal(found, before):
            break
    return found
