"""The diagnosis: every layer's error, the culprit first, and what to do next."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.analysis.diagnosis.advice import (
    LITTLE_USE,
    Weights,
    advice_for,
    cause_of,
    compare_weights,
)
from edgeq.analysis.diagnosis.noise import Noise, OwnError, decibels, own_errors, real_range
from edgeq.analysis.diagnosis.pairs import CONVERSIONS, Pair, match
from edgeq.analysis.evaluation.layers import LayerError, layer_errors
from edgeq.analysis.models import as_tflite, is_integer
from edgeq.analysis.remarks import remarks_of
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.quantization.additive_masks import like_additive_masks
from edgeq.conversion.quantization.masks import like_masks
from edgeq.data import DatasetOptions, InputSpec, open_dataset
from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph
from edgeq.model.model_file import read_graph
from edgeq.model.samples import sample_specs
from edgeq.support.array import Array
from edgeq.support.result import Result

_SAMPLES = 16
# A channel that is silent for one or two samples says nothing.
_SAMPLES_FOR_DEAD = 8
_FINE_DB = 30.0
_STANDS_OUT = 0.3
_Place = tuple[int, str]  # an op of the integer model, and the name of its result


@dataclass(frozen=True)
class LayerDiagnosis:
    """One layer of the integer model against the float model.

    Attributes:
        index: Op of the integer model; None for a model input.
        op: Builtin name, or "input".
        name: Keras layers that it was made from, joined by ";".
        blame: Share of the whole error at the result that is this layer's own doing, 0 to 1.
        effect_db: Signal to noise at the model's result when only this layer is integer.
        own_sqnr_db: Signal to noise of this layer when all before it is exact.
        sqnr_db: Signal to noise of this layer with the errors of all before it.
        cosine: Cosine between float and integer values, errors of all before included.
        range_use: Share of the integer range that the values need.
        clipped: Share of values that lie beyond the integer range.
        dead_channels: Channels that never change in the float model.
        lost_channels: Channels that change in the float model and not in integers.
        cause: What makes most of its own error: "clipping", "resolution", "weights" or "kernel".
        advice: In words, what is wrong and what to do.
        weights: Its weights in both models; None where it has none.
        integer_range: The least and greatest real number that its integers can stand for.
        histogram: Values of the float model: how many below that range, in equal parts of it, and
            above it.
        channel_ranges: Least and greatest value of each channel of the float model.
    """

    index: int | None
    op: str
    name: str
    blame: float
    effect_db: float | None
    own_sqnr_db: float | None
    sqnr_db: float | None
    cosine: float | None
    range_use: float
    clipped: float
    dead_channels: int
    lost_channels: int
    cause: str
    advice: str
    weights: Weights | None
    integer_range: tuple[float, float]
    histogram: tuple[int, ...]
    channel_ranges: tuple[tuple[float, float], ...]


@dataclass(frozen=True, repr=False)
class Diagnosis(Result):
    """What was found.

    Attributes:
        model, float_model: Paths as given.
        sha256: Digest of the integer model.
        samples: How many samples were looked at.
        sqnr_db: Signal to noise of the whole integer model at its first output, before a softmax
            or sigmoid there.
        layers: The layers, most to blame first.
        summary: What to do next, in sentences.
    """

    model: str
    float_model: str
    sha256: str
    samples: int
    sqnr_db: float | None
    layers: tuple[LayerDiagnosis, ...]
    summary: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq diagnose`."""
        return {
            "edgeq": __version__,
            "model": {"path": self.model, "sha256": self.sha256},
            "float_model": self.float_model,
            "samples": self.samples,
            "sqnr_db": self.sqnr_db,
            "summary": list(self.summary),
            "layers": [asdict(layer) for layer in self.layers],
        }


