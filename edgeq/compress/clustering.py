"""Weight sharing: each layer's weights take one of a few values."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.compress.folding import fold_batch_norm
from edgeq.compress.kernels import Kernel, untouched, variable
from edgeq.compress.result import Compression
from edgeq.compress.rules import Rule, Shared, with_rules, without_rules
from edgeq.compress.task import Task, begin
from edgeq.compress.training import Training
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.array import Array

_ROUNDS = 30


def cluster(model: Any, task: Task, *, clusters: int = 16) -> Compression:
    """A model whose kernels hold few different values each.

    BatchNormalization is folded first, since it would pull the values apart again. Zeros of a
    pruned model stay zero, on top of the other values.

    Args:
        model: A `.keras` or `.h5` file, or a keras.Model.
        task: What it is for.
        clusters: Values per kernel, 2 to 256.

    Raises:
        EdgeqError: The model is not trained or cannot be followed, data does not fit, or NaN.
    """
    if not 2 <= clusters <= 256:
        raise UsageError(f"clusters {clusters}: 2 to 256 are possible.")
    work = begin(model, task, Training(epochs=5, teach=0.5))
    layers: dict[str, int] = {}

    def rules(layer: Any, kernel: Kernel) -> list[Rule]:
        weights = np.asarray(variable(layer, kernel))
        if weights.size <= 4 * clusters or not weights.any():
            return []
        values, numbers = share_weights(weights, clusters)
        layers[layer.name] = max(len(values), layers.get(layer.name, 0))
        return [Shared(values, numbers)]

    prepared = with_rules(fold_batch_norm(work.original), rules)
    if not layers:
        raise EdgeqError(
            f"No layer has weights to share: more than {4 * clusters} in one kernel.",
            work.original.name,
            "fewer --clusters",
        )
    work.fit(prepared)
    details = {"clusters": clusters, "values": layers, "epochs": work.training.epochs}
    advice = "Convert with --scheme int8-per-tensor, which keeps shared values shared."
    warnings = (advice, *untouched(work.original))
    return work.result("cluster", without_rules(prepared), details, warnings=warnings)


def share_weights(weights: Array, clusters: int) -> tuple[Array, Array]:
    """Values that stand for all weights, and which of them each weight gets.

    One-dimensional k-means from quantiles. Where weights are zero already, zero is a value more.
    """
    flat = weights.ravel()
    kept = flat[flat != 0]
    values = np.unique(np.quantile(kept, np.linspace(0, 1, clusters)))
    for _ in range(_ROUNDS):
        numbers = _nearest(values, kept)
        sums = np.bincount(numbers, kept, len(values))
        counts = np.bincount(numbers, minlength=len(values))
        moved = np.where(counts > 0, sums / np.maximum(counts, 1), values)
        if np.allclose(moved, values):
            break
        values = np.sort(moved)
    zeros = float(np.mean(flat == 0))
    if zeros:
        values = np.sort(np.append(values, 0.0))
    numbers = _nearest(values, flat)
    numbers[flat == 0] = np.searchsorted(values, 0.0) if zeros else numbers[flat == 0]
    return values.astype(np.float32), numbers.reshape(weights.shape)


def _nearest(values: Array, of: Array) -> Array:
    """The number of the nearest of some sorted values."""
    middles = (values[1:] + values[:-1]) / 2
    return np.searchsorted(middles, of)
