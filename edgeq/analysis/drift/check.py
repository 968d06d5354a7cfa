"""Has the world changed since deployment? A reference profile, and new data against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeq import __version__
from edgeq.analysis.drift.stability import (
    MOST_EDGES,
    Histogram,
    Stability,
    chance_of_share,
    compare,
    histogram_of,
)
from edgeq.analysis.drift.stream import Row, Stream
from edgeq.data import DatasetOptions
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.model_file import read_graph
from edgeq.support.array import Array
from edgeq.support.jsontext import read_json
from edgeq.support.result import Result

PSI_LIMIT = 0.2
_SATURATION_LIMIT = 0.02
# What a reference may hold: more samples than anybody counts, what float32 holds, sums of shares.
_MOST_SAMPLES, _LARGEST, _ROUNDING = 1 << 40, 1e39, 1e-6
_NO_REFERENCE = "this is no reference profile of this version of edgeq."
# So many samples are kept for the reference, or up to twice as many.
_KEPT = 1024


@dataclass(frozen=True)
class FeatureDrift:
    """One feature of the input, or of the output.

    Attributes:
        name: Its place, such as "input[3]".
        psi: Population stability index, new data against the reference.
        noise: What the index is by chance, on average, with so few samples.
        threshold: What the index must exceed to count as drift.
        mean, reference_mean: In real numbers.
        drifted: Whether it does.
    """

    name: str
    psi: float
    noise: float
    threshold: float
    mean: float
    reference_mean: float
    drifted: bool


@dataclass(frozen=True, repr=False)
class Drift(Result):
    """New data against the reference profile.

    Attributes:
        saturation: Share of input values at the ends of the integer range.
        saturation_threshold: What it must exceed to count as too high.
        class_mix: Share of each predicted class; empty where the model does not classify.
        class_mix_psi: Population stability index of the class mix.
        class_mix_threshold: What it must exceed to count as drift.
        saturated: Whether clearly more values lie there than in the reference.
        class_mix_drifted: Whether the mix changed by more than chance.
        data: What was understood of the new data, as in JSON.
    """

    samples: int
    reference_samples: int
    features: tuple[FeatureDrift, ...]
    saturation: float
    reference_saturation: float
    saturation_threshold: float
    class_mix: tuple[float, ...]
    reference_class_mix: tuple[float, ...]
    class_mix_psi: float
    class_mix_threshold: float
    saturated: bool
    class_mix_drifted: bool
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def drifted(self) -> bool:
        """Whether anything went above its threshold."""
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
    graph = read_graph(model)
    stream = Stream(graph, Path(model), data, on, raw, reading)
    kept = [_Kept() for _ in stream.features]
    totals = _Totals(len(kept))
    for row in stream:
        totals.add(row)
        for store, values in zip(kept, row.features, strict=True):
            store.add(values)
    features = []
    for feature, store, mean in zip(stream.features, kept, totals.means, strict=True):
        histogram = histogram_of(store.samples, feature.step)
        features.append({"name": feature.name, **asdict(histogram), "mean": mean})
    return {
        "edgeq": __version__,
        "model": {"path": Path(model).name, "sha256": graph.sha256},
        "samples": totals.samples,
        "data": stream.understood.without_folder().to_json(),
        "outputs": stream.outputs,
        "features": features,
        "saturation": totals.saturation,
        "saturation_deviation": totals.saturation_deviation,
        "class_mix": totals.class_mix,
    }


def _compared(
    model: str | Path,
    reference: Mapping[str, Any],
    data: Any,
    on: str,
    raw: bool,
    reading: DatasetOptions | None,
) -> tuple[Stream, list[Histogram]]:
    """The new data as it streams by, and the reference's histograms, one a feature."""
    if not _sound(reference):
        raise EdgeqError(_NO_REFERENCE, hint="edgeq.reference_profile makes one")
    graph = read_graph(model)
    if reference["model"]["sha256"] != graph.sha256:
        raise EdgeqError(
            f"the reference was made with another model "
            f"({reference['model']['path']}, sha256 {reference['model']['sha256'][:16]}…).",
            str(model),
        )
    stream = Stream(graph, Path(model), data, on, raw, reading)
    known = [
        Histogram(tuple(f["edges"]), tuple(f["shares"]), f["worth"]) for f in reference["features"]
    ]
    if [f["name"] for f in reference["features"]] != [f.name for f in stream.features]:
        raise EdgeqError(
            "the reference holds other features; another version of edgeq made it.",
            str(model),
            "edgeq drift save makes a new one",
        )
    if reference.get("outputs", stream.outputs) != stream.outputs:
        raise EdgeqError(
            f"the reference took the model's outputs for {reference['outputs']}; they are taken "
            f"for {stream.outputs} now.",
            str(model),
            "give --from-logits or --from-probabilities to both commands, or to none",
        )
    return stream, known


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
    if not limit > 0:
        raise UsageError(f"An index of {limit:g} cannot be the limit.", hint="above 0, such as 0.2")
    stream, known = _compared(model, reference, data, on, raw, reading)
    counts = [np.zeros(len(histogram.shares)) for histogram in known]
    totals = _Totals(len(known))
    for row in stream:
        totals.add(row)
        for count, histogram, values in zip(counts, known, row.features, strict=True):
            count += histogram.count(values)
    before, samples = int(reference["samples"]), totals.samples
    # Half of the false alarms are left to all features together, a quarter to each of the others.
    tests = 2 * len(known)

    def against(shares: Sequence[float], count: Array, worth: float) -> Stability:
        sizes = round(_kept_of(before) * worth), round(samples * worth)
        return compare(shares, sizes[0], count, sizes[1], limit, tests)

    features = tuple(
        _feature(entry, against(histogram.shares, count, histogram.worth), mean)
        for entry, histogram, count, mean in zip(
            reference["features"], known, counts, totals.means, strict=True
        )
    )
    mix = Stability(0.0, 0.0, limit)
    if len(totals.class_mix) != len(reference["class_mix"]):
        raise EdgeqError(
            f"the reference knows {len(reference['class_mix'])} classes, and the model has "
            f"{len(totals.class_mix)}.",
            hint="edgeq drift save makes a reference of this model",
        )
    if totals.class_mix:
        predicted = np.asarray(totals.class_mix) * samples
        mix = compare(reference["class_mix"], before, predicted, samples, limit, 4)
    deviation = max(reference["saturation_deviation"], totals.saturation_deviation)
    rise = max(_SATURATION_LIMIT, chance_of_share(deviation, before, samples, 4))
    highest = reference["saturation"] + rise
    return Drift(
        samples=samples,
        reference_samples=before,
        features=features,
        saturation=totals.saturation,
        reference_saturation=reference["saturation"],
        saturation_threshold=highest,
        class_mix=tuple(totals.class_mix),
        reference_class_mix=tuple(reference["class_mix"]),
        class_mix_psi=mix.psi,
        class_mix_threshold=mix.threshold,
        saturated=totals.saturation > highest,
        class_mix_drifted=mix.changed,
        data=stream.understood.to_json(),
    )


