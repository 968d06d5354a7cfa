"""Accuracy with the arithmetic of the device that computes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from edgeq import __version__
from edgeq.analysis.evaluation.boxes import as_judged, as_made, detection_of, open_judged
from edgeq.analysis.evaluation.labelled import labelled_data
from edgeq.analysis.evaluation.metric import find_metric
from edgeq.analysis.evaluation.suspicion import Suspicion, suspicions
from edgeq.analysis.models import as_tflite
from edgeq.analysis.remarks import remarks_of
from edgeq.compiler.options import CompileOptions
from edgeq.data import DatasetOptions, Sample, Understood
from edgeq.data.labels import label_array
from edgeq.devices.base import Session
from edgeq.errors import EdgeqError
from edgeq.frontend.silent import silent_bands_of
from edgeq.metrics.base import Samples, Score
from edgeq.metrics.classification import answers
from edgeq.metrics.outputs import Outputs
from edgeq.metrics.paired import Paired, compare_scores
from edgeq.model.answer import class_count, find_outputs
from edgeq.model.arrays import (
    check_finite,
    dequantize,
    input_tensors,
    output_tensors,
    to_input,
    without_batch,
)
from edgeq.model.graph import Graph
from edgeq.model.model_file import read_graph
from edgeq.support.array import Array
from edgeq.support.progress import track
from edgeq.support.result import Result

_CHUNK = 64


@dataclass(frozen=True)
class SameOutputs:
    """The outputs of two devices for the same samples.

    Attributes:
        on: The other device.
        equal: Samples whose outputs are the same to the last bit.
        same_class: Samples that both put into the same class; None where outputs are no classes.
        max_difference: Largest difference of one output, in real numbers.
    """

    on: str
    equal: int
    same_class: int | None
    max_difference: float


@dataclass(frozen=True, repr=False)
class Evaluation(Result):
    """How good a model is on labelled data.

    Attributes:
        model: Path as given.
        sha256: Digest of the .tflite that ran (of a float conversion for Keras files).
        on: Device address.
        n: Number of samples.
        score: The metric's headline figure and details.
        classes: Class names where the data has them.
        also_on: The outputs compared with another device's; None if not asked for.
        outputs: What the numbers of the first output are taken for.
        understood: How many samples each class has, by number; empty where labels are no classes.
        suspicions: What looks wrong about the figure.
        real: The score of the float model on the very same samples; None if not asked for.
        against: That model's path.
        data: What was understood of the data.
        arithmetic: What is known to be wrong with what the devices computed.
    """

    model: str
    sha256: str
    on: str
    n: int
    score: Score
    classes: tuple[str, ...] = ()
    also_on: SameOutputs | None = None
    outputs: Outputs | None = None
    understood: Mapping[int, int] = field(default_factory=dict)
    suspicions: tuple[Suspicion, ...] = ()
    real: Score | None = None
    against: str | None = None
    data: Understood | None = None
    arithmetic: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know, in sentences."""
        read = () if self.data is None else self.data.warnings
        return (*self.arithmetic, *read, *(suspicion.words for suspicion in self.suspicions))

    @property
    def by_chance(self) -> str:
        """Why nothing can be judged by this figure: it is no better than chance; else empty."""
        return next((found.words for found in self.suspicions if found.chance), "")

    @property
    def compared(self) -> Paired | None:
        """This model against the float one; None without one."""
        return None if self.real is None else compare_scores(self.real, self.score)

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq evaluate`; the headline figure stands under its own name."""
        return {
            "edgeq": __version__,
            "model": {"path": self.model, "sha256": self.sha256},
            "device": {"address": self.on},
            "n": self.n,
            "metric": self.score.metric,
            "larger_is_better": self.score.larger_is_better,
            self.score.metric: self.score.value,
            **self.score.details,
            "confidence": 0.95,
            "interval": self.score.interval,
            "intervals": self.score.intervals,
            "classes": list(self.classes),
            "outputs": self.outputs,
            "understood": {str(number): count for number, count in self.understood.items()},
            "also_on": self.also_on,
            "against": self.real
            and {"model": self.against, "float": self.real.value, "paired": self.compared},
            "warnings": list(self.warnings),
            "data": self.data and self.data.to_json(),
        }


def evaluate(
    model: str | Path,
    *,
    data: Any,
    on: str = "local",
    metric: str = "classification",
    limit: int | None = None,
    dataset_options: DatasetOptions | None = None,
    options: CompileOptions | None = None,
    trust: bool = False,
    also_on: str | None = None,
    against: str | Path | None = None,
    outputs: Outputs | None = None,
) -> Evaluation:
    """How good a model is on labelled data, computed with a device's own arithmetic.

    Args:
        model: A .tflite file, or a model of Keras, TensorFlow, ONNX or PyTorch (float).
        data: Labelled data: a path, `file.npz:x,y`, `module:function`, or arrays (x, y).
        on: Device address.
        metric: A name of `METRICS`, or `module:function` of the user's, called with the outputs
            (real numbers) and the labels; it returns a number or a dict of numbers, of which the
            first is the headline. More is better, unless the function has an attribute
            `larger_is_better` that is False. With a decision that makes boxes of the answers,
            "classification" is taken for "detection".
        limit: Use at most so many samples, spread over the set; of a model that goes on where the
            last call ended, the first ones.
        dataset_options: How the data is read.
        options: How C is generated, where the address runs generated C.
        trust: Whether code inside a Keras file (Lambda layers) may run.
        also_on: A second device to compare the outputs with, sample by sample.
        against: The float model, to be judged on the very same samples.
        outputs: What the numbers of the outputs are by the model's source, where the file itself
            does not tell.

    Raises:
        EdgeqError: Data or labels do not fit the model, or the device cannot run it.
    """
    detection = detection_of(options)
    if detection is not None and metric == "classification":
        metric = "detection"
    compute = find_metric(metric)
    reading = dataset_options or DatasetOptions()
    with as_tflite(model, trust=trust) as path:
        plain = read_graph(path)
        graph, reading = as_judged(plain, options, reading)
        kind = None if detection else output_kind(model, graph, reading, outputs)
        dataset = labelled_data(graph, data, reading, limit, metric)

        arithmetic = dict.fromkeys((*silent_bands_of(options), *remarks_of(plain)))

        def outputs_of(address: str) -> Samples:
            with open_judged(address, path, options, plain, reference=address != on) as session:
                arithmetic.update(dict.fromkeys(session.warnings))
                keep = metric == "anomaly"
                found = predict(
                    session, graph, dataset, keep_inputs=keep, total=dataset.count, kind=kind
                )
                return as_made(graph, metric, found)

        samples = outputs_of(on)
        other = None
        if also_on is not None:
            classes = samples.first if metric == "classification" else None
            other = _same_outputs(samples, outputs_of(also_on), also_on, classes)
    try:
        score = compute(samples)
    except EdgeqError as error:
        error.where = error.where or dataset.source.where
        raise
    real = None
    if against is not None:
        real = evaluate(
            against,
            data=data,
            metric=metric,
            limit=limit,
            dataset_options=dataset_options,
            trust=trust,
            outputs=outputs,
            options=None if detection is None else options,
        ).score
    return Evaluation(
        str(model),
        graph.sha256,
        on,
        len(samples.labels),
        score,
        dataset.classes,
        other,
        None if ":" in metric or detection else samples.first,
        _counts(samples.labels, metric),
        tuple(suspicions(metric, samples, score)),
        real,
        None if against is None else str(against),
        dataset.understood,
        tuple(arithmetic),
    )


def refuse_chance(found: Evaluation, where: str) -> None:
    """Judge nothing on data that does not belong to the model.

    Args:
        found: What the model that all is measured against does on it.
        where: The data.

    Raises:
        EdgeqError: It does no better than chance.
    """
    if found.by_chance:
        raise EdgeqError(
            f"Nothing can be judged on this data: {found.by_chance}",
            where,
            f"edgeq evaluate {found.model} --data {where} shows what was read",
        )


def output_kind(
    model: str | Path, graph: Graph, reading: DatasetOptions, known: Outputs | None = None
) -> Outputs | None:
    """What the numbers of a model's first output are; None where only they themselves can tell.

    Args:
        model: The file that the user gave.
        graph: Its .tflite.
        reading: What the user says.
        known: What its source says.
    """
    from edgeq.conversion.sources.keras_loss import outputs_by_loss

    loss = known or outputs_by_loss(model)
    return find_outputs(graph, from_logits=reading.from_logits, loss=loss)


def _counts(labels: Array, metric: str) -> dict[int, int]:
    """How many samples each class has."""
    if metric not in ("classification", "anomaly") or not labels.size:
        return {}
    numbers = labels.argmax(axis=1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.ravel()
    found, counts = np.unique(np.round(numbers).astype(np.int64), return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _same_outputs(ours: Samples, theirs: Samples, on: str, kind: Outputs | None) -> SameOutputs:
    count = len(ours.labels)
    pairs = [
        (a.reshape(count, -1), b.reshape(count, -1))
        for a, b in zip(ours.outputs, theirs.outputs, strict=True)
    ]
    said = [answers(each.outputs[0], kind) for each in (ours, theirs)] if kind else None
    return SameOutputs(
        on,
        equal=int(np.all([(a == b).all(axis=1) for a, b in pairs], axis=0).sum()),
        same_class=None if said is None else int((said[0] == said[1]).sum()),
        max_difference=max(float(np.abs(a - b).max()) for a, b in pairs),
    )


def predict(
    session: Session,
    graph: Graph,
    samples: Iterable[Sample],
    *,
    keep_inputs: bool = False,
    total: int | None = None,
    kind: Outputs | None = None,
) -> Samples:
    """Outputs in real numbers for every sample, in order, beside the labels.

    Args:
        session: The model, loaded on a device.
        graph: The same model.
        samples: Labelled samples, such as a Dataset.
        keep_inputs: Whether the metric looks at the inputs too.
        total: Number of samples, if known, for the progress bar.
        kind: What the numbers of the first output are, where it is known.

    Raises:
        EdgeqError: A sample does not fit, labels have different shapes, or an answer is NaN.
    """
    tensors = input_tensors(graph.main)
    outputs: list[list[Array]] = [[] for _ in graph.main.outputs]
    labels: list[Any] = []
    inputs: list[Array] = []
    for chunk in _chunks(track(samples, "evaluating", total)):
        batch = [
            to_input(np.stack([sample.inputs[i] for sample in chunk]), tensor, tensor.name)
            for i, tensor in enumerate(tensors)
        ]
        for kept, array, tensor in zip(
            outputs, session.run(batch), output_tensors(graph.main), strict=True
        ):
            kept.append(without_batch(dequantize(array, tensor)))
        labels.extend(sample.label for sample in chunk)
        if keep_inputs:
            inputs.append(without_batch(dequantize(batch[0], tensors[0])))
    found = [np.concatenate(kept) for kept in outputs]
    check_finite(found, [tensor.name for tensor in output_tensors(graph.main)])
    return Samples(
        found,
        label_array(labels),
        np.concatenate(inputs) if inputs else np.empty(0),
        kind,
        class_count(graph),
    )


def _chunks(samples: Iterator[Sample]) -> Iterator[list[Sample]]:
    while chunk := list(islice(samples, _CHUNK)):
        yield chunk
