"""Structured pruning: whole channels go, so the network computes less."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeq.compress.channels import Groups, is_maker
from edgeq.compress.cost import Cost, estimate_cost
from edgeq.compress.network import Network, Step, read_network, rebuild
from edgeq.compress.objective import choose_objective
from edgeq.compress.result import Compression
from edgeq.compress.task import Task, Workspace, begin, share
from edgeq.compress.training import STRUCTURED_RATE, Training, predict
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.devices.base import Array
from edgeq.errors import EdgeqError

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
    kept, left = _choose(network, groups, importance, macs)
    result = _without_channels(work.original, network, groups, kept)
    work.fit(result)
    whole = estimate_cost(network, groups, {})
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
    tf, _ = import_tensorflow()
    model, samples = work.original, work.samples
    y = samples.y
    # Without labels, the loss is the distance to outputs moved a little.
    objective = choose_objective(model, y, work.training.loss)
    targets = objective.targets
    if targets is None:
        outputs = predict(model, samples)
        targets = outputs + np.random.default_rng(0).normal(0, 0.1 * outputs.std(), outputs.shape)
        targets = targets.astype(np.float32)
    _, loss = objective.with_teacher(None if y is not None else targets, float(y is None), 1.0)
    found = {group: np.zeros(groups.sizes[group]) for group in groups.free}
    makers = [step for step in network.steps if is_maker(step.layer)]
    weights = [weight for step in makers for weight in step.layer.trainable_weights]
    size = work.training.batch_size
    for start in range(0, min(len(samples), size * _BATCHES), size):
        x = [array[start : start + size] for array in samples.x]
        wanted = targets[start : start + size]
        wanted = wanted if y is not None else np.stack([wanted, wanted], axis=1)
        with tf.GradientTape() as tape:
            cost = loss(wanted, model(x[0] if len(x) == 1 else x, training=False))
        gradients = dict(
            zip(map(id, weights), tape.gradient(cost, [w.value for w in weights]), strict=True)
        )
        for step in makers:
            _add_importance(found, step, groups, gradients)
    return found


def _add_importance(
    found: dict[int, Array], step: Step, groups: Groups, gradients: Mapping[int, Any]
) -> None:
    (group,), _ = groups.of(step.outputs[0])
    if group not in found:
        return
    total = 0.0
    for weight in step.layer.trainable_weights:
        change = np.asarray(weight) * np.asarray(gradients[id(weight)])
        if change.ndim > 1 and step.kind == "Conv2DTranspose":
            change = np.swapaxes(change, -1, -2)
        total = total + change.reshape(-1, change.shape[-1]).sum(axis=0)
    found[group] += np.square(total)


def _choose(
    network: Network, groups: Groups, importance: Mapping[int, Array], macs: float
) -> tuple[dict[int, Array], Cost]:
    """Which channels of each group stay, and what the network costs then.

    Channels go where the least importance is lost for an instruction saved, until both limits are
    kept; then the most important of them come back as far as the limits allow.
    """
    ranked = {group: np.sort(values)[::-1] for group, values in importance.items()}
    sizes = {group: len(values) for group, values in importance.items()}
    whole = estimate_cost(network, groups, {})

    def cost(counts: Mapping[int, int]) -> Cost:
        return estimate_cost(network, groups, counts)

    def fits(counts: Mapping[int, int]) -> bool:
        now = cost(counts)
        share = 1 - _PAYS * (1 - macs)
        return now.macs <= macs * whole.macs and now.instructions <= share * whole.instructions

    def worth(group: int, fewer: Mapping[int, int], more: Mapping[int, int]) -> float:
        lost = ranked[group][fewer[group] : more[group]].sum()
        return float(lost / (cost(more).instructions - cost(fewer).instructions))

    counts = dict(sizes)
    while not fits(counts):
        steps = [(g, {**counts, g: n}) for g in counts if (n := _fewer(counts[g], sizes[g]))]
        if not steps:
            break
        counts = min(steps, key=lambda step: worth(step[0], step[1], counts))[1]
    while True:
        back = {g: min(n + _step(sizes[g]), sizes[g]) for g, n in counts.items() if n < sizes[g]}
        steps = [(g, more) for g, n in back.items() if fits(more := {**counts, g: n})]
        if not steps:
            break
        counts = max(steps, key=lambda step: worth(step[0], counts, step[1]))[1]
    kept = {
        group: np.sort(np.argsort(-values, kind="stable")[: counts[group]])
        for group, values in importance.items()
    }
    return kept, cost(counts)


def _step(size: int) -> int:
    """How many channels of a group go at a time."""
    return _MULTIPLE if size > _MULTIPLE else 1


def _fewer(count: int, size: int) -> int:
    """The next smaller count of a group of this size; 0 where too few would be left."""
    step = _step(size)
    count = (count - 1) // step * step
    return count if count >= max(step, size * _AT_LEAST) else 0


def _without_channels(
    model: Any, network: Network, groups: Groups, kept: Mapping[int, Array]
) -> Any:
    """A copy of the model with only the channels that stay."""
    steps = {id(step.layer): step for step in network.steps}

    def positions(tensor: int) -> Array:
        """Places along the tensor's last axis that stay."""
        found, repeats = groups.of(tensor)
        places, start = [], 0
        for group in found:
            size = groups.sizes[group]
            places.append(start + kept.get(group, np.arange(size)))
            start += size
        once = np.concatenate(places)
        return np.concatenate([once + start * turn for turn in range(repeats)])

    def replace(layer: Any, shape: tuple[int | None, ...]) -> Any:
        if not layer.weights:
            return None
        step = steps[id(layer)]
        inside, outside = positions(step.inputs[0]), positions(step.outputs[0])
        if len(inside) == (shape[-1] or 0) and len(outside) == (step.output_shape[-1] or 0):
            return None
        config = layer.get_config()
        for width in ("units", "filters"):
            if width in config:
                config[width] = len(outside)
        new = type(layer).from_config(config)
        new.build((*shape[:-1], len(inside)))
        new.set_weights([_cut(step, w, inside, outside) for w in layer.get_weights()])
        return new

    return rebuild(model, replace)


def _cut(step: Step, weight: Array, inside: Array, outside: Array) -> Array:
    """The part of a weight tensor that belongs to the channels that stay."""
    if weight.ndim == 1:
        return weight[outside]
    if step.kind.startswith("Depthwise"):
        return weight[..., inside, :]
    if step.kind == "Conv2DTranspose":
        return weight[..., inside][..., outside, :]
    return weight[..., inside, :][..., outside]


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
