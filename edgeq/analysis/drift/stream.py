"""A data set and what a model makes of it, as features whose drift can be watched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.compiler.options import CompileOptions
from edgeq.data import DatasetOptions, Understood, open_dataset
from edgeq.devices.registry import open_device
from edgeq.metrics.classification import answers
from edgeq.metrics.outputs import LOGITS, PROBABILITIES, Outputs
from edgeq.model.answer import find_outputs, is_distribution
from edgeq.model.arrays import dequantize, input_tensors, output_tensors, to_input, without_batch
from edgeq.model.graph import Graph, Tensor, numpy_dtype
from edgeq.model.samples import sample_specs
from edgeq.support.array import Array
from edgeq.support.progress import track

_MOST_FEATURES, _MOST_CLASSES = 64, 100
# A channel of an image has more values than are needed: a sample gives so many, from places drawn
# at random.
_PER_SAMPLE = 64
_CHUNK = 64


@dataclass(frozen=True)
class Feature:
    """Something that is watched.

    Attributes:
        name: Such as "input[3]", "channel[0]" or "confidence".
        step: Distance of the values that the model can tell apart; 0 for floats.
    """

    name: str
    step: float


@dataclass(frozen=True)
class Row:
    """What one sample adds.

    Attributes:
        features: Values of each feature, in real numbers.
        at_end: Share of the input values at the ends of the integer range.
        classes: How many classes the model tells apart; 0 where it does not classify.
        predicted: The class that it chose.
    """

    features: list[Array]
    at_end: float
    classes: int
    predicted: int


class Stream:
    """One pass over a data set, sample by sample, through the model."""

    def __init__(
        self,
        graph: Graph,
        path: Path,
        data: Any,
        on: str,
        raw: bool,
        reading: DatasetOptions | None,
    ) -> None:
        self._path, self._on = path, on
        self._inputs = input_tensors(graph.main)
        self._output = output_tensors(graph.main)[0]
        specs = sample_specs(graph)
        if raw:
            specs = [replace(s, dtype=t.dtype) for s, t in zip(specs, self._inputs, strict=True)]
        self._data = open_dataset(data, specs, options=reading)
        self._layouts = [
            _Layout(tensor, spec.shape, f"input {number} " if number else "")
            for number, (tensor, spec) in enumerate(zip(self._inputs, specs, strict=True))
        ]
        size = int(np.prod(self._output.shape[1:]))
        said = reading.from_logits if reading else None
        self._kind = find_outputs(graph, from_logits=said) or Outputs(LOGITS, "not known")
        # A single sigmoid tells two classes apart; other single outputs may be values.
        binary = size == 1 and (self._kind.kind == PROBABILITIES or said is not None)
        # As many numbers as go in are taken for the same numbers, unless they are known as classes.
        alike = size == int(np.prod(specs[0].shape)) and size > 1
        self._compares = alike and said is None and not is_distribution(graph)
        several = size if 1 < size <= _MOST_CLASSES and not self._compares else 0
        self._classes = 2 if binary else several
        self.features = [f for layout in self._layouts for f in layout.features]
        self.features.append(self._output_feature())

    @property
    def understood(self) -> Understood:
        """What was understood of the data, over the last pass."""
        return self._data.understood

    @property
    def outputs(self) -> str:
        """What the output's numbers are: logits, probabilities or classes."""
        return self._kind.kind

    def _output_feature(self) -> Feature:
        if self._classes and self._output.elements > 1:
            return Feature("confidence", _step(self._output))
        return Feature("reconstruction error", 0.0) if self._compares else Feature("output", 0.0)

    def __iter__(self) -> Iterator[Row]:
        """A new pass."""
        random = np.random.default_rng(0)
        with open_device(self._on).open(self._path, CompileOptions()) as session:
            samples = track(self._data, "reading and computing", self._data.count)
            while chunk := list(islice(samples, _CHUNK)):
                batch = [
                    to_input(np.stack([s.inputs[i] for s in chunk]), tensor, tensor.name)
                    for i, tensor in enumerate(self._inputs)
                ]
                results = without_batch(dequantize(session.run(batch)[0], self._output))
                for number in range(len(chunk)):
                    given = [array[number] for array in batch]
                    yield self._row(given, results[number].ravel(), random)

    def _row(self, given: list[Array], result: Array, random: np.random.Generator) -> Row:
        features: list[Array] = []
        reals = []
        for layout, values in zip(self._layouts, given, strict=True):
            # What the model sees: a log of integers and the floats behind it, those beyond the
            # range too, must fall into the same bins.
            real = dequantize(values, layout.tensor)
            reals.append(real)
            features += layout.split(real.astype(np.float64), random)
        if self._compares:
            error = result.astype(np.float64) - reals[0].ravel()
            features.append(np.array([(error**2).mean()]))
        else:
            several = self._classes and result.size > 1
            features.append(np.array([result.max()]) if several else _some(result, random))
        ends = [_at_end(v, tensor) for v, tensor in zip(given, self._inputs, strict=True)]
        sizes = [values.size for values in given]
        at_end = float(np.average(ends, weights=sizes))
        return Row(features, at_end, self._classes, int(answers(result[None], self._kind)[0]))


class _Layout:
    """How one input falls apart into features: values, else channels, else one feature."""

    def __init__(self, tensor: Tensor, shape: tuple[int, ...], prefix: str) -> None:
        self.tensor = tensor
        size = int(np.prod(shape))
        if size <= _MOST_FEATURES:
            self._parts, names = size, "input[{}]"
        elif shape[-1] <= _MOST_FEATURES and len(shape) > 1:
            self._parts, names = shape[-1], "channel[{}]"
        else:
            self._parts, names = 1, "input"
        self.features = [
            Feature(prefix + names.format(number), _step(tensor)) for number in range(self._parts)
        ]

    def split(self, real: Array, random: np.random.Generator) -> list[Array]:
        """One sample's values by feature."""
        parts = real.reshape(-1, self._parts).T
        return [_some(part, random) for part in parts]


def _some(values: Array, random: np.random.Generator) -> Array:
    if values.size <= _PER_SAMPLE:
        return values.astype(np.float64)
    return values[random.integers(0, values.size, _PER_SAMPLE)].astype(np.float64)


def _step(tensor: Tensor) -> float:
    """Distance of neighbouring integers in real numbers; 0 for floats and plain integers."""
    return 0.0 if tensor.quantization is None else float(tensor.scale)


def _at_end(values: Array, tensor: Tensor) -> float:
    """Share of the values at the ends of the integer range."""
    dtype = numpy_dtype(tensor.dtype)
    if dtype.kind not in "iu":
        return 0.0
    limits = np.iinfo(dtype)
    return float(np.isin(values, [limits.min, limits.max]).mean())
