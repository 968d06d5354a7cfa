"""Masks of attention: "minus infinity" becomes a number that an integer range can bear.

Layers mask by adding or choosing -1e9 or the lowest float before a softmax. A range that holds
such a number has no room for the values that count. A softmax does not tell it from a number that
lies some way below all others.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeq.conversion.flatbuffer import add_constant, indices
from edgeq.conversion.float_model import FloatModel
from edgeq.model.arrays import dequantize
from edgeq.model.graph import Graph, Op, Tensor
from edgeq.support.array import Array

_INFINITE = 1e8
_MASKS = frozenset({"ADD", "SUB", "SELECT", "SELECT_V2"})


def clip_masks(model: FloatModel) -> FloatModel:
    """The model with its masks' constants at most 1e8 large, which is as good to a softmax.

    The lowest float and infinity would spoil calibration. The model itself where there are none.
    """
    found: dict[tuple[int, int], Array] = {}
    for op in model.graph.main.ops:
        for position, index in enumerate(op.inputs if op.name in _MASKS else ()):
            mask = model.graph.main.tensors[index]
            if mask.data is not None and _is_mask(mask):
                found[op.index, position] = np.clip(mask.data, -_INFINITE, _INFINITE)
    return with_masks(model, found)


def bound_masks(
    model: FloatModel, ranges: Mapping[str, tuple[float, float]], levels: int
) -> FloatModel:
    """The model with its masks' constants bounded; the model itself where there are none.

    Args:
        model: The float model.
        ranges: From calibration.
        levels: Integers that an activation can take; a masked share must be less than one.
    """
    margin = margin_below(levels)
    found: dict[tuple[int, int], Array] = {}
    for op in model.graph.main.ops:
        if op.name in _MASKS:
            found.update(_bounded(model.graph, op, ranges, margin))
    return with_masks(model, found)


def margin_below(levels: int) -> float:
    """How far below all others a value lies whose share of a softmax is less than one level."""
    return float(np.log(levels)) + 2


def like_masks(model: FloatModel, integer: Graph, ops: Mapping[int, Op]) -> FloatModel:
    """The model with its masks' constants as an integer model has them; itself if it has none.

    Args:
        model: The float model.
        integer: The integer model.
        ops: Its ops by the numbers of the float ops that they stand for.
    """
    found: dict[tuple[int, int], Array] = {}
    for op in model.graph.main.ops:
        other = ops.get(op.index)
        if op.name not in _MASKS or other is None or other.name != op.name:
            continue
        for position, (ours, theirs) in enumerate(zip(op.inputs, other.inputs, strict=True)):
            mask, bounded = model.graph.main.tensors[ours], integer.main.tensors[theirs]
            values = values_as_in(bounded, mask) if _is_mask(mask) else None
            if mask.data is not None and values is not None:
                far = np.abs(mask.data) >= _INFINITE
                found[op.index, position] = np.where(far, values, mask.data).astype(np.float32)
    return with_masks(model, found)


def values_as_in(integer: Tensor, real: Tensor) -> Array | None:
    """What an integer constant says of a float one; None where it does not stand for it."""
    if real.data is None or integer.data is None or integer.quantization is None:
        return None
    if integer.elements != real.elements:
        return None
    return dequantize(integer.data, integer).reshape(real.shape)


def _is_mask(tensor: Tensor) -> bool:
    return (
        tensor.dtype == "float32"
        and tensor.data is not None
        and bool((np.abs(tensor.data) >= _INFINITE).any())
    )


def with_masks(model: FloatModel, found: Mapping[tuple[int, int], Array]) -> FloatModel:
    """The model with other constants, by the op's number and the position of the input.

    The model itself where there are none.
    """
    if not found:
        return model
    network = model.network()
    graph = network.graph
    for (number, position), values in found.items():
        op = graph.operators[number]
        inputs = indices(op.inputs)
        # A copy, since another op may read the same constant.
        tensor = type(graph.tensors[inputs[position]])()
        tensor.__dict__.update(vars(graph.tensors[inputs[position]]))
        tensor.name = f"{tensor.name.decode()}/mask_{number}".encode()
        tensor.buffer = add_constant(network.model, values)
        graph.tensors.append(tensor)
        inputs[position] = len(graph.tensors) - 1
        op.inputs = inputs
    return model.remade(network)


def _bounded(
    graph: Graph, op: Op, ranges: Mapping[str, tuple[float, float]], margin: float
) -> dict[tuple[int, int], Array]:
    """New values of an op's mask, by the op's number and the position of the input."""
    tensors = [graph.main.tensors[index] for index in op.inputs]
    values = [tensor for tensor in tensors if tensor.dtype == "float32"]
    masks = [tensor for tensor in values if _is_mask(tensor)]
    others = [t for t in values if t not in masks and t.name in ranges]
    if len(masks) != 1 or len(others) != 1:
        return {}
    low, high = ranges[others[0].name]
    mask = masks[0].data
    if mask is None or not max(-low, high) < _INFINITE:
        return {}
    if op.name in ("ADD", "SUB"):  # leads from the highest value to below the lowest
        far = np.sign(mask) * (high - low + margin)
    else:
        far = np.where(mask > 0, high + margin, low - margin)
    bounded = np.where(np.abs(mask) >= _INFINITE, far, mask).astype(np.float32)
    return {(op.index, tensors.index(masks[0])): bounded}
