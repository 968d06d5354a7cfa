"""A network without some of its channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeq.compress.channels import Groups, is_maker, is_reader
from edgeq.compress.network import Network, Step, rebuild
from edgeq.support.array import Array


def without_channels(
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
        reshapes = hasattr(layer, "target_shape")
        if not getattr(layer, "weights", None) and not reshapes:
            return None
        step = steps[id(layer)]
        inside, outside = positions(step.inputs[0]), positions(step.outputs[0])
        if len(inside) == (shape[-1] or 0) and len(outside) == (step.output_shape[-1] or 0):
            return None
        config = layer.get_config()
        for width in ("units", "filters"):
            if width in config and is_maker(layer):
                config[width] = len(outside)
        if reshapes:
            config["target_shape"] = (*step.output_shape[1:-1], len(outside))
            return type(layer).from_config(config)
        new = type(layer).from_config(config)
        new.build((*shape[:-1], len(inside)))
        new.set_weights([_cut(step, w, inside, outside) for w in layer.weights])
        return new

    return rebuild(model, replace)


def _cut(step: Step, variable: Any, inside: Array, outside: Array) -> Array:
    """The part of a weight tensor that belongs to the channels that stay."""
    weight: Array = np.asarray(variable)
    if is_reader(step.layer):
        return weight[inside] if variable.name == "kernel" else weight
    if step.kind == "PReLU" and weight.shape[-1] == 1:
        return weight
    if weight.ndim == 1:
        return weight[outside]
    if step.kind.startswith("Depthwise") or variable.name == "depthwise_kernel":
        return weight[..., inside, :]
    if not is_maker(step.layer):  # PReLU
        return weight[..., outside]
    if variable.name == "pointwise_kernel":
        times = step.layer.depth_multiplier
        rows = (inside[:, None] * times + np.arange(times)).ravel()
        return weight[..., rows, :][..., outside]
    if step.kind.endswith("Transpose"):
        return weight[..., inside][..., outside, :]
    return weight[..., inside, :][..., outside]
