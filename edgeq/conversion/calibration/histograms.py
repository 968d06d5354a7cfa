"""Histograms of a float model's activations over representative data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeq.conversion.calibration.range_methods import BINS, Histogram
from edgeq.conversion.calibration.trace import traced
from edgeq.conversion.float_model import FloatModel
from edgeq.data import Dataset
from edgeq.support.progress import track


def histograms(
    model: FloatModel, data: Dataset, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, Histogram]:
    """A histogram per activation that is not constant, by tensor name.

    Args:
        model: The float model.
        data: Read once, a sample at a time.
        ranges: Lowest and highest value of each tensor over the same data.
    """
    watched = [
        (tensor.index, *ranges[tensor.name], np.zeros(BINS, np.int64))
        for tensor in model.graph.main.tensors
        # A variable shows what the last step left only.
        if not tensor.is_variable
        and tensor.name in ranges
        and ranges[tensor.name][0] < ranges[tensor.name][1]
    ]
    for value_of in traced(model, track(data, "histograms", data.calls)):
        for index, low, high, counts in watched:
            values = value_of(index).ravel()
            bins = ((values - np.float32(low)) * np.float32(BINS / (high - low))).astype(np.int32)
            counts += np.bincount(np.clip(bins, 0, BINS - 1), minlength=BINS)
    names = {tensor.index: tensor.name for tensor in model.graph.main.tensors}
    return {names[index]: Histogram(low, high, counts) for index, low, high, counts in watched}
