"""Integers, scale and bias of a layer that make its outputs from inputs that are off already.

The layers before a layer have been rounded, so it sees other inputs x' than the float layer's x.
Its outputs are least off with the weights W E[x x'] E[x' x']^-1 in place of W, which make up for
part of the errors before; means go into the bias. Those weights are rounded, each with the errors
of those before it passed on, for several scales; the best scale is then fitted to the integers, and
so on in turn.

Source: asymmetric reconstruction is that of "Up or Down? Adaptive Rounding for Post-Training
Quantization", Nagel et al., 2020, section 3.4; the objective's solution is that of linear
regression; scales in turn with integers as in "Optimize Weight Rounding via Signed Gradient
Descent", Cheng et al., 2023, learn them by gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.quantization.rounding import adaptive_integers, damped_gram, output_errors

Array = NDArray[Any]
# Shares of the range that the largest weight needs; the rest saturates.
_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
_SWEEPS_OF_TRIES = 2
_TURNS = 3
_SAME = 1e-3


class PairedMoments:
    """Sums over patches of a layer's input: exact ones x, and those that the integers make, x'.

    With `judging`, errors can be computed from them.
    """

    def __init__(self, groups: int, taps: int, *, judging: bool) -> None:
        self.count = 0
        self._judging = judging
        self._exact, self._found = np.zeros((groups, taps)), np.zeros((groups, taps))
        square = (groups, taps, taps)
        self._cross, self._found2 = np.zeros(square), np.zeros(square)
        self._exact2 = np.zeros(square if judging else (groups, 0, 0))

    def add(self, exact: Array, found: Array) -> None:
        """Take patches of shape (groups, places, taps) in, the same places of both."""
        self.count += exact.shape[1]
        self._exact += exact.sum(axis=1, dtype=np.float64)
        self._found += found.sum(axis=1, dtype=np.float64)
        turned = exact.transpose(0, 2, 1)
        if self._judging:
            self._exact2 += turned @ exact
        self._cross += turned @ found
        self._found2 += found.transpose(0, 2, 1) @ found

    def means(self) -> tuple[Array, Array]:
        """Mean patch of x and of x', shape (groups, taps)."""
        return self._exact / self.count, self._found / self.count

    def learned(self, *, centred: bool) -> tuple[Array, Array]:
        """Mean products x x' and x' x', shape (groups, taps, taps); without means if asked."""
        one, other = self.means()
        cross, found = self._cross / self.count, self._found2 / self.count
        if centred:
            cross -= one[:, :, None] * other[:, None, :]
            found -= other[:, :, None] * other[:, None, :]
        return cross, found

    def exact(self) -> Array:
        """Mean product x x."""
        return np.asarray(self._exact2 / self.count)


@dataclass(frozen=True)
class Rebuilt:
    """A layer's integers.

    Attributes:
        integers: Shape (groups, outputs, taps).
        scales: Shape (groups, outputs).
        shift: What is to be added to each output beside the float bias, shape (groups, outputs).
    """

    integers: Array
    scales: Array
    shift: Array

    def equals(self, weights: Array) -> bool:
        """Whether these integers are the weights, but for float's last digits.

        Training for few bits leaves such weights; others would undo what was learned.
        """
        off = np.abs(self.integers - weights / self.scales[:, :, None])
        return bool(off.max(initial=0.0) < _SAME)

    def errors(self, weights: Array, moments: PairedMoments) -> tuple[float, float]:
        """Mean square of the outputs' errors, and of the exact products' deviations."""
        cross, found2 = moments.learned(centred=False)
        exact2 = moments.exact()
        one, other = moments.means()
        ours = self.integers * self.scales[:, :, None]
        error = (
            output_errors(ours, found2)
            - 2 * ((weights @ cross) * ours).sum(axis=2)
            + output_errors(weights, exact2)
        )
        drift = (ours @ other[:, :, None] - weights @ one[:, :, None])[:, :, 0]
        error += self.shift**2 + 2 * self.shift * drift
        signal = output_errors(weights, exact2) - (weights @ one[:, :, None])[:, :, 0] ** 2
        return float(error.sum()), float(signal.sum())