def _feature(known: Mapping[str, Any], found: Stability, mean: float) -> FeatureDrift:
    return FeatureDrift(
        known["name"],
        found.psi,
        found.noise,
        found.threshold,
        mean,
        known["mean"],
        found.changed,
    )


def _kept_of(samples: int) -> int:
    """Of how many of so many samples `_Kept` has the values."""
    stride = 1
    while -(-samples // stride) >= 2 * _KEPT:
        stride *= 2
    return -(-samples // stride)


class _Kept:
    """Values of one feature from samples spread over the whole stream, in bounded memory."""

    def __init__(self) -> None:
        self._values: list[Array] = []
        self._seen, self._stride = 0, 1

    def add(self, values: Array) -> None:
        """Take in one sample's values."""
        if self._seen % self._stride == 0:
            self._values.append(values)
        self._seen += 1
        if len(self._values) == 2 * _KEPT:
            self._values = self._values[::2]
            self._stride *= 2

    @property
    def samples(self) -> list[Array]:
        """What was kept: the values of each sample."""
        return self._values


class _Totals:
    """Sums over a stream."""

    def __init__(self, features: int) -> None:
        self.samples = 0
        self._sums = np.zeros(features)
        self._at_end, self._at_end_squared = 0.0, 0.0
        self._mix: Array = np.zeros(0)

    def add(self, row: Row) -> None:
        """Take in one sample."""
        self.samples += 1
        self._sums += [float(values.mean()) for values in row.features]
        self._at_end += row.at_end
        self._at_end_squared += row.at_end**2
        if row.classes:
            if not self._mix.size:
                self._mix = np.zeros(row.classes)
            self._mix[row.predicted] += 1

    @property
    def means(self) -> list[float]:
        """Of each feature."""
        return list((self._sums / self.samples).tolist())

    @property
    def saturation(self) -> float:
        """Share of input values at the ends of the integer range."""
        return self._at_end / self.samples

    @property
    def saturation_deviation(self) -> float:
        """How much that share varies from sample to sample."""
        return math.sqrt(max(self._at_end_squared / self.samples - self.saturation**2, 0.0))

    @property
    def class_mix(self) -> list[float]:
        """Share of each predicted class."""
        return list((self._mix / self.samples).tolist())


def read_reference(path: Path) -> dict[str, Any]:
    """A saved reference profile.

    Raises:
        EdgeqError: No such file, or no reference profile.
    """
    found = read_json(path, "reference")
    if not _sound(found):
        raise EdgeqError(_NO_REFERENCE, str(path), "edgeq drift save -h")
    return dict(found)


def _sound(reference: Any) -> bool:
    """Whether a reference is one that `reference_profile` could have made, as far as it is read."""
    try:
        texts = [reference["model"]["path"], reference["model"]["sha256"]]
        texts += [f["name"] for f in reference["features"]]
        texts.append(reference.get("outputs", ""))
        mix = reference["class_mix"]
        return (
            all(isinstance(text, str) for text in texts)
            and isinstance(reference["samples"], int)
            and _within([reference["samples"]], 1, _MOST_SAMPLES)
            and _within([reference["saturation"], reference["saturation_deviation"]], 0, 1)
            and (not mix or _are_shares(mix))
            and bool(reference["features"])
            and all(_is_histogram(f) for f in reference["features"])
        )
    except (LookupError, TypeError, AttributeError):
        return False


def _is_histogram(feature: Mapping[str, Any]) -> bool:
    edges, shares = feature["edges"], feature["shares"]
    return (
        _within(edges, -_LARGEST, _LARGEST)
        and len(edges) <= MOST_EDGES
        and list(edges) == sorted(edges)
        and len(shares) == len(edges) + 1
        and _are_shares(shares)
        and _within([feature["mean"]], -_LARGEST, _LARGEST)
        and _within([feature["worth"]], 1, _MOST_SAMPLES)
    )


def _are_shares(values: Any) -> bool:
    return _within(values, 0, 1) and abs(sum(values) - 1) < _ROUNDING


def _within(values: Any, low: float, high: float) -> bool:
    """Whether this is a list of numbers from `low` to `high`."""
    return isinstance(values, list | tuple) and all(
        isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        for value in values
    )
