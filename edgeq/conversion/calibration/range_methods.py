"""From the histogram of a tensor's values to the range it is quantized with.

Every method may cut rare extremes off, which saturate then, so that the usual values get finer
steps. `minmax` and `moving-average` need no histogram and are in calibration.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 2048
_PERCENTILE = 0.9999
_SHRINKS = np.linspace(0.05, 1.0, 39)


@dataclass(frozen=True)
class Histogram:
    """How often which values occurred.

    Attributes:
        low, high: Edges of the first and the last bin.
        counts: Shape (BINS,).
    """

    low: float
    high: float
    counts: NDArray[Any]

    @property
    def centers(self) -> NDArray[np.float64]:
        """The value in the middle of each bin."""
        step = (self.high - self.low) / BINS
        return np.asarray(self.low + step * (np.arange(BINS) + 0.5), np.float64)


Range = tuple[float, float]


def percentile(histogram: Histogram, levels: int) -> Range:  # noqa: ARG001
    """The range that holds all but 0.01 % of the values on either side."""
    share = np.cumsum(histogram.counts) / histogram.counts.sum()
    edges = np.linspace(histogram.low, histogram.high, BINS + 1)
    first = int(np.searchsorted(share, 1 - _PERCENTILE, "right"))
    last = int(np.searchsorted(share, _PERCENTILE, "left"))
    return float(edges[min(first, BINS - 1)]), float(edges[min(last, BINS - 1) + 1])


def mean_squared_error(histogram: Histogram, levels: int) -> Range:
    """The range with the least expected squared error of rounding and saturation together."""
    centers, counts = histogram.centers, histogram.counts

    def error(low: float, high: float) -> float:
        clipped = np.clip(centers, low, high)
        step = (high - low) / (levels - 1)
        inside = counts[(centers >= low) & (centers <= high)].sum()
        return float((counts * (clipped - centers) ** 2).sum() + inside * step**2 / 12)

    return _search(histogram, error)


def kullback_leibler(histogram: Histogram, levels: int) -> Range:
    """The range whose quantized distribution loses the least information.

    Source: S. Migacz, "8-bit Inference with TensorRT", GTC 2017; the bin of zero is left out,
    because a ReLU's zeros are exact in any range that holds them.
    """
    counts = histogram.counts.astype(np.float64)
    width = (histogram.high - histogram.low) / BINS
    zero = int(-histogram.low / width) if histogram.low <= 0 <= histogram.high else -1
    if 0 <= zero < BINS and counts.sum() > counts[zero]:
        counts[zero] = 0

    def divergence(low: float, high: float) -> float:
        first = max(round((low - histogram.low) / width), 0)
        last = min(round((high - histogram.low) / width), BINS)
        if last - first < min(levels, BINS // 8):
            return np.inf
        inside = counts[first:last]
        reference = inside.copy()
        reference[0] += counts[:first].sum()
        reference[-1] += counts[last:].sum()
        groups = np.arange(len(inside)) * min(levels, len(inside)) // len(inside)
        filled = np.bincount(groups, inside > 0)
        means = np.bincount(groups, inside) / np.maximum(filled, 1)
        quantized = np.where(inside > 0, means[groups], 0)
        p = reference / reference.sum()
        q = np.maximum(quantized / max(quantized.sum(), 1e-30), 1e-9)
        return float((p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum())

    return _search(histogram, divergence)


def _search(histogram: Histogram, loss: Callable[[float, float], float]) -> Range:
    """Shrink one end at a time, each to where the loss is least, twice over."""
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    for _ in range(2):
        high = min((max(histogram.high, 0.0) * s for s in _SHRINKS), key=lambda h: loss(low, h))
        low = min((min(histogram.low, 0.0) * s for s in _SHRINKS), key=lambda b: loss(b, high))
    return float(low), float(high)


RANGE_METHODS: dict[str, Callable[[Histogram, int], Range]] = {
    "percentile": percentile,
    "mse": mean_squared_error,
    "kl": kullback_leibler,
}
