"""What labelled data say of a float model and of what was made of it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.analysis.evaluation.evaluate import Evaluation, evaluate
from edgeq.boards.runtimes.check import check_newest, lacking_in_litert
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.hearing import Hearing
from edgeq.data import DatasetOptions, open_dataset
from edgeq.data.labels import label_array
from edgeq.model.model_file import parse_graph
from edgeq.workflow.streams import FloatModels


def compared(
    models: FloatModels,
    real: FloatModel,
    after: bytes,
    data: Any,
    metric: str,
    options: DatasetOptions,
) -> tuple[Evaluation, Evaluation]:
    """The float and the converted model on the very same labelled samples.

    Behind a front end that was split off the converted model gets the features of recordings that
    the float model gets as they are.

    Args:
        models: The float models behind the conversion.
        real: The one that was quantized, with its metadata.
        after: The converted model.
        data: Labelled data.
        metric: What to compute on it.
        options: How the data is read.
    """
    if models.whole is None or real.front is None:
        pairs = ((real.data, data, options), (after, data, options))
    else:
        features, known = _features(real.front, data, options)
        # The recordings were normalized on the way to their features.
        plain = replace(known, normalization=None)
        pairs = ((models.whole.data, data, known), (after, features, plain))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (content, given, reading) in zip(("float", "quantized"), pairs, strict=True):
            path = Path(folder) / f"{name}.tflite"
            path.write_bytes(content)
            graph = parse_graph(content)
            lacking = lacking_in_litert(graph)
            instead = "c" if check_newest(graph, "tflm") else "tflm"
            found.append(
                evaluate(
                    path,
                    on=instead if lacking else "local",
                    data=given,
                    metric=metric,
                    dataset_options=reading,
                    outputs=real.outputs,
                )
            )
    return found[0], found[1]


def _features(front: Hearing, data: Any, options: DatasetOptions) -> tuple[Any, DatasetOptions]:
    """The features of labelled recordings with their labels, and how both are read."""
    dataset = open_dataset(data, (front.spec,), labelled=True, options=options)
    x, y = [], []
    for sample in dataset:
        x += front.features(sample.inputs)
        y.append(sample.label)
    rate = front.spec.rate_hz if options.sample_rate is None else options.sample_rate
    known = replace(options, classes=options.classes or dataset.classes, sample_rate=rate)
    return (np.stack(x), label_array(y)), known
