"""How far a figure may be from what endless data would give: 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from edgeq.support.array import Array

Weigh = Callable[[Array], Array]
"""A figure as a function of weights: (R, N), how often each sample counts, to (R,) values."""

Interval = tuple[float, float]

_Z = 1.959963984540054
_MOST_ROUNDS, _LEAST_ROUNDS = 1000, 100
# Numbers that one resampling may look at, in all and at a time.
_BUDGET, _CHUNK = 200_000_000, 2_000_000
_SEED = 0


def wilson(hits: int, n: int) -> Interval:
    """The 95 % interval of a share: so many hits among n samples.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927).
    """
    share, square = hits / n, _Z * _Z
    middle = (share + square / (2 * n)) / (1 + square / n)
    reach = _Z * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    # At the ends the formula gives 0 and 1 but for rounding.
    return (0.0 if not hits else middle - reach), (1.0 if hits == n else middle + reach)


def bootstrap(weigh: Weigh, n: int, cost: int = 1) -> Interval | None:
    """The 95 % percentile interval of any figure, by drawing the samples anew; always the same.

    Args:
        weigh: The figure.
        n: Number of samples.
        cost: Numbers that it looks at for each sample, so that large sets get fewer rounds.

    Returns:
        None where the data is so large that drawing anew would take minutes, or where the figure
        is not defined for most draws.
    """
    values = resampled(weigh, n, cost)
    known = values[np.isfinite(values)]
    if len(known) < _LEAST_ROUNDS:
        return None
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)


def resampled(weigh: Weigh, n: int, cost: int = 1) -> Array:
    """The figure of each draw; two figures of the same n see the same draws."""
    found = [weigh(weights) for weights in _draws(n, cost)]
    return np.concatenate(found) if found else np.empty(0)


def _draws(n: int, cost: int) -> Iterator[Array]:
    """Weights (R, N) of samples drawn with replacement, R so small that memory holds them."""
    rounds = min(_MOST_ROUNDS, _BUDGET // (n * cost))
    if rounds < _LEAST_ROUNDS:
        return
    generator = np.random.default_rng(_SEED)
    at_once = max(1, _CHUNK // (n * cost))
    for start in range(0, rounds, at_once):
        count = min(at_once, rounds - start)
        drawn = generator.integers(0, n, (count, n)) + n * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n).astype(np.float64)
