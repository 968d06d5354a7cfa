"""Structured pruning: whole channels go, so the network computes less."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeq.compress.channels import Groups, is_maker
from edgeq.compress.cost import Cost, Costs
from edgeq.compress.cutting import without_channels
from edgeq.compress.network import Network, Step, read_network
from edgeq.compress.objective import choose_objective
from edgeq.compress.result import Compression
from edgeq.compress.task import Task, Workspace, begin, share
from edgeq.compress.training import STRUCTURED_RATE, Training, plain, predict_all
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.errors import EdgeqError
from edgeq.support.array import Array

# Kernels work on four channels at a time.
_MULTIPLE = 4
_BATCHES = 16
# Instructions fall at least by this much of what the multiply-accumulates must fall by: where only
# the cheap ones went, latency would stay.
_PAYS = 0.86
# Share of a group's channels that stay in any case.
_AT_LEAST = 0.25


def prune_channels(model: Any, task: Task, *, macs: float = 0.5) -> Compression:
    """A model with fewer channels, the least important ones removed, trained to make up for it.

    Importance is what the loss is expected to change without the channel's weights (first-order
    Taylor, squared and summed over batches). Channels go where that is small for the Cortex-M4
    instructions saved, so latency falls nearly as much as the multiply-accumulates do.

    Source: "Importance Estimation for Neural Network Pruning", Molchanov et al., 2019.

    Args:
        model: A `.keras` or `.h5` file, or a keras.Model.
        task: What it is for.
        macs: Share of the multiply-accumulates to keep, at most.

    Raises:
        EdgeqError: Nothing can be removed without touching inputs or outputs; or as the others.
    """
    share(macs, "macs")
    work = begin(model, task, Training(epochs=20, learning_rate=STRUCTURED_RATE, teach=0.5))
    network = read_network(work.original)
    groups = Groups(network)
    if not groups.free:
        raise EdgeqError(
            "No channels can be removed: all are read by outputs or by layers that edgeq does "
            "not know.",
            work.original.name,
            "edgeq compress prune without --structured, or factorize",
        )
    importance = _importance(work, network, groups)
    costs = Costs(network, groups)
    kept, left = _choose(costs, importance, macs)
    result = without_channels(work.original, network, groups, kept)
    work.fit(result)
    whole = costs.of({})
    details = {
        "macs_before": whole.macs,
        "macs_after": left.macs,
        "instructions_share": round(left.instructions / whole.instructions, 3),
        "channels": _channels_left(network, groups, kept),
        "epochs": work.training.epochs,
    }
    warnings: tuple[str, ...] = ()
    if left.macs > macs * whole.macs:
        part = 1 - left.macs / whole.macs
        warnings = (f"Only {part:.0%} of the multiply-accumulates could be removed.",)
    return work.result("prune", result, details, warnings=warnings)


def _importance(work: Workspace, network: Network, groups: Groups) -> dict[int, Array]:
    """Importance of each channel of each free group."""
    tf, keras = import_tensorflow()
    model, samples = work.original, work.samples
    goals = _goals(work)
    predicting = plain(model)
    found = {group: np.zeros(groups.sizes[group]) for group in groups.free}
    makers = [step for step in network.steps if is_maker(step.layer)]
    weights = [weight for step in makers for weight in step.layer.trainable_weights]
    for rows in _spread(len(samples), work.training.batch_size):
        x = [array[rows] for array in samples.x]
        with tf.GradientTape() as tape:
            outputs = keras.tree.flatten(predicting(x, training=False))
            cost = sum(
                loss(targets[rows], output)
                for (targets, loss), output in zip(goals, outputs, strict=True)
            )
        gradients = dict(
            zip(map(id, weights), tape.gradient(cost, [w.value for w in weights]), strict=True)
        )
        for step in makers:
            _add_importance(found, step, groups, gradients)
    return found


def _spread(samples: int, size: int) -> list[Array]:
    """Numbers of the samples in each batch, from all over the set: folders are sorted by class."""
    batches = min(-(-samples // size), _BATCHES)
    count = min(samples, size * batches)
    rows = np.arange(count) * samples // count
    return [rows[first::batches] for first in range(batches)]


def _goals(work: Workspace) -> list[tuple[Array, Any]]:
    """Targets and loss of every output; without labels, the distance to outputs moved a little."""
    model, samples = work.original, work.samples
    if samples.y is not None:
        objective = choose_objective(model, samples.y, work.training.loss, outputs=work.outputs)
        return [objective.with_teacher(None, 0.0, 1.0)]
    goals = []
    for number, outputs in enumerate(predict_all(model, samples)):
        moved = np.random.default_rng(0).normal(0, 0.1 * outputs.std(), outputs.shape)
        objective = choose_objective(model, None, work.training.loss, number)
        goals.append(objective.with_teacher((outputs + moved).astype(np.float32), 1.0, 1.0))
    return goals


def _add_importance(
    found: dict[int, Array], step: Step, groups: Groups, gradients: Mapping[int, Any]
) -> None:
    (group,), _ = groups.of(step.outputs[0])
    if group not in found:
        return
    total = 0.0
    for weight in step.layer.trainable_weights:
        if weight.name == "depthwise_kernel":  # of the input's channels
            continue
        change = np.asarray(weight) * np.asarray(gradients[id(weight)])
        if change.ndim > 1 and step.kind.endswith("Transpose"):
            change = np.swapaxes(change, -1, -2)
        total = total + change.reshape(-1, change.shape[-1]).sum(axis=0)
    found[group] += np.square(total)


def _choose(
    costs: Costs, importance: Mapping[int, Array], macs: float
) -> tuple[dict[int, Array], Cost]:
    """Which channels of each group stay, and what the network costs then.

    Channels go where the least importance is lost for an instruction saved, until both limits are
    kept; then the most important of them come back as far as the limits allow.
    """
    ranked = {group: np.sort(values)[::-1] for group, values in importance.items()}
    sizes = {group: len(values) for group, values in importance.items()}
    whole = costs.of({})

    def fits(now: Cost) -> bool:
        share = 1 - _PAYS * (1 - macs)
        return now.macs <= macs * whole.macs and now.instructions <= share * whole.instructions

    def worth(step: tuple[int, int, Cost]) -> float:
        group, count, change = step
        fewer, more = sorted((count, counts[group]))
        return float(ranked[group][fewer:more].sum() / abs(change.instructions))

    counts, now = dict(sizes), whole
    while not fits(now):
        steps = [
            (g, n, costs.change(counts, g, n)) for g in counts if (n := _fewer(counts[g], sizes[g]))
        ]
        if not steps:
            break
        group, count, change = min(steps, key=worth)
        counts[group], now = count, now + change
    while True:
        back = {g: min(n + _step(sizes[g]), sizes[g]) for g, n in counts.items() if n < sizes[g]}
        steps = [
            (g, n, change)
            for g, n in back.items()
            if fits(now + (change := costs.change(counts, g, n)))
        ]
        if not steps:
            break
        group, count, change = max(steps, key=worth)
        counts[group], now = count, now + change
    kept = {
        group: np.sort(np.argsort(-values, kind="stable")[: counts[group]])
        for group, values in importance.items()
    }
    return kept, costs.of(counts)


def _step(size: int) -> int:
    """How many channels of a group go at a time."""
    return _MULTIPLE if size > _MULTIPLE else 1


def _fewer(count: int, size: int) -> int:
    """The next smaller count of a group of this size; 0 where too few would be left."""
    step = _step(size)
    count = (count - 1) // step * step
    return count if count >= max(step, size * _AT_LEAST) else 0


def _channels_left(
    network: Network, groups: Groups, kept: Mapping[int, Array]
) -> dict[str, list[int]]:
    """Channels before and after, by the layer that makes them."""
    found = {}
    for step in network.steps:
        if is_maker(step.layer):
            (group,), _ = groups.of(step.outputs[0])
            if group in kept:
                found[step.layer.name] = [groups.sizes[group], len(kept[group])]
    return found
