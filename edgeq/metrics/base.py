"""What metrics take and give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from edgeq.metrics.intervals import Interval, Weigh, bootstrap, wilson
from edgeq.metrics.outputs import Outputs, outputs_by_value
from edgeq.support.array import Array


@dataclass(frozen=True)
class Samples:
    """Everything a metric may look at.

    Attributes:
        outputs: One real-valued (dequantized) array per model output, shape (N, ...).
        labels: Shape (N, ...).
        inputs: First model input as given, shape (N, ...).
        kind: What the first output's numbers are; None to go by the numbers themselves.
        classes: How many classes a model has that gives the class itself; None if not known.
    """

    outputs: Sequence[Array]
    labels: Array
    inputs: Array
    kind: Outputs | None = None
    classes: int | None = None

    @cached_property
    def first(self) -> Outputs:
        """What the first output's numbers are."""
        return self.kind or outputs_by_value(self.outputs[0])


@dataclass(frozen=True)
class Figure:
    """One number that a metric gives.

    Attributes:
        weigh: The number as a function of the samples' weights.
        cost: Numbers that it looks at for each sample.
        hits: Which samples count as right, for a figure that is their share; else None.
    """

    weigh: Weigh
    cost: int = 1
    hits: Array | None = None

    def value(self, n: int) -> float | None:
        """The figure itself; None where it is not defined."""
        found = float(self.weigh(np.ones((1, n)))[0])
        return found if np.isfinite(found) else None

    def interval(self, n: int) -> Interval | None:
        """Its 95 % interval: Wilson's for a share, else by bootstrap."""
        if self.hits is not None:
            return wilson(int(self.hits.sum()), n)
        return bootstrap(self.weigh, n, self.cost)


def share(hits: Array) -> Figure:
    """The share of samples that are hits, shape (N,), as a figure."""
    return Figure(average(hits), hits=hits)


def average(values: Array) -> Weigh:
    """The weighted mean of one number per sample, shape (N,)."""
    column = values.astype(np.float64)
    return lambda weights: (weights @ column) / weights.sum(axis=1)


@dataclass(frozen=True)
class Score:
    """What a metric found.

    Attributes:
        metric: Name of the headline figure, such as "accuracy" or "auc".
        value: The headline figure.
        larger_is_better: Which way is good.
        details: Further figures by name; JSON types and numpy arrays.
        n: Number of samples.
        figures: The headline and those of the details that have an interval, by name.
    """

    metric: str
    value: float
    larger_is_better: bool
    details: Mapping[str, Any]
    n: int = 0
    figures: Mapping[str, Figure] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def intervals(self) -> dict[str, Interval | None]:
        """The 95 % interval of each figure; None where there are too many samples for one."""
        return {name: figure.interval(self.n) for name, figure in self.figures.items()}

    @property
    def interval(self) -> Interval | None:
        """That of the headline; None for a metric of the user's own."""
        return self.intervals.get(self.metric)


def score_of(
    figures: Mapping[str, Figure],
    n: int,
    details: Mapping[str, Any],
    *,
    larger_is_better: bool = True,
) -> Score:
    """The score whose headline is the first figure.

    Args:
        figures: By name.
        n: Number of samples.
        details: Further entries for people and JSON, which come first.
        larger_is_better: Which way of the headline is good.
    """
    values = {name: figure.value(n) for name, figure in figures.items()}
    metric, *_ = figures
    headline = values.pop(metric)
    assert headline is not None  # every metric refuses data that its headline has no value for
    return Score(metric, headline, larger_is_better, {**details, **values}, n, figures)


Metric = Callable[[Samples], Score]