def diagnose(
    model: str | Path,
    float_model: str | Path,
    *,
    data: Any,
    limit: int | None = _SAMPLES,
    dataset_options: DatasetOptions | None = None,
    trust: bool = False,
) -> Diagnosis:
    """Which layers of an integer model lose the accuracy, and why.

    A model that keeps a state from call to call is looked at from its initial state.

    Every op is run on exact values, so that its own error is known apart from that of the ops
    before it; that error alone is then sent through the float model, which gives its effect on
    the result.

    Args:
        model: The integer .tflite.
        float_model: The model it was made from, of any kind that `edgeq convert` takes.
        data: Representative data; labels are not needed.
        limit: Look at so many samples, spread over the data.
        dataset_options: How the data is read.
        trust: Whether code inside a Keras file (Lambda layers) may run.

    Raises:
        EdgeqError: A model or the data cannot be used, or the models are not of one network.
    """
    integer = read_graph(model)
    with (
        as_tflite(float_model, trust=trust) as path,
        tempfile.TemporaryDirectory(prefix="edgeq-") as folder,
    ):
        real = read_graph(path)
        _check(real, integer)
        pairs = match(real, integer)
        if not any(pair.op for pair in pairs) and not is_integer(integer):
            raise EdgeqError(
                "The model computes in float: there are no integers whose errors could be told.",
                str(model),
                "edgeq convert --eval says what its weights cost; or diagnose an integer scheme",
            )
        if not any(pair.op for pair in pairs):
            raise EdgeqError(
                "No layer of the two models could be matched.",
                f"{model}, {float_model}",
                "convert this float model with edgeq convert, and diagnose the result",
            )
        masked = _with_masks(path, real, integer, pairs)
        if masked is not None:
            path = Path(folder) / "float.tflite"
            path.write_bytes(masked)
            real = read_graph(path)
        specs = _specs(real, integer)
        dataset = open_dataset(data, specs, options=dataset_options, limit=limit)
        samples: list[Sequence[Array]] = [sample.inputs for sample in dataset]
        noise = own_errors(
            real, integer, path.read_bytes(), Path(model).read_bytes(), pairs, samples
        )
        matched = [(pair.op, pair.integer, pair.real.index) for pair in pairs if pair.op]
        summed = layer_errors(path, model, samples, matched)
    accumulated = {(found.index, found.name): found for found in summed}
    layers = _rank(noise, accumulated, real, integer)
    whole = next(
        (_summed(e, accumulated) for e in noise.errors if e.pair.real.index == noise.result), None
    )
    ops = sum(op.name not in CONVERSIONS for op in integer.main.ops)
    summary = (*_of_stream(real, integer), *_summary(layers, whole, len(samples), ops))
    summary = (*remarks_of(integer), *summary)
    return Diagnosis(
        str(model), str(float_model), integer.sha256, len(samples), whole, layers, summary
    )


def _with_masks(path: Path, real: Graph, integer: Graph, pairs: Sequence[Pair]) -> bytes | None:
    """The float model with masks of attention as the integer model has them; None without any.

    "Minus infinity" would make every error beside it look like nothing.
    """
    makers = {index: op.index for op in real.main.ops for index in op.outputs}
    ops = {makers[p.real.index]: p.op for p in pairs if p.op and p.real.index in makers}
    source = FloatModel(path.read_bytes(), str(path), real)
    masked = like_additive_masks(like_masks(source, integer, ops), integer, ops)
    return None if masked is source else masked.data


def _specs(real: Graph, integer: Graph) -> list[InputSpec]:
    """What samples look like to the float model; what only the integer one says of them too."""
    return [
        replace(
            ours,
            low=theirs.low,
            high=theirs.high,
            normalization=ours.normalization or theirs.normalization,
            rate_hz=ours.rate_hz or theirs.rate_hz,
        )
        for ours, theirs in zip(sample_specs(real), sample_specs(integer), strict=True)
    ]


def _check(real: Graph, integer: Graph) -> None:
    """Refuse pairs of models that cannot be compared."""
    if any("float" not in t.dtype for t in (real.main.tensors[i] for i in real.main.outputs)):
        raise EdgeqError("--float wants the float model; this one is quantized.", real.path)
    shapes = [
        [graph.main.tensors[index].shape for index in graph.main.inputs]
        for graph in (real, integer)
    ]
    if shapes[0] != shapes[1]:
        raise EdgeqError(
            f"The float model's inputs are {shapes[0]}, the integer model's {shapes[1]}: they are "
            "not the same network.",
            integer.path,
        )


def _rank(
    noise: Noise, accumulated: Mapping[_Place, LayerError], real: Graph, integer: Graph
) -> tuple[LayerDiagnosis, ...]:
    """The layers, most to blame first; of equal ones the noisier, then the earlier first."""
    total = sum(error.effect for error in noise.errors)
    found = [
        _layer(error, total, noise.signal, accumulated, real, integer) for error in noise.errors
    ]
    silent = float("inf")
    return tuple(
        sorted(found, key=lambda x: (-x.blame, silent if x.own_sqnr_db is None else x.own_sqnr_db))
    )


