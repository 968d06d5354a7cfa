"""Mean and second moment of what the weights of layers are multiplied with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.calibration.products import Product
from edgeq.conversion.calibration.trace import traced
from edgeq.conversion.float_model import FloatModel
from edgeq.data import Dataset
from edgeq.support.progress import track

_SAMPLES = 256
# Places of one feature map resemble each other: more of them cost time and tell little.
_PLACES = 128
Array = NDArray[Any]


@dataclass
class Moments:
    """Sums over the patches of one layer's input.

    Attributes:
        count: Patches seen.
        sums: Of the patches, shape (groups, taps).
        squares: Of the patches' outer products, shape (groups, taps, taps); None if not wanted.
    """

    count: int
    sums: Array
    squares: Array | None

    @property
    def mean(self) -> Array:
        """Mean patch, shape (groups, taps)."""
        return np.asarray(self.sums / max(self.count, 1))

    @property
    def gram(self) -> Array:
        """Mean outer product of patches, shape (groups, taps, taps)."""
        if self.squares is None:
            raise ValueError("only means were collected")
        return np.asarray(self.squares / max(self.count, 1))

    def add(self, patches: Array) -> None:
        """Take patches of shape (groups, places, taps) in."""
        self.count += patches.shape[1]
        self.sums += patches.sum(axis=1, dtype=np.float64)
        if self.squares is not None:
            self.squares += patches.transpose(0, 2, 1) @ patches


def calibration_samples(dataset: Dataset) -> Dataset:
    """The samples to look at: enough for moments, and never more than the user allows."""
    return dataset.take(min(_SAMPLES, dataset.limit or _SAMPLES))


def collect(
    model: FloatModel,
    samples: Dataset,
    layers: Sequence[Product],
    *,
    parts: int = 1,
    squares: bool = False,
    apart: bool = False,
    label: str = "means",
) -> dict[str, list[Moments]]:
    """Moments of layers' inputs by the name of the weights; layers that share weights, together.

    Args:
        model: The float model.
        samples: Read once.
        layers: Of this model.
        parts: Samples are dealt out to so many moments of each layer in turn.
        squares: Whether outer products are wanted, not only means.
        apart: Whether each layer has moments of its own, by the name of its output.
        label: For the progress bar.
    """

    def empty(layer: Product) -> Moments:
        shape = (layer.groups, layer.taps)
        return Moments(0, np.zeros(shape), np.zeros((*shape, shape[1])) if squares else None)

    names = [layer.output.name if apart else layer.weights.name for layer in layers]
    pairs = list(zip(names, layers, strict=True))
    found = {name: [empty(layer) for _ in range(parts)] for name, layer in pairs}
    for number, value_of in enumerate(traced(model, track(samples, label, samples.calls))):
        for name, layer in pairs:
            patches = layer.patches(value_of(layer.source.index), _PLACES, number)
            found[name][number % parts].add(patches)
    return found
