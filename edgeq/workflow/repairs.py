"""What the data do for a conversion: ranges before it is quantized, repairs after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from edgeq.conversion.calibration.calibrate import Calibration, calibrate
from edgeq.conversion.calibration.still_elements import StillElements, find_still, narrowed
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.pass_log import PassLog, rewritten
from edgeq.conversion.passes.affine import fold_affine
from edgeq.conversion.passes.still_elements import without_still
from edgeq.conversion.quantization.adaptive_rounding import (
    Rounding,
    round_adaptively,
    rounded_to_nearest,
)
from edgeq.conversion.quantization.additive_masks import bound_additive_masks
from edgeq.conversion.quantization.bias_correction import correct_biases
from edgeq.conversion.quantization.masks import bound_masks, clip_masks
from edgeq.conversion.quantization.mixed import choose_precision
from edgeq.conversion.quantization.quantize import Recipe
from edgeq.conversion.quantization.sequential import can_walk, round_sequentially
from edgeq.data import Dataset
from edgeq.errors import LimitError

# Masks of one softmax whose bounds wait for each other's.
_MASKS_IN_LINE = 4
_NO_ROOM = (
    "adapt the layer on data in which that feature varies, or leave the feature out of the model; "
    "--accept-loss converts it all the same"
)


class Calibrated(NamedTuple):
    """What data say of a float model, and what follows from it.

    Attributes:
        source: The model, with its masks of attention bound to what an integer can bear, and
            without elements that never change and drown the others.
        recipe: With layers of their own scheme where "mixed" leaves the choice to edgeq.
        ranges: The ranges of its tensors.
        warnings: What was left out, in sentences.
    """

    source: FloatModel
    recipe: Recipe
    ranges: Calibration
    warnings: tuple[str, ...]


def calibrated(
    source: FloatModel,
    recipe: Recipe,
    dataset: Dataset,
    method: str,
    *,
    accept_loss: bool = False,
    log: PassLog | None = None,
) -> Calibrated:
    """The ranges of a float model's tensors, and what follows from them.

    Args:
        source: The float model.
        recipe: How it will be quantized.
        dataset: Representative samples.
        method: A name of `edgeq.conversion.calibration.calibrate.METHODS`.
        accept_loss: Whether a model passes of which integers would show one element only.
        log: Where the passes that change something are noted.

    Raises:
        LimitError: An element drowns all others, and that is not accepted.
    """
    levels = 1 << (16 if recipe.scheme.activations == "int16" else 8)
    still = find_still(source, dataset, levels)
    if still.drowned and not accept_loss:
        raise LimitError(" ".join(still.drowned), source.source, _NO_ROOM)
    source = narrowed(_without(source, still, log), dataset, still.around)
    source, found = _with_bounded_masks(source, dataset, method, levels)
    if recipe.scheme.name == "mixed" and not recipe.precision:
        picked = choose_precision(source, found.ranges, dataset)
        recipe = replace(recipe, precision=tuple(picked.items()))
    return Calibrated(source, recipe, found, (*still.warnings, *still.drowned))


def _with_bounded_masks(
    source: FloatModel, dataset: Dataset, method: str, levels: int
) -> tuple[FloatModel, Calibration]:
    """The model with masks that leave room to other values, and the ranges of it."""
    source = clip_masks(source)
    found = calibrate(source, dataset, method, levels)
    for _ in range(_MASKS_IN_LINE):
        bounded = bound_masks(source, found.ranges, levels)
        bounded = bound_additive_masks(bounded, dataset, found.ranges, levels)
        if bounded is source:
            break
        source, found = bounded, calibrate(bounded, dataset, method, levels)
    return source, found


def _without(source: FloatModel, still: StillElements, log: PassLog | None) -> FloatModel:
    """The model without elements that never change; itself where there is nothing to leave out."""
    if not still.still:
        return source
    passes = (without_still(still.still), fold_affine)
    return source.remade(rewritten(source.network(), passes, log))


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
        if self._rounding != "nearest":
            self.rounded = {**self.rounded, **rounded_to_nearest(source)}
        if self._bias_correction:
            self.corrected = correct_biases(made, source, dataset)
