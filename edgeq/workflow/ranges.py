"""A float model with what the quantizer has to know of it: ranges, and what repairs its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.conversion.calibration.calibrate import Calibration
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.network import Range
from edgeq.conversion.pass_log import PassLog
from edgeq.conversion.quantization.quantize import Recipe
from edgeq.data import Dataset, DatasetOptions, Normalization, Understood, open_dataset
from edgeq.workflow.phones import over_all_pixels
from edgeq.workflow.repairs import Repairs, calibrated


@dataclass(frozen=True)
class Ranged:
    """A float model with what the quantizer has to know of it; no more than that for floats.

    Attributes:
        calibration: Ranges of all activations.
        left_out: What was made a constant, in sentences.
        repairs: What corrects biases and roundings.
        pixels: How pixels become the values of an input, by its name, where the data are such.
        dataset: What the ranges are of.
    """

    source: FloatModel
    recipe: Recipe
    calibration: Calibration | None = None
    left_out: tuple[str, ...] = ()
    repairs: Repairs | None = None
    pixels: dict[str, Normalization] | None = None
    dataset: Dataset | None = None

    @property
    def ranges(self) -> Mapping[str, Range]:
        """The range of each activation, by its name."""
        return self.calibration.ranges if self.calibration else {}

    @property
    def understood(self) -> dict[str, Understood]:
        """How the data were understood."""
        return {} if self.dataset is None else {"calibration": self.dataset.understood}


def ranged(
    source: FloatModel,
    recipe: Recipe,
    data: Any,
    options: DatasetOptions,
    limit: int | None,
    *,
    calibration: str,
    rounding: str,
    bias_correction: bool,
    accept_loss: bool,
    log: PassLog | None,
) -> Ranged:
    """A float model that has seen its data, where the scheme asks for that."""
    if not recipe.scheme.integer:
        return Ranged(source, recipe)
    # What is cut into steps begins anew with each sample.
    spread = source.pieces is not None or not source.graph.is_stream
    dataset = open_dataset(data, source.samples, options=options, limit=limit, spread=spread)
    dataset = dataset if source.pieces is None else dataset.cut(source.pieces)
    source, recipe, found, left_out = calibrated(
        source, recipe, dataset, calibration, accept_loss=accept_loss, log=log
    )
    found, pixels = over_all_pixels(found, dataset.understood, options, recipe.io)
    repairs = Repairs(source, dataset, rounding, bias_correction)
    return Ranged(source, recipe, found, left_out, repairs, pixels, dataset)
