"""Factors of sums and products of int8 values: one rounding where the reference has two or three.

What one factor for each input and one rounding give is compared with the reference's results for
all 65536 pairs of int8 inputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.lookup import Pairwise

_VALUES = np.arange(-128, 128, dtype=np.int64)
FIRST, SECOND = _VALUES[:, None], _VALUES[None, :]  # of all pairs of inputs
_PAIRED_BITS = 16  # behind the point of sums whose high halves are put together, eq_eights_dsp.h
_PAIRED_TRIES = 100
_PAIRED_SPREAD = 8  # of a factor, in units of 2^-24, at the last try
_MOST_BITS = 22  # behind the point of a sum, EQ_SATURATE_8_CASE
_FEWEST_BITS = 16
_HALF_RANGE = 1 << 31
_TURNS = 60


def _nudges() -> Iterator[float]:
    """What factors are multiplied with, in the order in which they are tried.

    A little more than the exact factor brings halves away from zero, as the reference does.
    """
    yield 1.0
    for bits in (20, 18, 16, 22, 14):
        yield 1.0 + 2.0**-bits
        yield 1.0 - 2.0**-bits


@dataclass(frozen=True)
class SumFactors:
    """factor1, factor2, constant and shift of eq_scaled_sum_dsp_params, or of the host's.

    `low` bits of each product are dropped before it is added.
    """

    one: int
    two: int
    constant: int
    bits: int
    low: int

    @classmethod
    def near(
        cls,
        ratios: tuple[float, float],
        nudge: float,
        offsets: tuple[int, int, int],
        bits: int,
        low: int,
    ) -> SumFactors:
        """The ratios of the inputs' scales to the output's, times `nudge`, in whole numbers."""
        one, two = (round(ratio * nudge * 2.0 ** (bits + low)) for ratio in ratios)
        zero = (offsets[2] << bits) + (1 << (bits - 1))
        return cls(one, two, zero - ((offsets[0] * one + offsets[1] * two) >> low), bits, low)

    def sums(self) -> NDArray[np.int64]:
        """What the kernel adds up, for all pairs of inputs."""
        first, second = (FIRST * self.one) >> self.low, (SECOND * self.two) >> self.low
        return self.constant + first + second

    def results(self) -> NDArray[np.int64]:
        """What the kernel gives, for all pairs of inputs."""
        return np.clip(self.sums() >> self.bits, -128, 127)

    def fit(self) -> bool:
        """Whether all that the kernel computes fits 32 bits."""
        largest = max(abs(self.one), abs(self.two), abs(self.constant))
        each = (max(abs(self.one), abs(self.two)) << 7) >> self.low
        return (
            largest < _HALF_RANGE
            and each + abs(self.constant) < _HALF_RANGE
            and (int(np.abs(self.sums()).max()) < _HALF_RANGE)
        )


@lru_cache(maxsize=64)
def sum_factors(
    ratios: tuple[float, float],
    offsets: tuple[int, int, int],
    results: bytes,
    low: int,
    more: int = 0,
) -> SumFactors | None:
    """Factors that give what is wanted for all pairs of inputs; None if none were found.

    Args:
        ratios: Of the inputs' scales to the output's, with their signs.
        offsets: Zero points of inputs and output.
        results: The int64 results, before the activation's limits, for all pairs.
        low: Bits of a product that are dropped.
        more: Bits behind the point beyond those that leave room for all inputs of any offsets.
    """
    wanted = np.frombuffer(results, np.int64).reshape(256, 256)
    reach = 256 * (abs(ratios[0]) + abs(ratios[1])) + 256
    bits = min(_MOST_BITS, 30 - math.ceil(math.log2(reach)) + more)
    if bits < _FEWEST_BITS:
        return None
    for nudge in _nudges():
        start = SumFactors.near(ratios, nudge, offsets, bits, low)
        if not start.fit():
            return None
        # Each product is rounded down.
        for more in (1, 0, 2):
            tried = replace(start, constant=start.constant + more)
            if np.array_equal(tried.results(), wanted):
                return tried
    return _relaxed(SumFactors.near(ratios, 1.0, offsets, bits, low), wanted)


@lru_cache(maxsize=64)
def paired_factors(found: SumFactors, results: bytes) -> SumFactors | None:
    """Factors of 16 bits behind the sums' point that give what `found` does; None if not found.

    Bits of a product below the point are dropped, which moves sums to either side of a rounding; so
    neighbours of the exact factors are tried.
    """
    wanted = np.frombuffer(results, np.int64).reshape(256, 256)
    room, unit = 1 << _PAIRED_BITS, 2.0 ** (_PAIRED_BITS - found.bits)
    low = np.where(wanted == -128, -_HALF_RANGE, wanted * room)
    high = np.where(wanted == 127, _HALF_RANGE, wanted * room + room - 1)
    random = np.random.default_rng(0)
    for spread in np.linspace(0, _PAIRED_SPREAD, _PAIRED_TRIES):
        one, two = (
            round(factor * unit + spread * random.normal()) for factor in (found.one, found.two)
        )
        plain = replace(found, one=one, two=two, constant=0, bits=_PAIRED_BITS)
        sums = plain.sums()
        least, most = int((low - sums).max()), int((high - sums).min())
        if least <= most:
            tried = replace(plain, constant=(least + most) // 2)
            # The kernel adds 128, to saturate to unsigned bytes.
            lifted = replace(tried, constant=tried.constant + 128 * room)
            return tried if tried.fit() and lifted.fit() else None
    return None


def _relaxed(start: SumFactors, wanted: NDArray[np.int64]) -> SumFactors | None:
    """Factors moved until no pair's sum lies on the wrong side of a rounding; None if they do not.

    Each turn moves them as little as the pair that is farthest off asks for.
    """
    one, two, constant = float(start.one), float(start.two), float(start.constant)
    room = 1 << start.bits
    low = np.where(wanted == -128, -_HALF_RANGE, wanted * room)
    high = np.where(wanted == 127, _HALF_RANGE, wanted * room + room - 1)
    for _ in range(_TURNS):
        tried = SumFactors(round(one), round(two), round(constant), start.bits, start.low)
        if not tried.fit():
            return None
        sums = tried.sums()
        short, over = low - sums, sums - high
        if max(short.max(), over.max()) <= 0:
            return tried
        worst = int(np.argmax(np.maximum(short, over)))
        i, j = divmod(worst, 256)
        missing = float(short[i, j] + 1 if short[i, j] > 0 else -over[i, j] - 1)
        unit = float(1 << start.low)
        x, y, weight = float(_VALUES[i]) / unit, float(_VALUES[j]) / unit, 1.0
        step = missing / (x * x + y * y + weight)
        one, two, constant = one + step * x, two + step * y, constant + step * weight
    return None


def product_factor(
    products: NDArray[np.int64], wanted: NDArray[np.int64], zero_point: int
) -> int | None:
    """A factor for which (product * factor + 2^31) >> 32 is what is wanted; None if there is none.

    Each product bounds it on both sides, but for results at the ends, which saturation hides.
    """
    free = np.int64(1 << 56)
    least = np.where(wanted == -128, -free, ((wanted - zero_point) << 32) - (1 << 31))
    most = np.where(wanted == 127, free, ((wanted - zero_point) << 32) + (1 << 31) - 1)
    if np.any((products == 0) & ((least > 0) | (most < 0))):
        return None
    divisor = np.where(products == 0, 1, np.abs(products))
    # A negative product turns the bounds around.
    low = np.where(products > 0, least, -most)
    high = np.where(products > 0, most, -least)
    live = products != 0
    from_ = int((-(-low // divisor))[live].max(initial=0))
    to = int((high // divisor)[live].min(initial=_HALF_RANGE - 1))
    factor = from_ + max(0, (min(to, _HALF_RANGE - 1) - from_) // 2)
    return factor if from_ <= factor <= to and factor < _HALF_RANGE else None


def wanted_results(compute: Pairwise) -> NDArray[np.int64]:
    """The reference's results for all pairs of inputs, within int8: (256, 256)."""
    first, second = np.broadcast_arrays(FIRST, SECOND)
    return np.clip(compute(first, second), -128, 127)