def rebuild(
    weights: Array, moments: PairedMoments, limit: int, least: Array, *, biased: bool
) -> Rebuilt:
    """The integers that make a layer's outputs from what the integers before it give.

    Args:
        weights: Of the float model, shape (groups, outputs, taps).
        moments: Of its inputs.
        limit: Largest absolute value of an integer.
        least: Smallest scale that each output may have, shape (groups, outputs); of shape (1, 1)
            where all share one scale.
        biased: Whether there is a bias that the means can go into.
    """
    cross, found2 = moments.learned(centred=biased)
    gram = damped_gram(found2)
    noise = gram - found2
    wanted = np.linalg.solve(gram, (weights @ (cross + noise)).transpose(0, 2, 1))
    wanted = wanted.transpose(0, 2, 1)
    integers, scales = _searched(wanted, found2, limit, least)
    shift = np.zeros(scales.shape)
    if biased:
        one, other = moments.means()
        ours = integers * scales[:, :, None]
        shift = (weights @ one[:, :, None] - ours @ other[:, :, None])[:, :, 0]
    return Rebuilt(integers, scales, shift)


def _searched(wanted: Array, gram: Array, limit: int, least: Array) -> tuple[Array, Array]:
    """Integers and scales, chosen in turn."""
    per_tensor = least.size == 1
    largest = np.abs(wanted).max(axis=2)
    if per_tensor:
        largest = np.full_like(largest, largest.max())
    # All shares at once: the outputs stand side by side.
    tries = np.concatenate(
        [np.maximum(largest / limit * share, least) for share in _SHARES], axis=1
    )
    targets = np.tile(wanted, (1, len(_SHARES), 1))
    integers = adaptive_integers(
        targets / tries[:, :, None], gram, limit, free=True, sweeps=_SWEEPS_OF_TRIES
    )
    errors = output_errors(integers * tries[:, :, None] - targets, gram)
    outputs = wanted.shape[1]
    by_share = errors.reshape(len(wanted), len(_SHARES), outputs)
    if per_tensor:
        by_share = np.broadcast_to(by_share.sum(axis=(0, 2), keepdims=True), by_share.shape)
    best = by_share.argmin(axis=1)
    picked = best * outputs + np.arange(outputs)
    groups = np.arange(len(wanted))[:, None]
    found = np.asarray(integers[groups, picked], np.float64), tries[groups, picked]
    for _ in range(_TURNS):
        found, better = _turn(wanted, gram, limit, least, *found)
        if not better:
            break
    return found


def _turn(
    wanted: Array, gram: Array, limit: int, least: Array, integers: Array, scales: Array
) -> tuple[tuple[Array, Array], bool]:
    """The best scales for these integers, and the best integers for those scales."""
    per_tensor = least.size == 1

    def error(values: Array, sizes: Array) -> Array:
        found = output_errors(values * sizes[:, :, None] - wanted, gram)
        return np.full_like(found, found.sum()) if per_tensor else found

    products = (integers @ gram) * wanted, (integers @ gram) * integers
    along, energy = (product.sum(axis=2) for product in products)
    if per_tensor:
        along, energy = np.full_like(along, along.sum()), np.full_like(energy, energy.sum())
    fitted = np.where((energy > 0) & (along > 0), along / np.maximum(energy, 1e-300), scales)
    fitted = np.maximum(fitted, least)
    again = adaptive_integers(wanted / fitted[:, :, None], gram, limit, free=True)
    better = error(again, fitted) < error(integers, scales)
    chosen = np.where(better[:, :, None], again, integers), np.where(better, fitted, scales)
    return (np.asarray(chosen[0], np.float64), chosen[1]), bool(better.any())
