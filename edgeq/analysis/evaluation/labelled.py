"""Labelled data for a model, with what its metric wants of the labels."""

from __future__ import annotations

from typing import Any

from edgeq.data import Dataset, DatasetOptions, Expected, open_dataset
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.graph import Graph
from edgeq.model.samples import expected_labels, sample_specs

_NUMERIC = ("regression", "multi-label", "segmentation", "detection")


def labelled_data(
    graph: Graph,
    data: Any,
    options: DatasetOptions | None = None,
    limit: int | None = None,
    metric: str = "classification",
) -> Dataset:
    """A labelled data set for a model, in real numbers.

    Data that has the integer type of a model input already is taken as it is, unless a
    normalization is asked for. Of a stream, a limit leaves the first samples: others do not follow
    each other.

    Raises:
        EdgeqError: The data does not fit the model, or names of classes do not fit the metric.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: at least one sample is needed.")
    options = options or DatasetOptions()
    expected = {
        "classification": expected_labels(graph), "anomaly": Expected(count=2),
    }.get(metric, Expected())  # fmt: skip
    dataset = open_dataset(
        data,
        sample_specs(graph),
        labelled=True,
        options=options,
        limit=limit,
        spread=not graph.is_stream,
        expected=expected,
    )
    if dataset.labels is None or dataset.labels.kind != "names":
        return dataset
    if metric == "anomaly" and not options.classes:
        raise EdgeqError(
            f"Which of {' and '.join(dataset.classes)} is the anomaly?",
            dataset.source.where,
            "--classes NORMAL,ANOMALY names them in this order",
        )
    if metric in _NUMERIC:
        raise EdgeqError(
            f"The labels are names ({', '.join(dataset.classes[:4])}, ...); the metric {metric} "
            "needs numbers.",
            dataset.source.where,
            "another --label, or --metric classification",
        )
    return dataset
