"""Do two sets of samples come from the same source? Bins, an index, and what chance does to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from edgeq.support.array import Array

_BINS = 10
MOST_EDGES = _BINS + 1
"""Of a histogram."""

# Jeffreys's prior: half a sample in every bin, so that a bin which happens to stay empty is no
# impossible event.
_PRIOR = 0.5
_TRIES = 400
# How often one check of data that has not drifted may still say that something has. The gamma
# distribution's tail is lighter than that of the index: in truth it is up to one in a hundred.
FALSE_ALARMS = 0.002


@dataclass(frozen=True)
class Histogram:
    """How the values of one feature are spread.

    Attributes:
        edges: Where bins meet; the outermost bins are for what lies beyond all that was seen.
        shares: Share of the values in each bin, one more than there are edges.
        worth: How many independent values one sample is worth; its values are alike.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    worth: float = 1.0

    def count(self, values: Array) -> Array:
        """How many of the values lie in each bin."""
        places = np.searchsorted(np.asarray(self.edges), values.ravel(), side="right")
        return np.bincount(places, minlength=len(self.shares))


def histogram_of(samples: Sequence[Array], step: float = 0.0) -> Histogram:
    """Bins of about the same share, cut between values, with one more beyond either end.

    Args:
        samples: The values of each sample.
        step: Distance of neighbouring values where they lie on a grid; 0 where they do not.
    """
    values = np.concatenate(samples)
    found, counts = np.unique(values, return_counts=True)
    margin = step / 2 or float(np.spacing(np.float32(np.abs(found).max(initial=1e-30))))
    upto = np.cumsum(counts) / counts.sum()
    wanted = np.arange(1, _BINS) / _BINS
    after = {int(np.abs(upto - share).argmin()) for share in wanted} - {len(found) - 1}
    inner = [float(found[i] + found[i + 1]) / 2 for i in sorted(after)]
    edges = (float(found[0]) - margin, *inner, float(found[-1]) + margin)
    empty = Histogram(edges, (0.0,) * (len(edges) + 1))
    each = np.array([empty.count(sample) / sample.size for sample in samples])
    shares = each.mean(axis=0)
    return Histogram(edges, tuple(shares.tolist()), _worth(shares, each, samples[0].size))


def _worth(shares: Array, each: Array, most: int) -> float:
    """How many independent values one sample is worth.

    Source: Kish, "Survey Sampling" (1965): the variance that independent values would have, over
    the variance that there is from sample to sample.
    """
    alone = float((shares * (1 - shares)).sum())
    found = float(each.var(axis=0).sum())
    return min(max(alone / found, 1.0), float(most)) if found > 0 else 1.0


@dataclass(frozen=True)
class Stability:
    """New values against known ones.

    Attributes:
        psi: Population stability index.
        noise: What it is by chance, on average, with so few samples.
        threshold: What it must exceed to count as a change.
    """

    psi: float
    noise: float
    threshold: float

    @property
    def changed(self) -> bool:
        """Whether the index is above the threshold."""
        return self.psi > self.threshold


def compare(
    shares: Sequence[float], known: int, counts: Array, new: int, limit: float, tests: int
) -> Stability:
    """The stability of new samples against known ones, with what chance alone may do.

    Chance is found by drawing both sets from the known distribution, again and again.

    Args:
        shares: Of each bin in the known samples.
        known, new: Numbers of independent values.
        counts: Of each bin among the new samples' values.
        limit: What the index must be beside chance, to matter.
        tests: How many comparisons are made in one check; all of them together may raise a false
            alarm in one of a hundred checks at most.
    """
    before = np.asarray(shares, np.float64) * known
    after = np.asarray(counts, np.float64)
    after = after * (new / max(after.sum(), 1.0))
    random = np.random.default_rng(0)
    usual = (before + _PRIOR) / (before + _PRIOR).sum()
    chance = _index(
        random.multinomial(known, usual, _TRIES).astype(np.float64),
        random.multinomial(new, usual, _TRIES).astype(np.float64),
    )
    noise = float(chance.mean())
    quantile = _gamma_quantile(noise, float(chance.var()), 1 - FALSE_ALARMS / tests)
    return Stability(float(_index(before, after)), noise, max(limit + noise, quantile))


def _index(one: Array, other: Array) -> Array:
    """Population stability index of two sets of counts, bins on the last axis.

    Both are drawn a little towards what they are together, so that no share is zero.

    Source: Siddiqi, "Credit Risk Scorecards" (2006).
    """
    both = one + other + _PRIOR
    both = both / both.sum(axis=-1, keepdims=True)
    weight = _PRIOR * both.shape[-1]
    p, q = ((c + weight * both) / (c.sum(axis=-1, keepdims=True) + weight) for c in (one, other))
    index: Array = ((q - p) * np.log(q / p)).sum(axis=-1)
    return index


def _gamma_quantile(mean: float, variance: float, probability: float) -> float:
    """A quantile of the gamma distribution with this mean and variance.

    Source: Wilson and Hilferty, "The Distribution of Chi-Square" (1931).
    """
    if mean <= 0 or variance <= 0:
        return mean
    degrees = 2 * mean * mean / variance
    z = NormalDist().inv_cdf(probability)
    return mean * (1 - 2 / (9 * degrees) + z * math.sqrt(2 / (9 * degrees))) ** 3


def chance_of_share(deviation: float, known: int, new: int, tests: int) -> float:
    """How far a mean over samples may rise by chance.

    Args:
        deviation: Of the samples.
        known, new: Numbers of samples.
        tests: How many comparisons are made in one check.
    """
    z = NormalDist().inv_cdf(1 - FALSE_ALARMS / tests)
    return z * deviation * math.sqrt(1 / known + 1 / new)
