"""Magnitude pruning: small weights become zero, and the others learn to do without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from edgeq.compress.kernels import Kernel, as_matrix, from_matrix, untouched, variable
from edgeq.compress.result import Compression
from edgeq.compress.rules import Masked, Rule, with_rules, without_rules
from edgeq.compress.task import Task, Workspace, begin, share
from edgeq.compress.training import Training
from edgeq.errors import EdgeqError
from edgeq.support.array import Array

# Zeros come in steps, so that the network can adapt; the last step gets half of the epochs.
_STEPS = (0.5, 0.8, 1.0)
_SMALL = 64
_USUALLY = Training(epochs=20, teach=0.5)
# Inputs and outputs of a block that the C leaves out when it is zero.
BLOCK = 4


def prune(model: Any, task: Task, *, sparsity: float = 0.5) -> Compression:
    """A model in which the smallest weights of every kernel are zero.

    The file becomes smaller when compressed; flash and latency do not change, see `prune_blocks`
    and `prune_channels`.

    Args:
        model: A `.keras` or `.h5` file, or a keras.Model.
        task: What it is for.
        sparsity: Share of zeros in each kernel.

    Raises:
        EdgeqError: The model is not trained or cannot be followed, data does not fit, or NaN.
    """
    return _gradually(model, task, sparsity, smallest, {})


def prune_2_of_4(model: Any, task: Task) -> Compression:
    """A model in which two of every four weights in a row are zero.

    A row runs along the inputs of one output channel, in the order of the .tflite file.

    Args:
        model: A `.keras` or `.h5` file, or a keras.Model.
        task: What it is for.

    Raises:
        EdgeqError: The model is not trained or cannot be followed, data does not fit, or NaN.
    """
    work = begin(model, task, _USUALLY)

    def mask(weights: Array, kernel: Kernel) -> Array:
        return from_matrix(two_of_four(as_matrix(weights, kernel)), weights, kernel)

    pruned = _pruned(work, work.original, mask, work.training.epochs)
    details = {"pattern": "2:4", "zeros": _zeros(pruned), "epochs": work.training.epochs}
    return work.result("prune", pruned, details, warnings=untouched(work.original))


def prune_blocks(model: Any, task: Task, *, sparsity: float = 0.5) -> Compression:
    """A model in which whole blocks of 4 inputs by 4 outputs are zero, which C need not store.

    `edgeq compile` leaves zero blocks out where that saves flash and instructions.

    Args:
        model: A `.keras` or `.h5` file, or a keras.Model.
        task: What it is for.
        sparsity: Share of zero blocks in each dense or convolution kernel.

    Raises:
        EdgeqError: The model is not trained or cannot be followed, data does not fit, or NaN.
    """
    return _gradually(model, task, sparsity, largest_blocks, {"block": "4x4"})


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
    """Where the two largest of every four weights of an output channel are.

    Args:
        weights: (..., outputs).
    """
    rows = weights.reshape(-1, weights.shape[-1]).T
    padded = np.pad(np.abs(rows), ((0, 0), (0, -rows.shape[1] % 4)), constant_values=-1.0)
    fours = padded.reshape(len(rows), -1, 4)
    order = np.argsort(np.argsort(-fours, axis=-1, kind="stable"), axis=-1)
    kept = (order < 2).reshape(len(rows), -1)[:, : rows.shape[1]]
    mask: Array = kept.T.reshape(weights.shape)
    return mask


def largest_blocks(weights: Array, share: float) -> Array:
    """Where the blocks are that stay: all but the given share of those of the smallest weights.

    A block is 4 inputs by 4 outputs at one place of the kernel, as the kernels in C read it. Its
    mean square counts: by the sum, the last outputs of a layer, in blocks that the edge cuts off,
    would lose all their weights first.

    Args:
        weights: (..., inputs, outputs).
        share: Of the blocks.
    """
    inputs, outputs = weights.shape[-2:]
    squares = np.square(weights.reshape(-1, inputs, outputs), dtype=np.float64)
    filling = ((0, 0), (0, -inputs % BLOCK), (0, -outputs % BLOCK))
    padded = np.pad(squares, filling, constant_values=np.nan)
    rows, columns = padded.shape[1] // BLOCK, padded.shape[2] // BLOCK
    means = np.nanmean(padded.reshape(-1, rows, BLOCK, columns, BLOCK), axis=(2, 4))
    kept = smallest(means, share).repeat(BLOCK, axis=1).repeat(BLOCK, axis=2)
    mask: Array = kept[:, :inputs, :outputs].reshape(weights.shape)
    return mask


def _has_blocks(kernel: Kernel, weights: Array) -> bool:
    """Whether blocks of this kernel are those that the C would store."""
    if kernel.dense:
        return weights.ndim == 2
    return kernel.op == "CONV_2D" and (
        weights.size == weights.shape[-2] * weights.shape[-1] or weights.shape[-2] % BLOCK == 0
    )


def _gradually(
    model: Any,
    task: Task,
    sparsity: float,
    mask: Callable[[Array, float], Array],
    pattern: dict[str, str],
) -> Compression:
    """The model pruned in steps, trained after each of them."""
    share(sparsity, "sparsity")
    work = begin(model, task, _USUALLY)
    steps = [sparsity * step for step in _STEPS] if work.training.epochs >= 4 else [sparsity]
    pruned = work.original
    for number, part in enumerate(steps, 1):
        epochs = _epochs(work.training.epochs, number, len(steps))

        def masked(weights: Array, kernel: Kernel, part: float = part) -> Array:  # noqa: ARG001
            return mask(weights, part)

        pruned = _pruned(work, pruned, masked, epochs, blocks=bool(pattern))
    details = {
        **pattern,
        "sparsity": sparsity,
        "zeros": _zeros(pruned),
        "epochs": work.training.epochs,
    }
    warnings = untouched(work.original)
    if not details["zeros"]:
        warnings = ("Nothing is zero: the sparsity is too low.", *warnings)
    return work.result("prune", pruned, details, warnings=warnings)


def _pruned(
    work: Workspace,
    model: Any,
    mask: Callable[[Array, Kernel], Array],
    epochs: int,
    *,
    blocks: bool = False,
) -> Any:
    """The model with its kernels masked and trained; `blocks`: those that consist of blocks."""

    def rules(layer: Any, kernel: Kernel) -> list[Rule]:
        weights = np.asarray(variable(layer, kernel))
        if kernel.depthwise or weights.size < _SMALL:
            return []
        if blocks and not _has_blocks(kernel, weights):
            return []
        found.append(layer)
        return [Masked(mask(weights, kernel))]

    found: list[Any] = []
    prepared = with_rules(model, rules)
    if not found:
        kind = "with blocks of 4x4 " if blocks else ""
        raise EdgeqError(
            f"No layer {kind}has weights to prune: {_SMALL} and more, other than depthwise ones.",
            work.original.name,
        )
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
