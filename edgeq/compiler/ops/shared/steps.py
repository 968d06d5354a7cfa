"""Products of int8 tensors scaled by one SMLAD each: by a factor, with a step at zero.

The reference rounds a product twice, and halves away from zero, so that the results of negative
products lie on a line of their own. A product of int8 values mostly fits 16 bits; the upper half
of its word is its sign then, 0 or -1, and SMLAD multiplies both halves by numbers of their own.
Whether 16 bits of a factor are enough is tried with all 65536 pairs of inputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_BITS, MOST_BITS = 17, 24  # EQ_STEPPED_EACH
_HALF_WORD = 1 << 15
_HALF_RANGE = 1 << 31
_NEIGHBOURS = 8  # of the nearest factor, on each side
_FREE = 1 << 50


@dataclass(frozen=True)
class Step:
    """(product * factor - [product < 0] * step + constant) >> bits is a result."""

    factor: int
    step: int
    constant: int
    bits: int

    def sums(self, products: NDArray[np.int64]) -> NDArray[np.int64]:
        """What the kernel computes before the shift."""
        return products * self.factor - (products < 0) * self.step + self.constant

    @property
    def pair(self) -> int:
        """Both factors in a word, that of the sign above."""
        word = (self.step & 0xFFFF) << 16 | self.factor
        return word - (1 << 32) if word >= _HALF_RANGE else word


def product_step(
    products: NDArray[np.int64], wanted: NDArray[np.int64], ratio: float
) -> Step | None:
    """What gives the wanted results for all products; None if nothing was found that does.

    Args:
        products: Of all pairs of inputs, zero points subtracted.
        wanted: Results of int8, zero point added.
        ratio: Of results to products.
    """
    if ratio <= 0 or int(np.abs(products).max()) >= _HALF_WORD:
        return None
    some, where = np.unique(products, return_index=True)
    results = wanted.reshape(-1)[where]
    for bits in range(MOST_BITS, LEAST_BITS - 1, -1):
        exact = ratio * 2.0**bits
        if exact >= _HALF_WORD:
            continue
        if exact < _HALF_WORD / 8:
            return None
        near = {math.floor(exact) + k for k in range(-_NEIGHBOURS, _NEIGHBOURS + 2)}
        for factor in sorted(near, key=lambda each: abs(each - exact)):
            found = _with_factor(some, results, factor, bits) if factor < _HALF_WORD else None
            if found is not None:
                return found
    return None


def _with_factor(
    products: NDArray[np.int64], wanted: NDArray[np.int64], factor: int, bits: int
) -> Step | None:
    """Constants for products of either sign that give the wanted results, each for itself."""
    room = 1 << bits
    least = np.where(wanted == -128, -_FREE, wanted * room) - products * factor
    most = np.where(wanted == 127, _FREE, wanted * room + room - 1) - products * factor
    below = products < 0
    low, high = int(least[~below].max(initial=-_FREE)), int(most[~below].min(initial=_FREE))
    under, over = int(least[below].max(initial=-_FREE)), int(most[below].min(initial=_FREE))
    if low > high or under > over:
        return None
    step = max(-_HALF_WORD, min((low + high) // 2 - (under + over) // 2, _HALF_WORD - 1))
    low, high = max(low, under + step), min(high, over + step)
    if low > high:
        return None
    found = Step(factor, step, (low + high) // 2, bits)
    fits = abs(found.constant) < _HALF_RANGE and np.abs(found.sums(products)).max() < _HALF_RANGE
    return found if fits else None
