"""BatchNormalization folded into the layer before it, as every converter does."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.compress.network import read_network, rebuild
from edgeq.conversion.layer_kinds import activation_of, kind_of
from edgeq.support.array import Array

_FOLDABLE = frozenset(
    {"Dense", "Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D",
     "SeparableConv2D", "Conv2DTranspose"}
)  # fmt: skip


def fold_batch_norm(model: Any) -> Any:
    """A copy of a flat model without the BatchNormalization layers that follow a linear layer.

    A normalization stays where the layer before is shared, read by others too, or not linear, and
    where it is one of rows rather than channels.
    """
    network = read_network(model)
    norms: dict[int, Any] = {}
    for step in network.steps:
        reader = network.only_reader(step)
        if (
            step.kind in _FOLDABLE
            and reader is not None
            and reader.kind == "BatchNormalization"
            and reader.layer.axis in (-1, len(reader.input_shape) - 1)
            and activation_of(step.layer) == "linear"
            and network.calls(step.layer) == network.calls(reader.layer) == 1
        ):
            norms[id(step.layer)] = reader.layer
    gone = {id(norm) for norm in norms.values()}

    def replace(layer: Any, shape: tuple[int | None, ...]) -> Any:
        if id(layer) in gone:
            return _same
        return _folded(layer, norms[id(layer)], shape) if id(layer) in norms else None

    return rebuild(model, replace)


def _same(value: Any) -> Any:
    return value


def _folded(layer: Any, norm: Any, shape: tuple[int | None, ...]) -> Any:
    """The layer with the normalization's scale in its weights and its offset in its bias."""
    factor, offset = _affine(norm)
    new = type(layer).from_config({**layer.get_config(), "use_bias": True})
    new.build(shape)
    *kernels, last = layer.get_weights()[: -1 if layer.use_bias else None]
    bias = layer.get_weights()[-1] if layer.use_bias else np.zeros_like(factor)
    if kind_of(layer) == "Conv2DTranspose":
        last = last * factor[:, None]
    elif kind_of(layer).startswith("Depthwise"):
        last = last * factor.reshape(last.shape[-2:])
    else:
        last = last * factor
    new.set_weights([*kernels, last, bias * factor + offset])
    return new


def _affine(norm: Any) -> tuple[Array, Array]:
    """What the normalization does at inference: y = factor * x + offset."""
    mean, variance = np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)
    factor = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        factor = factor * np.asarray(norm.gamma)
    offset = -mean * factor
    if norm.center:
        offset = offset + np.asarray(norm.beta)
    return factor, offset
