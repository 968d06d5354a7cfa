"""What disturbed inputs do to a model: float against integer, disturbance by disturbance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeq import __version__
from edgeq.analysis.evaluation.boxes import as_made
from edgeq.analysis.evaluation.comparison import Comparison, compare_classifiers
from edgeq.analysis.evaluation.evaluate import (
    output_kind,
    predict,
)
from edgeq.analysis.evaluation.labelled import labelled_data
from edgeq.analysis.evaluation.metric import find_metric
from edgeq.analysis.models import as_tflite
from edgeq.analysis.remarks import remarks_of
from edgeq.analysis.sessions import open_session
from edgeq.compiler.options import CompileOptions
from edgeq.data import Dataset, DatasetOptions, Sample, Understood
from edgeq.devices.base import Session
from edgeq.errors import EdgeqError
from edgeq.metrics.base import Samples
from edgeq.metrics.outputs import Outputs
from edgeq.model.graph import Graph
from edgeq.model.model_file import read_graph
from edgeq.support.array import Array
from edgeq.support.result import Result

_SEED = 0


@dataclass(frozen=True)
class _Spread:
    """What the first input looks like over the whole data set."""

    deviation: float
    width: float


_Disturb = Callable[[Array, _Spread, np.random.Generator], Array]


def _noise(level: float) -> _Disturb:
    return lambda x, spread, rng: x + rng.normal(0, level * spread.deviation, x.shape)


def _brightness(level: float) -> _Disturb:
    return lambda x, spread, rng: x + level * spread.width  # noqa: ARG005


def _scaling(level: float) -> _Disturb:
    return lambda x, spread, rng: x * level  # noqa: ARG005


def _shift(level: float) -> _Disturb:
    def disturb(x: Array, spread: _Spread, rng: np.random.Generator) -> Array:  # noqa: ARG001
        axis = int(np.argmax(x.shape))
        return np.roll(x, max(1, round(level * x.shape[axis])), axis)

    return disturb


def _dropped(level: float) -> _Disturb:
    def disturb(x: Array, spread: _Spread, rng: np.random.Generator) -> Array:  # noqa: ARG001
        axis = int(np.argmax(x.shape))
        lost = rng.random(x.shape[axis]) < level
        kept = np.array(x)
        np.moveaxis(kept, axis, 0)[lost] = 0
        return kept

    return disturb


_UNDISTURBED: tuple[str, float, _Disturb] = ("none", 0.0, lambda x, spread, rng: x)  # noqa: ARG005

# Noise is in standard deviations, brightness in the width of the input's range, shift and dropped
# in shares of the longest axis (rows of an image, steps of a recording).
DISTURBANCES: tuple[tuple[str, float, _Disturb], ...] = (
    ("noise", 0.1, _noise(0.1)),
    ("noise", 0.3, _noise(0.3)),
    ("brightness", -0.15, _brightness(-0.15)),
    ("brightness", 0.15, _brightness(0.15)),
    ("scaling", 0.8, _scaling(0.8)),
    ("scaling", 1.25, _scaling(1.25)),
    ("shift", 0.05, _shift(0.05)),
    ("shift", 0.1, _shift(0.1)),
    ("dropped", 0.1, _dropped(0.1)),
    ("dropped", 0.25, _dropped(0.25)),
)


@dataclass(frozen=True)
class Disturbed:
    """The metric of both models under one disturbance.

    Attributes:
        disturbance: "none", "noise", "brightness", "scaling", "shift" or "dropped".
        level: How strong.
        real: The metric of the float model; None without one.
        integer: That of the model under test.
        comparison: Agreement, calibration, drops per class; None where not both classify.
    """

    disturbance: str
    level: float
    real: float | None
    integer: float
    comparison: Comparison | None


@dataclass(frozen=True, repr=False)
class Robustness(Result):
    """The undisturbed row, then one row per disturbance."""

    model: str
    sha256: str
    on: str
    against: str | None
    metric: str
    n: int
    rows: tuple[Disturbed, ...]
    data: Understood | None = None
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq evaluate --robustness`."""
        return {
            "edgeq": __version__,
            "model": {"path": self.model, "sha256": self.sha256},
            "device": {"address": self.on},
            "against": self.against,
            "metric": self.metric,
            "n": self.n,
            "data": self.data and self.data.to_json(),
            "robustness": [asdict(row) for row in self.rows],
            "warnings": list(self.warnings),
        }


