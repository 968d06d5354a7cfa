"""Models for phone apps: the types and the pixels that the runtimes of apps feed.

Apps hand over the bytes of a picture as they are. A uint8 input means the same by them only if its
scale and zero point say what normalization says: then pixel 200 is integer 200.
"""

from __future__ import annotations

from dataclasses import replace

from edgeq.boards.target import Target
from edgeq.conversion.calibration.calibrate import Calibration
from edgeq.conversion.quantization.schemes import Scheme
from edgeq.data import DatasetOptions, Normalization
from edgeq.data.understood import InputValues, Understood

APP_IO = "uint8"
_PIXELS = 255.0


def usual_io(scheme: Scheme, target: Target | None) -> str:
    """The type of inputs and outputs where nobody asks for one.

    For phones it is uint8 where activations are int8: MediaPipe Tasks and ML Kit take no int8.
    """
    phone = target is not None and target.phone
    return APP_IO if phone and scheme.activations == "int8" else scheme.default_io


def over_all_pixels(
    found: Calibration, understood: Understood, options: DatasetOptions, io: str
) -> tuple[Calibration, dict[str, Normalization]]:
    """The same, uint8 inputs that read pixels ranging over all of 0..255, whatever the data had.

    Args:
        found: The ranges of the data.
        understood: What the data was.
        options: How it was read.
        io: Type of inputs and outputs.

    Returns:
        The ranges, and how pixels become the values of each such input, by its name. Inputs whose
        data are no bytes, or are normalised channel by channel, are left alone.
    """
    asked = options.normalization
    by_channel = asked is not None and len({*asked.mean}) + len({*asked.std}) > 2
    if io != APP_IO or by_channel:
        return found, {}
    pixels = {each.name: _affine(each) for each in understood.inputs if _reads_pixels(each)}
    tensors = dict(found.tensors)
    for name in pixels.keys() & tensors.keys():
        (mean,), (std,) = pixels[name].mean, pixels[name].std
        tensors[name] = replace(tensors[name], low=-mean / std, high=(_PIXELS - mean) / std)
    return replace(found, tensors=tensors), pixels


def _reads_pixels(values: InputValues) -> bool:
    (low, high), (least, most) = values.before, values.after
    return values.dtype == "uint8" and high > low and most > least


def _affine(values: InputValues) -> Normalization:
    (low, high), (least, most) = values.before, values.after
    std = (high - low) / (most - least)
    # What is left of float32's rounding is no part of a mean.
    return Normalization((round(low - least * std, 4),), (round(std, 6),))
