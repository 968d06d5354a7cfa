"""Class labels and input normalization that travel inside the converted model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeq.conversion.calibration.calibrate import Calibration
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.network import Network
from edgeq.conversion.sources.formats import model_name
from edgeq.data import DatasetOptions, InputSpec, Normalization
from edgeq.errors import EdgeqError
from edgeq.metrics.outputs import LOGITS, PROBABILITIES
from edgeq.model.answer import find_outputs
from edgeq.model.graph import Tensor
from edgeq.model.tflite.metadata import (
    ENTRY,
    LONGEST_LABEL,
    Described,
    ModelInfo,
    label_archive,
    write_info,
)
from edgeq.support.foreign import read_bytes
from edgeq.support.reasons import reason_of
from edgeq.support.text import lines_of

_MOST_LABEL_BYTES = 16 << 20


def read_labels(path: Path) -> tuple[str, ...]:
    """Class names from a text file, one a line, in the model's order.

    Raises:
        EdgeqError: No such file, or no text, or a name twice.
    """
    try:
        lines = lines_of(read_bytes(path, "labels", _MOST_LABEL_BYTES).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise EdgeqError(f"The labels cannot be read: {reason_of(error)}.", str(path)) from None
    labels = tuple(line.strip() for line in lines if line.strip())
    if not labels:
        raise EdgeqError("The label file is empty.", str(path), "one class name per line")
    twice = sorted(label for label, count in Counter(labels).items() if count > 1)
    if twice:
        raise EdgeqError(f"The label '{twice[0]}' stands there twice.", str(path))
    longest = max(labels, key=len)
    if len(longest) > LONGEST_LABEL:
        raise EdgeqError(
            f"A label has {len(longest):,} characters; {LONGEST_LABEL:,} are read at most.",
            f"{path}, label {labels.index(longest)}",
        )
    return labels


def describe(
    network: Network,
    model: FloatModel,
    options: DatasetOptions,
    calibration: Calibration | None = None,
    pixels: Mapping[str, Normalization] | None = None,
) -> bytes:
    """The .tflite with its metadata; without where there is nothing to say.

    Args:
        network: The converted network.
        model: The float model it came from; what it came with stands where the options say nothing.
        options: Class names; how raw input values become the model's; the sample rate.
        calibration: For the range of the inputs.
        pixels: How pixels become the values of inputs, where neither options nor the model say.

    Raises:
        EdgeqError: No output has as many classes as there are labels.
    """
    labels = options.classes or _source_labels(model)
    # Behind a front end the options say how recordings are read, and nothing of features.
    asked = None if model.front is not None else options.normalization
    reading = replace(options, normalization=asked)
    inputs = [_input(spec, reading, calibration, pixels or {}) for spec in model.inputs]
    shares = _says_probabilities(model)
    said = any(found.mean or found.sample_rate for found in inputs)
    if not labels and not said and not shares:
        return network.pack()
    labelled = labelled_output(model, labels)
    main = model.graph.main
    outputs = [
        Described(
            main.tensors[index].name,
            high=1.0 if shares and not position else 0.0,
            labels=labels if position == labelled else (),
        )
        for position, index in enumerate(main.outputs)
    ]
    info = ModelInfo(model_name(model.source), tuple(inputs), tuple(outputs))
    network.add_metadata(ENTRY, write_info(info))
    return network.pack() + (label_archive(labels) if labels else b"")


def _says_probabilities(model: FloatModel) -> bool:
    """Whether only the loss, which no .tflite has, says that outputs are probabilities."""
    if model.outputs is None or model.outputs.kind != PROBABILITIES:
        return False
    found = find_outputs(model.graph)
    return found is None or found.kind == LOGITS


def _input(
    spec: InputSpec,
    options: DatasetOptions,
    calibration: Calibration | None,
    pixels: Mapping[str, Normalization],
) -> Described:
    """What the metadata says of one input."""
    asked = options.normalization
    # Mean 0 and std 1 say that this data is normalised, nothing of the model.
    normalization = spec.normalization if asked is None or asked.identity else asked
    normalization = normalization or pixels.get(spec.name)
    mean, std = _per_channel(normalization)
    low, high = (spec.low, spec.high)
    if calibration is not None and spec.name in calibration.ranges:
        low, high = calibration.ranges[spec.name]
    rate = options.sample_rate or spec.rate_hz or 0
    return Described(spec.name, spec.shape, mean, std, low, high, sample_rate=rate)


def _source_labels(model: FloatModel) -> tuple[str, ...]:
    outputs = model.info.outputs if model.info else ()
    return next((output.labels for output in outputs if output.labels), ())


def labelled_output(model: FloatModel, labels: tuple[str, ...]) -> int | None:
    """Position of the output that the labels name the classes of; None without labels.

    Raises:
        EdgeqError: None has that many classes.
    """
    if not labels:
        return None
    main = model.graph.main
    outputs = [main.tensors[index] for index in main.outputs]
    for position, tensor in enumerate(outputs):
        if _classes(tensor) == len(labels):
            return position
    counts = " or ".join(str(_classes(tensor)) for tensor in outputs)
    raise EdgeqError(
        f"There are {len(labels)} labels ({', '.join(labels[:4])}, ...), "
        f"but the model tells {counts} classes apart.",
        model.source,
    )


def _classes(tensor: Tensor) -> int:
    """Classes that an output tells apart; a single sigmoid tells two."""
    last = tensor.shape[-1] if tensor.shape else 1
    return 2 if last == 1 else last


def _per_channel(
    normalization: Normalization | None,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std, equally many of each as the standard wants."""
    if normalization is None:
        return (), ()
    mean, std = np.broadcast_arrays(normalization.mean, normalization.std)
    return tuple(map(float, mean)), tuple(map(float, std))