def _layer(
    error: OwnError,
    total: float,
    signal: float,
    accumulated: Mapping[_Place, LayerError],
    real: Graph,
    integer: Graph,
) -> LayerDiagnosis:
    pair = error.pair
    weights = compare_weights(real, integer, pair.op, pair.real)
    whole = _in_sum(error, accumulated)
    return LayerDiagnosis(
        index=pair.op.index if pair.op else None,
        op=pair.op.name if pair.op else "input",
        name=pair.real.name,
        blame=error.effect / total if total else 0.0,
        effect_db=decibels(signal, error.effect),
        own_sqnr_db=error.sqnr_db,
        sqnr_db=_summed(error, accumulated),
        cosine=whole.cosine if whole else None,
        range_use=error.range_use,
        clipped=error.clipped / error.count if error.count else 0.0,
        dead_channels=error.dead,
        lost_channels=error.lost,
        cause=cause_of(error, weights),
        advice=advice_for(error, weights, pair.real.name.split(";")[0]),
        weights=weights,
        integer_range=real_range(pair.integer),
        histogram=tuple(error.histogram.tolist()),
        channel_ranges=tuple(
            zip(error.low.ravel().tolist(), error.high.ravel().tolist(), strict=True)
        ),
    )


def _in_sum(error: OwnError, accumulated: Mapping[_Place, LayerError]) -> LayerError | None:
    """The layer with the errors of all before it."""
    pair = error.pair
    return accumulated.get((pair.op.index, pair.integer.name)) if pair.op else None


def _summed(error: OwnError, accumulated: Mapping[_Place, LayerError]) -> float | None:
    """Signal to noise of a layer with the errors of all before it; of an input its own."""
    whole = _in_sum(error, accumulated)
    return whole.sqnr_db if whole else error.sqnr_db


def _too_wide(layers: Sequence[LayerDiagnosis]) -> bool:
    """Whether most of the error comes from ranges that are too wide, not from any one layer."""
    wide = [x for x in layers if x.range_use < LITTLE_USE and x.cause == "resolution"]
    return sum(layer.blame for layer in wide) > 0.5


def _of_stream(real: Graph, integer: Graph) -> list[str]:
    """What is not known of models that go on where the last call ended."""
    if not (real.is_stream or integer.is_stream):
        return []
    return ["The model keeps a state from call to call; all figures are of its initial state."]


def _summary(
    layers: Sequence[LayerDiagnosis], whole: float | None, samples: int, ops: int
) -> list[str]:
    """What to do next."""
    found = []
    worst = layers[0]
    matched = sum(layer.index is not None for layer in layers)
    if matched < ops / 2:
        found.append(
            f"Only {matched} of {ops} layers are in both models: is this the float model that the "
            "integer one was made from?"
        )
    if whole is not None:
        found.append(
            f"The result's signal is {whole:.1f} dB above its error: "
            + ("close to float." if whole >= _FINE_DB else "expect other results than from float.")
        )
    if worst.blame >= _STANDS_OUT:
        found.append(
            f'"{worst.name}" alone causes {worst.blame:.0%} of the error at the result. '
            f"{worst.advice}"
        )
    elif _too_wide(layers):
        wide = sum(layer.range_use < LITTLE_USE for layer in layers)
        found.append(
            f"In {wide} of {len(layers)} layers values need less than {LITTLE_USE:.0%} of their "
            "integer range: the ranges are too wide, as one outlier in the calibration data makes "
            "them. edgeq convert names the sample; leave it out, or try --calibration percentile."
        )
    elif worst.blame > 0:
        found.append(
            f'No layer stands out; "{worst.name}" is the worst with {worst.blame:.0%} of the '
            "error. If accuracy is too low, change the scheme of the whole model "
            "(int16x8) or train with edgeq compress qat."
        )
    dead = [layer for layer in layers if layer.dead_channels and layer.weights]
    if dead and samples >= _SAMPLES_FOR_DEAD:
        count = sum(layer.dead_channels for layer in dead)
        found.append(
            f"{count} channels in {len(dead)} layers never change on this data; "
            "edgeq compress prune --structured takes such channels out."
        )
    return found
