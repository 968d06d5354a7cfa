"""Magnitude pruning: small weights become zero, and the others learn to do without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from edgeq.compress.kernels import Kernel, variable
from edgeq.compress.result import Compression
from edgeq.compress.rules import Masked, Rule, with_rules, without_rules
from edgeq.compress.task import Task, Workspace, begin, share
from edgeq.compress.training import Training
from edgeq.devices.base import Array

# Zeros come in steps, so that the network can adapt; the last step gets half of the epochs.
_STEPS = (0.5, 0.8, 1.0)
_SMALL = 64


def prune(model: Any, task: Task, *, sparsity: float = 0.5) -> Compression:
    """A model in which the smallest weights of every kernel are zero.

    The file becomes smaller when compressed; latency does not change, see `prune_channels`.

    Args:
        model: A `.keras` or `.h5` file, or a keras.Model.
        task: What it is for.
        sparsity: Share of zeros in each kernel.

    Raises:
        EdgeqError: The model is not trained or cannot be followed, data does not fit, or NaN.
    """
    share(sparsity, "sparsity")
    work = begin(model, task, Training(epochs=8, teach=0.5))
    steps = [sparsity * step for step in _STEPS] if work.training.epochs >= 4 else [sparsity]
    pruned = work.original
    for number, part in enumerate(steps, 1):
        epochs = _epochs(work.training.epochs, number, len(steps))
        pruned = _pruned(work, pruned, partial(smallest, share=part), epochs)
    details = {"sparsity": sparsity, "zeros": _zeros(pruned), "epochs": work.training.epochs}
    return work.result("prune", pruned, details)


def prune_2_of_4(model: Any, task: Task) -> Compression:
    """A model in which two of every four weights in a row are zero.

    A row runs along the inputs of one output channel, in the order of the .tflite file.

    Args:
        model: A `.keras` or `.h5` file, or a keras.Model.
        task: What it is for.

    Raises:
        EdgeqError: The model is not trained or cannot be followed, data does not fit, or NaN.
    """
    work = begin(model, task, Training(epochs=8, teach=0.5))
    pruned = _pruned(work, work.original, two_of_four, work.training.epochs)
    details = {"pattern": "2:4", "zeros": _zeros(pruned), "epochs": work.training.epochs}
    return work.result("prune", pruned, details)


def smallest(weights: Array, share: float) -> Array:
    """Where the weights are that stay: all but the given share of the smallest."""
    count = int(weights.size * share)
    if not count:
        return np.ones(weights.shape, bool)
    order = np.argsort(np.abs(weights), axis=None, kind="stable")
    kept = np.ones(weights.size, bool)
    kept[order[:count]] = False
    return kept.reshape(weights.shape)


def two_of_four(weights: Array) -> Array:
    """Where the two largest of every four weights of an output channel are."""
    rows = weights.reshape(-1, weights.shape[-1]).T
    padded = np.pad(np.abs(rows), ((0, 0), (0, -rows.shape[1] % 4)), constant_values=-1.0)
    fours = padded.reshape(len(rows), -1, 4)
    order = np.argsort(np.argsort(-fours, axis=-1, kind="stable"), axis=-1)
    kept = (order < 2).reshape(len(rows), -1)[:, : rows.shape[1]]
    mask: Array = kept.T.reshape(weights.shape)
    return mask


def _pruned(work: Workspace, model: Any, mask: Callable[[Array], Array], epochs: int) -> Any:
    """The model with its kernels masked and trained."""

    def rules(layer: Any, kernel: Kernel) -> list[Rule]:
        weights = np.asarray(variable(layer, kernel))
        if kernel.depthwise or weights.size < _SMALL:
            return []
        return [Masked(mask(weights))]

    prepared = with_rules(model, rules)
    work.fit(prepared, replace(work.training, epochs=epochs))
    return without_rules(prepared)


def _epochs(total: int, number: int, steps: int) -> int:
    """Epochs of one step: half of them for the last."""
    if number == steps:
        return total - (steps - 1) * (total // (2 * max(steps - 1, 1)))
    return total // (2 * (steps - 1))


def _zeros(model: Any) -> dict[str, float]:
    """Share of zeros in each layer that has any."""
    found = {}
    for layer in model.layers:
        kernels = [w for w in layer.get_weights() if w.ndim > 1]
        zeros = max((float(np.mean(w == 0)) for w in kernels), default=0.0)
        if zeros:
            found[layer.name] = zeros
    return found
