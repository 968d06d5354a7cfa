"""Masks of attention that a model makes by itself: `(1 - mask) * -1e9`, added before a softmax.

A range that holds -1e9 has no room for the values that count. The product's factor becomes one that
leads as far below them as a softmax can tell. That is as good for masks alone. Whether a product is
one is read off the graph, where all of it must end in sums before softmaxes, and off the data,
where it must be either nothing or far below, and leave something of each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from edgeq.conversion.calibration.trace import Values, traced
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.quantization.masks import margin_below, values_as_in, with_masks
from edgeq.conversion.quantization.softmax_sums import Factor, SoftmaxSums, Term
from edgeq.data import Dataset
from edgeq.model.graph import Graph, Op
from edgeq.support.array import Array
from edgeq.support.progress import track

Ranges = Mapping[str, tuple[float, float]]
_WORTH = 2.0
# Values of one mask that lie further apart than this would leave little of a range to others.
_MOST_APART = 8.0


class _Seen:
    """What a mask is on the data: the values nearest to nothing and furthest from it."""

    def __init__(self) -> None:
        self.nearest, self.lowest, self.sound = -np.inf, 0.0, True

    def add(self, values: Array) -> None:
        """Take in what is added to one sample."""
        below = values[values < 0]
        if below.size:
            self.nearest = max(self.nearest, float(below.max()))
            self.lowest = min(self.lowest, float(below.min()))
        self.sound &= bool(np.isfinite(values).all() and not (values > 0).any())

    def is_mask(self, need: float) -> bool:
        """Whether each value is either nothing or so far below."""
        far = -np.inf < self.nearest <= -need
        return self.sound and far and self.lowest >= _MOST_APART * self.nearest


def bound_additive_masks(
    model: FloatModel, data: Dataset, ranges: Ranges, levels: int
) -> FloatModel:
    """The model with its masks' factors bounded; the model itself where there are none.

    The data is read only where a mask is large.

    Args:
        model: The float model.
        data: Representative data.
        ranges: From calibration.
        levels: Integers that an activation can take; a masked share must be less than one.
    """
    sums = SoftmaxSums(model.graph)
    factors = [*sums.factors()]
    margin = margin_below(levels)
    needs = _needs(sums, factors, ranges, margin)
    if not any(_reach(model.graph, each, ranges) > _WORTH * needs[each] for each in factors):
        return model
    seen = _on_data(model, data, factors)
    while True:  # what is no mask is among the values that masks must lie below
        masks = [each for each in factors if seen[each].is_mask(needs[each])]
        if len(masks) == len(factors):
            break
        factors, needs = masks, _needs(sums, masks, ranges, margin)
    empty = _with_empty_rows(model, data, sums, masks)
    found: dict[tuple[int, int], Array] = {}
    for mask in masks:
        if any(end.softmax in empty for end in mask.ends):
            continue
        values = model.graph.main.tensors[mask.op.inputs[mask.position]].data
        if values is not None and -seen[mask].lowest > _WORTH * needs[mask]:
            scaled = values.astype(np.float64) * (needs[mask] / -seen[mask].nearest)
            found[mask.op.index, mask.position] = scaled.astype(np.float32)
    return with_masks(model, found)


def like_additive_masks(model: FloatModel, integer: Graph, ops: Mapping[int, Op]) -> FloatModel:
    """The model with its masks' factors as an integer model has them; itself if it has none.

    Args:
        model: The float model.
        integer: The integer model.
        ops: Its ops by the numbers of the float ops that they stand for.
    """
    found: dict[tuple[int, int], Array] = {}
    for mask in SoftmaxSums(model.graph).factors():
        other = ops.get(mask.op.index)
        if other is None or other.name != mask.op.name:
            continue
        real = model.graph.main.tensors[mask.op.inputs[mask.position]]
        values = values_as_in(integer.main.tensors[other.inputs[mask.position]], real)
        if real.data is None or values is None:
            continue
        if _WORTH * np.abs(values).max() < np.abs(real.data).max():
            found[mask.op.index, mask.position] = values.astype(np.float32)
    return with_masks(model, found)


def _needs(
    sums: SoftmaxSums, factors: Iterable[Factor], ranges: Ranges, margin: float
) -> dict[Factor, float]:
    """How far below nothing each mask must lie, so that nothing is left of what is masked."""
    factors = [*factors]
    masked = {end for each in factors for end in each.ends}
    widths = {
        number: sum(
            high - low
            for term in each.terms.values()
            if term not in masked
            for low, high in [_range(sums.graph, term.tensor, ranges)]
        )
        for number, each in sums.sums.items()
    }
    return {each: margin + max(widths[end.softmax] for end in each.ends) for each in factors}


def _range(graph: Graph, index: int, ranges: Ranges) -> tuple[float, float]:
    """The range of a tensor; without end where it is not known."""
    tensor = graph.main.tensors[index]
    if tensor.data is not None:
        return float(tensor.data.min()), float(tensor.data.max())
    return ranges.get(tensor.name, (-np.inf, np.inf))


def _reach(graph: Graph, mask: Factor, ranges: Ranges) -> float:
    """How far from nothing a mask leads."""
    ends = (_range(graph, end.tensor, ranges) for end in mask.ends)
    return max(max(-low, high) for low, high in ends)


def _on_data(model: FloatModel, data: Dataset, factors: Sequence[Factor]) -> dict[Factor, _Seen]:
    """What is made of some constants on the data."""
    found = {each: _Seen() for each in factors}
    for value_of in traced(model, track(data, "masks", data.calls)):
        for each, seen in found.items():
            for end in each.ends:
                seen.add(_value(model.graph, end, value_of))
    return found


def _with_empty_rows(
    model: FloatModel, data: Dataset, sums: SoftmaxSums, masks: Sequence[Factor]
) -> set[int]:
    """The softmaxes of which some row is masked as a whole on the data.

    Such a softmax takes masked values for what they are.
    """
    masked = {end for mask in masks for end in mask.ends}
    empty: set[int] = set()
    for value_of in traced(model, track(data, "masks", data.calls)) if masks else ():
        kept = {end.softmax: np.ones(sums.sums[end.softmax].shape, bool) for end in masked}
        for end in masked:
            kept[end.softmax] &= _value(model.graph, end, value_of) == 0
        empty.update(softmax for softmax, rows in kept.items() if not rows.any(axis=-1).all())
    return empty


def _value(graph: Graph, end: Term, value_of: Values) -> Array:
    fixed = graph.main.tensors[end.tensor].data
    return np.asarray(end.sign * (value_of(end.tensor) if fixed is None else fixed))
