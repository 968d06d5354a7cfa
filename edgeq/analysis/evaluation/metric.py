"""The metric of a name: edgeq's, or a function of the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeq.data.generator import import_function
from edgeq.errors import EdgeqError, UsageError
from edgeq.metrics.base import Samples, Score
from edgeq.metrics.table import METRICS
from edgeq.support.array import Array

_FIELDS = frozenset((
    "edgeq", "model", "device", "n", "metric", "larger_is_better", "confidence", "interval",
    "intervals", "classes", "outputs", "understood", "also_on", "against", "warnings", "data",
))  # fmt: skip
"""Of the JSON of an evaluation, beside the figures of its metric."""


def find_metric(name: str) -> Any:
    """The function from Samples to Score behind a metric's name.

    Raises:
        UsageError: There is no such metric.
    """
    if name in METRICS:
        return METRICS[name]
    if ":" not in name:
        raise UsageError(
            f"'{name}' is no metric.", hint=f"{', '.join(METRICS)}, or your own as module:function"
        )
    function: Any = import_function(name)

    def compute(samples: Samples) -> Score:
        outputs = samples.outputs[0] if len(samples.outputs) == 1 else list(samples.outputs)
        try:
            found = function(outputs, samples.labels)
        except (Exception, SystemExit) as error:
            raise EdgeqError(
                f"The metric failed: {type(error).__name__}: {error}",
                f"{name}, with outputs of shape {_shapes(samples.outputs)} and labels of shape "
                f"{samples.labels.shape}",
            ) from error
        called = getattr(function, "__name__", name.rpartition(":")[2])
        figures = dict(found) if isinstance(found, Mapping) else {called: found}
        try:
            numbers = {str(key): float(value) for key, value in figures.items()}
            headline = next(iter(numbers))
        except (TypeError, ValueError, StopIteration):
            raise EdgeqError(
                f"the metric returned {found!r}; a number or a dict of numbers is wanted.", name
            ) from None
        except OverflowError:
            raise EdgeqError("the metric returned a number that no float holds.", name) from None
        if not np.isfinite(list(numbers.values())).all():
            raise EdgeqError(f"the metric returned {found!r}, which is no finite number.", name)
        if taken := sorted(_FIELDS & numbers.keys()):
            what = f"the metric returned '{taken[0]}', which names another part of a result."
            raise EdgeqError(what, name, "give the figure another name")
        better = bool(getattr(function, "larger_is_better", True))
        return Score(headline, numbers.pop(headline), better, numbers)

    return compute


def _shapes(outputs: Sequence[Array]) -> str:
    return ", ".join(str(output.shape) for output in outputs)
