"""Has the world changed since deployment? A reference profile, and new data against it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeq import __version__
from edgeq.arrays import dequantize, input_tensors, output_tensors, to_input, without_batch
from edgeq.datasets import DatasetOptions, open_dataset
from edgeq.devices.base import Array, CompileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from edgeq.graph import Graph, Tensor, numpy_dtype, read_graph
from edgeq.models import sample_specs

PSI_LIMIT = 0.2
_SATURATION_LIMIT = 0.02
_FINE, _BINS, _MOST_FEATURES, _MOST_CLASSES = 256, 10, 64, 100
_TINY = 1e-4


@dataclass(frozen=True)
class FeatureDrift:
    """One feature of the input.

    Attributes:
        name: Its place, such as "input[3]".
        psi: Population stability index, new data against the reference.
        noise: What the index would be by chance with so few samples.
        mean, reference_mean: In real numbers.
        drifted: Whether the index is above the limit by more than chance.
    """

    name: str
    psi: float
    noise: float
    mean: float
    reference_mean: float
    drifted: bool


@dataclass(frozen=True)
class Drift:
    """New data against the reference profile.

    Attributes:
        saturation: Share of input values at the ends of the integer range.
        class_mix: Share of each predicted class; empty where the model does not classify.
        class_mix_psi: Population stability index of the class mix.
        saturated: Whether clearly more values lie there than in the reference.
        class_mix_drifted: Whether the mix changed by more than chance.
    """

    samples: int
    reference_samples: int
    features: tuple[FeatureDrift, ...]
    saturation: float
    reference_saturation: float
    class_mix: tuple[float, ...]
    reference_class_mix: tuple[float, ...]
    class_mix_psi: float
    saturated: bool
    class_mix_drifted: bool

    @property
    def drifted(self) -> bool:
        """Whether anything went above the limit."""
        return (
            self.saturated
            or self.class_mix_drifted
            or any(feature.drifted for feature in self.features)
        )


def reference_profile(
    model: str | Path,
    data: Any,
    *,
    on: str = "local",
    raw: bool = False,
    reading: DatasetOptions | None = None,
) -> dict[str, Any]:
    """What inputs and outputs look like now, as JSON to keep beside the deployed model.

    Args:
        model: The integer .tflite that is deployed.
        data: Data as the model will see it; labels are not needed.
        on: Device that computes the outputs.
        raw: Whether the data holds the model's own integers, as a device logs them.
        reading: How the data is read.

    Raises:
        EdgeqError: The data does not fit the model.
    """
    stream = _Stream(read_graph(model), Path(model), data, on, raw, reading)
    low, high, count = _ranges(stream.features())
    fine = np.zeros((len(low), _FINE))
    total = np.zeros(len(low))
    width = np.where(high > low, high - low, 1.0)
    for values in stream.features():
        places = np.clip((values - low[:, None]) / width[:, None] * _FINE, 0, _FINE - 1)
        for row, place in zip(fine, places.astype(int), strict=True):
            row += np.bincount(place, minlength=_FINE)
        total += values.mean(axis=1)
    features = []
    for number, row in enumerate(fine):
        borders = _borders(row)
        shares = np.add.reduceat(row, [0, *borders]) / row.sum()
        features.append(
            {
                "name": stream.name(number),
                "edges": [float(low[number] + width[number] * b / _FINE) for b in borders],
                "shares": shares.tolist(),
                "mean": total[number] / count,
            }
        )
    mix, saturation = stream.outputs()
    return {
        "edgeq": __version__,
        "model": {"path": Path(model).name, "sha256": stream.graph.sha256},
        "samples": count,
        "features": features,
        "saturation": saturation,
        "class_mix": mix,
    }


def _ranges(features: Iterable[Array]) -> tuple[Array, Array, int]:
    """Least and largest value of every feature, and the number of samples."""
    low: Array | None = None
    high: Array | None = None
    count = 0
    for values in features:
        count += 1
        least, most = values.min(axis=1), values.max(axis=1)
        low = least if low is None else np.minimum(low, least)
        high = most if high is None else np.maximum(high, most)
    if low is None or high is None:
        raise EdgeqError("There is no data.")
    return low, high, count


def _borders(row: Array) -> list[int]:
    """Where to cut a fine histogram into parts of about the same share."""
    cumulated = np.cumsum(row) / row.sum()
    wanted = np.arange(1, _BINS) / _BINS
    borders = {int(np.searchsorted(cumulated, share)) + 1 for share in wanted}
    return sorted(border for border in borders if border < _FINE)


def check_drift(
    model: str | Path,
    reference: Mapping[str, Any],
    data: Any,
    *,
    on: str = "local",
    raw: bool = False,
    reading: DatasetOptions | None = None,
    limit: float = PSI_LIMIT,
) -> Drift:
    """New data against the reference profile.

    Args:
        model: The model that the reference was made with.
        reference: What `reference_profile` returned.
        data: The new data.
        on: Device that computes the outputs.
        raw: Whether the data holds the model's own integers, as a device logs them.
        reading: How the data is read.
        limit: Population stability index that counts as drift; 0.2 by custom.

    Raises:
        EdgeqError: The reference belongs to another model, or the data does not fit.
    """
    graph = read_graph(model)
    if reference["model"]["sha256"] != graph.sha256:
        raise EdgeqError(
            f"the reference was made with another model "
            f"({reference['model']['path']}, sha256 {reference['model']['sha256'][:16]}…).",
            str(model),
        )
    stream = _Stream(graph, Path(model), data, on, raw, reading)
    known = reference["features"]
    counts = [np.zeros(len(feature["shares"])) for feature in known]
    sums, samples = np.zeros(len(known)), 0
    for values in stream.features():
        samples += 1
        sums += values.mean(axis=1)
        for number, feature in enumerate(known):
            places = np.searchsorted(feature["edges"], values[number], side="right")
            counts[number] += np.bincount(places, minlength=len(feature["shares"]))
    if not samples:
        raise EdgeqError("There is no data.")
    noise_unit = 1 / samples + 1 / reference["samples"]
    features = tuple(
        _feature(feature, counts[n], float(sums[n] / samples), noise_unit, limit)
        for n, feature in enumerate(known)
    )
    mix, saturation = stream.outputs()
    mix_psi = population_stability(reference["class_mix"], mix)
    return Drift(
        samples=samples,
        reference_samples=reference["samples"],
        features=features,
        saturation=saturation,
        reference_saturation=reference["saturation"],
        class_mix=tuple(mix),
        reference_class_mix=tuple(reference["class_mix"]),
        class_mix_psi=mix_psi,
        saturated=saturation > reference["saturation"] + _SATURATION_LIMIT,
        class_mix_drifted=mix_psi > limit + max(len(mix) - 1, 0) * noise_unit,
    )


def _feature(
    known: Mapping[str, Any], counts: Array, mean: float, noise_unit: float, limit: float
) -> FeatureDrift:
    psi = population_stability(known["shares"], counts / counts.sum())
    noise = (len(counts) - 1) * noise_unit
    return FeatureDrift(known["name"], psi, noise, mean, known["mean"], psi > limit + noise)


def population_stability(
    expected: Sequence[float] | Array, found: Sequence[float] | Array
) -> float:
    """Population stability index of two distributions over the same bins; 0 when equal.

    Source: Siddiqi, "Credit Risk Scorecards" (2006). By chance alone it is about
    (bins - 1) * (1 / n + 1 / m) for n and m samples (Yurdakul, 2018).
    """
    p = np.maximum(np.asarray(expected, np.float64), _TINY)
    q = np.maximum(np.asarray(found, np.float64), _TINY)
    return float(((q - p) * np.log(q / p)).sum())


class _Stream:
    """New passes over a data set's features, and over the model's outputs for it."""

    def __init__(
        self,
        graph: Graph,
        path: Path,
        data: Any,
        on: str,
        raw: bool,
        reading: DatasetOptions | None,
    ) -> None:
        self.graph = graph
        self._path = path
        self._on = on
        self._tensor: Tensor = input_tensors(graph.main)[0]
        specs = sample_specs(graph.main)
        if raw:
            tensors = input_tensors(graph.main)
            specs = [replace(s, dtype=t.dtype) for s, t in zip(specs, tensors, strict=True)]
        self._raw = raw
        self._data = open_dataset(data, specs, options=reading)

    def features(self) -> Iterator[Array]:
        """Per sample the first input as (features, values), in real numbers."""
        for sample in self._data:
            values = sample.inputs[0]
            real = dequantize(values, self._tensor) if self._raw else values
            if real.size <= _MOST_FEATURES:
                yield real.reshape(-1, 1)
            elif real.shape[-1] <= _MOST_FEATURES and real.ndim > 1:
                yield np.moveaxis(real, -1, 0).reshape(real.shape[-1], -1)
            else:
                yield real.reshape(1, -1)

    def name(self, number: int) -> str:
        """What a feature is called."""
        shape = self._data.inputs[0].shape
        size = int(np.prod(shape))
        if size > _MOST_FEATURES and (shape[-1] > _MOST_FEATURES or len(shape) == 1):
            return "input"
        kind = "input" if size <= _MOST_FEATURES else "channel"
        return f"{kind}[{number}]"

    def outputs(self) -> tuple[list[float], float]:
        """Share of each predicted class, and of input values at the ends of the integer range."""
        tensors = input_tensors(self.graph.main)
        output = output_tensors(self.graph.main)[0]
        ends = _ends(self._tensor)
        mix: Array | None = None
        at_end = values = samples = 0
        with open_device(self._on).open(self._path, CompileOptions()) as session:
            for sample in self._data:
                batch = [
                    to_input(array[None], tensor, tensor.name)
                    for array, tensor in zip(sample.inputs, tensors, strict=True)
                ]
                samples += 1
                at_end += int(np.isin(batch[0], ends).sum())
                values += batch[0].size
                scores = without_batch(dequantize(session.run(batch)[0], output)).ravel()
                mix = np.zeros(len(scores)) if mix is None else mix
                mix[int(scores.argmax())] += 1
        assert mix is not None  # a data set has at least one sample
        classifies = 1 < len(mix) <= _MOST_CLASSES
        return (mix / samples).tolist() if classifies else [], at_end / values


def _ends(tensor: Tensor) -> list[int]:
    dtype = numpy_dtype(tensor.dtype)
    if dtype.kind not in "iu":
        return []
    limits = np.iinfo(dtype)
    return [int(limits.min), int(limits.max)]


def read_reference(path: Path) -> dict[str, Any]:
    """A saved reference profile.

    Raises:
        EdgeqError: No such file, or no reference profile.
    """
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise EdgeqError(f"cannot read the reference: {error.strerror}.", str(path)) from None
    except ValueError as error:
        raise EdgeqError(f"this is no JSON: {error}.", str(path)) from None
    if not isinstance(found, dict) or not {"model", "features", "class_mix"} <= set(found):
        raise EdgeqError("this is no reference profile.", str(path), "edgeq drift save -h")
    return found
