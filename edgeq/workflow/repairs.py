"""What the data do for a conversion: ranges before it is quantized, repairs after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgeq.conversion.calibration.calibrate import Calibration, calibrate
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.quantization.adaptive_rounding import Rounding, round_adaptively
from edgeq.conversion.quantization.bias_correction import correct_biases
from edgeq.conversion.quantization.masks import bound_masks, clip_masks
from edgeq.conversion.quantization.mixed import choose_precision
from edgeq.conversion.quantization.quantize import Recipe
from edgeq.conversion.quantization.sequential import can_walk, round_sequentially
from edgeq.data import Dataset


def calibrated(
    source: FloatModel, recipe: Recipe, dataset: Dataset, method: str
) -> tuple[FloatModel, Recipe, Calibration]:
    """The ranges of a float model's tensors, and what follows from them.

    Args:
        source: The float model.
        recipe: How it will be quantized.
        dataset: Representative samples.
        method: A name of `edgeq.conversion.calibration.calibrate.METHODS`.

    Returns:
        The model with its masks of attention bound to what an integer can bear; the recipe, with
        layers of their own scheme where "mixed" leaves the choice to edgeq; the ranges.
    """
    levels = 1 << (16 if recipe.scheme.activations == "int16" else 8)
    clipped = clip_masks(source)
    found = calibrate(clipped, dataset, method, levels)
    if clipped is not source:
        source = bound_masks(clipped, found.ranges, levels)
        found = calibrate(source, dataset, method, levels)
    if recipe.scheme.name == "mixed" and not recipe.precision:
        picked = choose_precision(source, found.ranges, dataset)
        recipe = replace(recipe, precision=tuple(picked.items()))
    return source, recipe, found


class Repairs:
    """What makes a quantized model better with the help of the float model and the data."""

    def __init__(
        self, source: FloatModel, dataset: Dataset, rounding: str, bias_correction: bool
    ) -> None:
        self._source, self._dataset = source, dataset
        self._rounding, self._bias_correction = rounding, bias_correction
        self.rounded: dict[str, Rounding] = {}
        self.corrected: dict[str, float] = {}

    def __call__(self, made: Any) -> None:
        """Repair an unpacked model in place: weights first, so that biases fit them."""
        source, dataset = self._source, self._dataset
        if self._rounding == "sequential" and can_walk(made, source):
            self.rounded = round_sequentially(made, source, dataset)
        elif self._rounding != "nearest":
            self.rounded = round_adaptively(made, source, dataset)
        if self._bias_correction:
            self.corrected = correct_biases(made, source, dataset)
