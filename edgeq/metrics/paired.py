"""Two models on the very same samples: is one worse, or is it noise?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeq.metrics.base import Score
from edgeq.metrics.intervals import Interval, resampled

_LEVEL = 0.05


@dataclass(frozen=True)
class Paired:
    """A second model against a first one.

    Attributes:
        metric: The figure that is compared.
        n: Samples that both have seen.
        difference: The second's figure less the first's.
        interval: Of the difference, 95 %, by drawing the samples anew; None where it is not known.
        worse, better: Samples that only the first, or only the second, gets right; None for a
            metric that has no right and wrong.
        p_value: Of McNemar's exact test; None for such a metric.
        significant: Whether the difference is more than noise.
    """

    metric: str
    n: int
    difference: float
    interval: Interval | None
    worse: int | None
    better: int | None
    p_value: float | None
    significant: bool | None

    def __str__(self) -> str:
        """The verdict for people."""
        verdict = {True: "more than noise", False: "within noise", None: "noise not known"}
        words = verdict[self.significant]
        if self.p_value is not None:
            return (
                f"{self.worse} of {self.n} samples worse, {self.better} better: "
                f"McNemar p = {self.p_value:.2g}, {words}"
            )
        if self.interval is None:
            return words
        low, high = self.interval
        return f"difference {self.difference:+.4g} ({low:+.4g} to {high:+.4g}): {words}"


def compare_scores(first: Score, second: Score) -> Paired | None:
    """The second score against the first, sample by sample; None where they are not comparable.

    Both must come from the same metric on the same samples in the same order.

    Source: McNemar, "Note on the sampling error of the difference between correlated proportions
    or percentages" (1947), exact; the bootstrap of paired samples for other figures.
    """
    if first.metric != second.metric or first.n != second.n or not first.n:
        return None
    metric, n = first.metric, first.n
    ours, theirs = first.figures.get(metric), second.figures.get(metric)
    difference = second.value - first.value
    if ours is None or theirs is None:
        return Paired(metric, n, difference, None, None, None, None, None)
    cost = ours.cost + theirs.cost
    drawn = resampled(lambda w: theirs.weigh(w) - ours.weigh(w), n, cost)
    drawn = drawn[np.isfinite(drawn)]
    interval = None
    if len(drawn):
        low, high = np.percentile(drawn, (2.5, 97.5))
        interval = float(low), float(high)
    if ours.hits is None or theirs.hits is None:
        beyond = None if interval is None else not interval[0] <= 0 <= interval[1]
        return Paired(metric, n, difference, interval, None, None, None, beyond)
    worse = int((ours.hits & ~theirs.hits).sum())
    better = int((theirs.hits & ~ours.hits).sum())
    p_value = mcnemar(worse, better)
    return Paired(metric, n, difference, interval, worse, better, p_value, p_value < _LEVEL)


def mcnemar(worse: int, better: int) -> float:
    """The probability that chance splits the samples that differ as unevenly as this, two-sided.

    Args:
        worse: Samples that only the first model gets right.
        better: Samples that only the second gets right.
    """
    total, least = worse + better, min(worse, better)
    if not total:
        return 1.0
    # In logarithms: the binomials of thousands are no floats.
    terms = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        for k in range(least + 1)
    ]
    tail = sum(math.exp(term - total * math.log(2)) for term in terms)
    return min(1.0, 2 * tail)