def robustness(
    model: str | Path,
    *,
    data: Any,
    against: str | Path | None = None,
    on: str = "local",
    metric: str = "classification",
    limit: int | None = None,
    dataset_options: DatasetOptions | None = None,
    options: CompileOptions | None = None,
    trust: bool = False,
) -> Robustness:
    """The metric with and without disturbed inputs, the float model's beside it.

    Args:
        model: The model under test.
        data: Labelled data in real numbers.
        against: The float model to compare with.
        on: Device of the model under test; the float model runs on this machine.
        metric: As for `evaluate`.
        limit: As for `evaluate`.
        dataset_options: How the data is read.
        options: How C is generated, where the address runs generated C.
        trust: Whether code inside Keras files (Lambda layers) may run.

    Raises:
        EdgeqError: Data does not fit, or is not in real numbers.
    """
    find_metric(metric)
    with ExitStack() as stack:
        reading = dataset_options or DatasetOptions()
        ours = _load(stack, model, on, options or CompileOptions(), trust, reading)
        theirs = None
        if against is not None:
            theirs = _load(stack, against, "local", CompileOptions(), trust, reading)
            _check_alike(ours.graph, theirs.graph, str(against))
        samples = labelled_data(ours.graph, data, dataset_options, limit, metric)
        trial = _Trial(metric, samples, _spread(samples), ours, theirs)
        rows = [trial.row(*disturbance) for disturbance in (_UNDISTURBED, *DISTURBANCES)]
        said = [*ours.session.warnings, *(theirs.session.warnings if theirs else ())]
        said += remarks_of(ours.graph)
    return Robustness(
        str(model),
        ours.graph.sha256,
        on,
        None if against is None else str(against),
        metric,
        sum(1 for _ in samples),
        tuple(rows),
        samples.understood,
        tuple(dict.fromkeys((*said, *samples.understood.warnings))),
    )


@dataclass(frozen=True)
class _Loaded:
    """A model on a device."""

    session: Session
    graph: Graph
    kind: Outputs | None


def _check_alike(ours: Graph, theirs: Graph, where: str) -> None:
    """Refuse to compare models that take or give something else."""
    for side in ("inputs", "outputs"):
        mine, other = (
            [g.main.tensors[i].shape for i in getattr(g.main, side)] for g in (ours, theirs)
        )
        if mine != other:
            raise EdgeqError(
                f"The {side} of the float model are {other}, those of the other {mine}.",
                where,
                "--against wants the float model that this one was made from, and outputs of "
                "the same kind: convert without --head",
            )


def _load(
    stack: ExitStack,
    model: str | Path,
    on: str,
    options: CompileOptions,
    trust: bool,
    reading: DatasetOptions,
) -> _Loaded:
    path = stack.enter_context(as_tflite(model, trust=trust))
    graph = read_graph(path)
    session = stack.enter_context(open_session(on, path, options))
    return _Loaded(session, graph, output_kind(model, graph, reading))


@dataclass(frozen=True)
class _Trial:
    """Both models and the data they are tried on."""

    metric: str
    samples: Dataset
    spread: _Spread
    ours: _Loaded
    theirs: _Loaded | None

    def row(self, name: str, level: float, disturb: _Disturb) -> Disturbed:
        """Both models under one disturbance."""
        compute = find_metric(self.metric)
        integer = self._predict(self.ours, disturb)
        if self.theirs is None:
            return Disturbed(name, level, None, compute(integer).value, None)
        real = self._predict(self.theirs, disturb)
        comparison = compare_classifiers(real, integer) if self._classifies else None
        return Disturbed(name, level, compute(real).value, compute(integer).value, comparison)

    @property
    def _classifies(self) -> bool:
        return self.metric == "classification"

    def _predict(self, model: _Loaded, disturb: _Disturb) -> Samples:
        # The same seed for every pass, so both models see the same disturbed samples.
        generator = np.random.default_rng(_SEED)
        if model.graph.keeps_state:
            model.session.reset()
        samples = (_disturbed(sample, self.spread, disturb, generator) for sample in self.samples)
        found = predict(
            model.session,
            model.graph,
            samples,
            keep_inputs=self.metric == "anomaly",
            total=self.samples.count,
            kind=model.kind,
        )
        return as_made(model.graph, self.metric, found)


def _disturbed(
    sample: Sample, spread: _Spread, disturb: _Disturb, generator: np.random.Generator
) -> Sample:
    first = disturb(sample.inputs[0], spread, generator).astype(np.float32)
    return Sample([first, *sample.inputs[1:]], sample.label)


def _spread(samples: Iterable[Sample]) -> _Spread:
    count, total, squares = 0, 0.0, 0.0
    low, high = np.inf, -np.inf
    for sample in samples:
        values = sample.inputs[0]
        if values.dtype.kind != "f":
            raise EdgeqError(
                f"the first input is {values.dtype}; disturbances need real numbers.",
                hint="give the data as floats, before quantization",
            )
        count += values.size
        total += float(values.sum(dtype=np.float64))
        squares += float((values.astype(np.float64) ** 2).sum())
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    mean = total / count
    return _Spread(float(np.sqrt(max(squares / count - mean * mean, 0.0))), high - low)
