"""Which elements of a float model never change on the data and spoil the scale of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.calibration.trace import traced
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.network import Network, Range
from edgeq.conversion.passes.still_elements import (
    Array,
    Mask,
    Scaling,
    Still,
    read_in_part,
    scalings,
    unread,
)
from edgeq.data import Dataset
from edgeq.support.listing import listed
from edgeq.support.progress import track

# 1 / sqrt(epsilon) of a BatchNormalization whose variance is nothing; a Normalization has 1e7.
_LARGE = 30.0
# So much larger than all others, a factor leaves them 4 bits less.
_LOUD = 16.0
# A deviation that another feature might have, too.
_BROKEN = 1000.0
_NARROWER = 0.9
Extremes = tuple[Array, Array]
"""The lowest and the highest value of each element of a tensor over the data."""


@dataclass(frozen=True)
class StillElements:
    """What was found.

    Attributes:
        still: Elements to leave out of each product.
        around: Names of the tensors around these products.
        warnings: What was left out, and what to do about it, in sentences.
        drowned: Why nothing would be left of other elements, in sentences; empty if that is not so.
    """

    still: tuple[Still, ...]
    around: frozenset[str]
    warnings: tuple[str, ...]
    drowned: tuple[str, ...]


def find_still(model: FloatModel, data: Dataset, levels: int) -> StillElements:
    """Which elements never change, or do not count, where a factor of theirs drowns the others.

    The data is read only where a factor is large enough for that.

    Args:
        model: The float model.
        data: Representative data.
        levels: Integers that an activation can take.
    """
    network = model.network()
    suspected = [each for each in scalings(network) if _uneven(each.factors)]
    around = frozenset(network.name(i) for each in suspected for i in each.between)
    seen = _extremes(model, data, around) if suspected else {}
    still: list[Still] = []
    warnings: list[str] = []
    drowned: list[str] = []
    for scaling in suspected:
        found = _judged(network, scaling, seen)
        if found.mask.any():
            still.append(found)
            warnings.append(_left_out(network, scaling, found, seen))
        drowned.append(_drowned(network, scaling, found.mask, seen, levels))
    return StillElements(tuple(still), around, tuple(warnings), tuple(filter(None, drowned)))


def _uneven(factors: Array) -> bool:
    sizes = np.abs(factors[factors != 0])
    return bool(sizes.size and sizes.max() >= max(_LARGE, _LOUD * sizes.min()))


def narrowed(model: FloatModel, data: Dataset, names: Iterable[str] = ()) -> FloatModel:
    """The model with ranges of what is looked at, where some elements of a tensor are not.

    Inputs are seen to, and what is made of them; the data is read only where there is such a
    tensor.

    Args:
        model: The float model.
        data: Representative data.
        names: Of other tensors to see to.
    """
    network = model.network()
    known = set(names)
    tensors = range(len(network.graph.tensors))
    starts = [*network.inputs, *(index for index in tensors if network.name(index) in known)]
    parts = {network.name(i): missed for i, missed in read_in_part(network, starts).items()}
    if not parts:
        return model
    inputs = {network.name(index) for index in network.inputs}
    ranges: dict[str, Range] = {}
    for name, (low, high) in _extremes(model, data, parts).items():
        read = ~parts[name]
        least, most = float(low[read].min()), float(high[read].max())
        whole = max(float(high.max()), 0) - min(float(low.min()), 0)
        # A range that is hardly narrower is left to the method of calibration.
        if name not in inputs or max(most, 0) - min(least, 0) < _NARROWER * whole:
            ranges[name] = (least, most)
    return replace(model, learned_ranges={**ranges, **model.learned_ranges})


def _extremes(model: FloatModel, data: Dataset, names: Iterable[str]) -> dict[str, Extremes]:
    """Lowest and highest value of each element of some tensors."""
    wanted = set(names)
    tensors = [each for each in model.graph.main.tensors if each.name in wanted]
    found: dict[str, Extremes] = {}
    for value_of in traced(model, track(data, "features", data.calls)):
        for tensor in tensors:
            value = value_of(tensor.index).astype(np.float64)
            low, high = found.get(tensor.name, (value, value))
            found[tensor.name] = np.minimum(low, value), np.maximum(high, value)
    return found


def _judged(network: Network, scaling: Scaling, seen: dict[str, Extremes]) -> Still:
    """The elements to leave out of a product: none where all would have to be."""
    name, factors = network.name(scaling.made), scaling.factors
    ignored = _over(unread(network, scaling.made), factors, np.all)
    low, high = _by_factor(seen[network.name(scaling.shifted)], factors)
    fixed = (low == high) | ignored
    others = np.abs(factors[~fixed])
    nothing = Still(name, np.zeros(factors.shape, bool), np.zeros(factors.shape))
    if not others.size or not others.max():
        return nothing
    mask = fixed & (np.abs(factors) >= max(_LARGE, _LOUD * others.max()))
    if not mask.any():
        return nothing
    value, _ = _by_factor(seen[name], factors)
    return Still(name, mask, np.where(mask & ~ignored, value, 0.0))


def _drowned(
    network: Network, scaling: Scaling, left_out: Mask, seen: dict[str, Extremes], levels: int
) -> str:
    """A sentence where elements that change leave less than a step to the others, else none."""
    sizes = np.where(left_out, 0, np.abs(scaling.factors))
    low, high = _by_factor(seen[network.name(scaling.made)], scaling.factors)
    width = np.where(left_out, 0, high - low)
    loud = sizes >= _BROKEN * sizes[sizes > 0].min()
    rest = (sizes > 0) & ~loud
    if not loud.any() or not width[loud].max() or width[loud].max() < levels * width[rest].max():
        return ""  # where nothing of them changes in the data, they hide nothing
    factor, values = _example(network, scaling, loud, seen)
    return (
        f"{_named(network, scaling, loud)} multiplied by {factor}, as by a normalization that "
        f"saw next to no change there; but in --data there is one, {values}. Beside a width of "
        f"{width[loud].max():.2g} nothing is left of the others in integers."
    )


def _left_out(network: Network, scaling: Scaling, found: Still, seen: dict[str, Extremes]) -> str:
    """What was left out, in a sentence."""
    factor, values = _example(network, scaling, found.mask, seen)
    still = " to " not in values
    why = f"the same throughout --data ({values})" if still else "of no weight in what follows"
    return (
        f"{_named(network, scaling, found.mask)} {why}, and multiplied by {factor}, as by a "
        "normalization that saw next to no change there. The integer model takes a constant in its "
        "place, so that the others keep their bits, and does not see it change on the device. Drop "
        "it from the model, or adapt the layer and convert on data in which it varies."
    )


def _named(network: Network, scaling: Scaling, mask: Mask) -> str:
    """Elements and their layer, such as 'Channel 3 of "normalization" is'."""
    layer = network.name(scaling.product).removesuffix("/mul").removesuffix("/truediv")
    noun = "channel" if mask.size == mask.shape[-1] else "element"
    numbers = np.flatnonzero(mask).tolist()
    verb = "are" if numbers[1:] else "is"
    return f'{listed(noun, numbers).capitalize()} of "{layer}" {verb}'


def _example(
    network: Network, scaling: Scaling, mask: Mask, seen: dict[str, Extremes]
) -> tuple[str, str]:
    """The factor of the first of some elements, and its value or its range in the data."""
    low, high = _by_factor(seen[network.name(scaling.source)], scaling.factors)
    first = np.flatnonzero(mask)[0]
    least, most = (f"{float(value.ravel()[first]):.6g}" for value in (low, high))
    values = f"always {least}" if least == most else f"from {least} to {most}"
    return f"{abs(scaling.factors.ravel()[first]):.3g}", values


def _by_factor(extremes: Extremes, factors: Array) -> Extremes:
    """The extremes over all that is multiplied with the same factor, in the shape of these."""
    low, high = extremes
    return _over(low, factors, np.min), _over(high, factors, np.max)


def _over(
    values: NDArray[Any], factors: Array, reduce: Callable[..., NDArray[Any]]
) -> NDArray[Any]:
    """Values of a tensor, brought to one for each factor."""
    aligned = (1,) * (values.ndim - factors.ndim) + factors.shape
    shared = tuple(axis for axis, size in enumerate(aligned) if size == 1)
    return reduce(values, axis=shared).reshape(factors.shape)
