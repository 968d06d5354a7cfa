"""Channels that always hold the same value are left out, with all that is computed for them.

Training leaves channels whose weights are zero, or whose sums stay below a RELU: their value is
known when compiling. Where every reader of such a channel can do without it (what it adds to a
convolution goes into the bias), it is neither computed nor stored nor multiplied. The outputs of
the model stay what they are, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import Isa, Node, Unsupported
from edgeq.compiler.ops.shared.quantized import (
    check_accumulator,
    clamp,
    effective_scales,
    layer_bias,
)
from edgeq.compiler.ops.shared.windows import VALID
from edgeq.compiler.plan.flatten import Flat, Mark
from edgeq.model.fixedpoint import multiply_by_quantized_multiplier, quantize_multipliers
from edgeq.model.graph import Op, Subgraph, Tensor

_DENSE, _DEPTHWISE = "CONV_2D", "DEPTHWISE_CONV_2D"
# Kernels take channels by fours; those of vectors by sixteens.
_UNIT, _VECTOR_UNIT = 4, 16


@dataclass(frozen=True, eq=False)
class _Layer:
    """A convolution, or a depthwise one with one output of each channel.

    Attributes:
        weights: int64 (outputs, places, inputs), or (outputs, places, 1) if depthwise.
        bias: int64 (outputs,).
        padded: Whether a window may reach over the border, where a channel is the zero point.
    """

    op: Op
    node: Node
    weights: NDArray[np.int64]
    bias: NDArray[np.int64]
    padded: bool

    @property
    def depthwise(self) -> bool:
        return self.op.name == _DEPTHWISE

    @property
    def source(self) -> int:
        return self.op.inputs[0]

    @property
    def result(self) -> int:
        return self.op.outputs[0]


@dataclass(eq=False)
class _Known:
    """What is known of the channels of tensors, by index.

    Attributes:
        same: Which channels always hold the same value.
        values: That value.
    """

    same: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    values: dict[int, NDArray[np.int64]] = field(default_factory=dict)

    def spared(self, layer: _Layer) -> NDArray[np.bool_]:
        """The input channels that a layer can do without: what they add is known."""
        source = layer.node.input(0)
        if layer.source not in self.same:
            return np.zeros(source.shape[-1], bool)
        found = self.same[layer.source]
        return found & (self.values[layer.source] == source.zero_point) if layer.padded else found

    def added(self, layer: _Layer, channels: NDArray[np.bool_]) -> NDArray[np.int64]:
        """What these input channels add to the sum of each output."""
        if not channels.any():
            return np.zeros(len(layer.bias), np.int64)
        steps = self.values[layer.source] - layer.node.input(0).zero_point
        sums = layer.weights.sum(axis=1)
        if layer.depthwise:
            return np.where(channels, sums[:, 0] * steps, 0)
        return np.asarray(sums[:, channels] @ steps[channels])


def thin(flat: Flat, isa: Isa) -> tuple[Flat, frozenset[int]]:
    """The model without channels that nobody has to compute, and the tensors that lack some."""
    ops = [item for item in flat.items if isinstance(item, Op)]
    layers = {op.outputs[0]: layer for op in ops if (layer := _layer(op, flat.subgraph, isa))}
    if not layers:
        return flat, frozenset()
    known = _Known()
    for layer in layers.values():
        _learn(layer, known)
    unit = _VECTOR_UNIT if isa.has("mve") or isa.has("host") else _UNIT
    dropped = _dropped(flat, layers, known, unit)
    if not dropped:
        return flat, frozenset()
    tensors = list(flat.subgraph.tensors)
    changed = {
        id(layer.op): _cut(layer, known, dropped, tensors)
        for layer in layers.values()
        if layer.source in dropped or layer.result in dropped
    }
    for index, gone in dropped.items():
        *place, channels = tensors[index].shape
        shape = (*place, channels - int(gone.sum()))
        tensors[index] = replace(tensors[index], shape=shape)
    items = tuple(
        changed.get(id(item), item) if isinstance(item, Op) else item for item in flat.items
    )
    subgraph = replace(flat.subgraph, tensors=tuple(tensors))
    return Flat(subgraph, items, flat.fills), frozenset(dropped)


def _layer(op: Op, subgraph: Subgraph, isa: Isa) -> _Layer | None:
    """What this file knows of an op; None if it is none of these layers."""
    if op.name not in (_DENSE, _DEPTHWISE) or len(op.inputs) < 2 or len(op.outputs) != 1:
        return None
    node = Node(op, subgraph, isa)
    try:
        source, weights, output = node.input(0), node.input(1), node.output()
        images = all(len(tensor.shape) == 4 for tensor in (source, weights, output))
        if weights.data is None or not images or source.quantization is None:
            return None
        if {source.dtype, weights.dtype, output.dtype} != {"int8"}:
            return None
        channels = output.shape[3]
        values = weights.data.astype(np.int64)
        if op.name == _DEPTHWISE:
            if weights.shape[0] != 1 or not weights.shape[3] == channels == source.shape[3]:
                return None
            values = values.reshape(-1, channels).T[:, :, None]
        elif weights.shape[0] != channels or weights.shape[3] != source.shape[3]:
            return None
        else:
            values = values.reshape(channels, -1, source.shape[3])
        bias = layer_bias(node, channels)
        check_accumulator(values.reshape(channels, -1), bias, source.zero_point)
        clamp(node)
    except (Unsupported, ValueError, LookupError, ArithmeticError):
        return None  # what is wrong with it is for the op itself to say
    return _Layer(op, node, values, bias, _padded(op, weights.shape))


def _padded(op: Op, filters: tuple[int, ...]) -> bool:
    return op.options["padding"] != VALID and filters[1:3] != (1, 1)


def _learn(layer: _Layer, known: _Known) -> None:
    """Note which of a layer's outputs are always the same."""
    source, output = layer.node.input(0), layer.node.output()
    spared = known.spared(layer)
    bias = layer.bias + known.added(layer, spared)
    kept = np.where(spared[:, None, None] if layer.depthwise else spared, 0, layer.weights)
    low, high = -128 - source.zero_point, 127 - source.zero_point
    ends = np.stack(
        [
            bias + np.minimum(kept * low, kept * high).sum(axis=(1, 2)),
            bias + np.maximum(kept * low, kept * high).sum(axis=(1, 2)),
        ]
    )
    scales = np.array(effective_scales(layer.node, len(bias)))
    scaled = multiply_by_quantized_multiplier(ends, *quantize_multipliers(scales))
    limits = clamp(layer.node)
    first, last = np.clip(
        scaled + output.zero_point, limits["activation_min"], limits["activation_max"]
    )
    known.same[layer.result], known.values[layer.result] = first == last, first


def _dropped(
    flat: Flat, layers: Mapping[int, _Layer], known: _Known, unit: int
) -> dict[int, NDArray[np.bool_]]:
    """The channels to leave out, by tensor: the same for both sides of a depthwise layer."""
    ours = {id(layer.op) for layer in layers.values()}
    fixed = {*flat.subgraph.inputs, *flat.subgraph.outputs, *flat.fills, *_foreign(flat, ours)}
    found: dict[int, NDArray[np.bool_]] = {}
    for index, layer in layers.items():
        if not layer.depthwise:
            group = _group(index, layers)
            gone = _agreed(group, layers, known) if fixed.isdisjoint(group) else None
            if gone is not None and (gone := _whole(gone, unit)).any():
                found.update(dict.fromkeys(group, gone))
    return found


def _foreign(flat: Flat, ours: set[int]) -> Iterable[int]:
    """Tensors that other ops than our layers read or write, or that ours read as weights."""
    seen: set[int] = set()
    for item in flat.items:
        if isinstance(item, Mark):
            yield item.tensor
            continue
        mine = id(item) in ours
        yield from item.inputs[1:] if mine else (*item.inputs, *item.outputs)
        yield from (index for index in item.outputs if index in seen)
        seen.update(item.outputs)
    yield from (t.index for t in flat.subgraph.tensors if t.is_variable)


def _group(index: int, layers: Mapping[int, _Layer]) -> list[int]:
    """A tensor, and those that depthwise layers make of it, channel by channel."""
    group = [index]
    for layer in layers.values():  # in the order of execution
        if layer.depthwise and layer.source in group:
            group.append(layer.result)
    return group


def _agreed(group: list[int], layers: Mapping[int, _Layer], known: _Known) -> NDArray[np.bool_]:
    """The channels that are the same in all of a group, and that all readers can do without."""
    gone = np.logical_and.reduce([known.same[index] for index in group])
    for layer in layers.values():
        if layer.source in group:
            gone = gone & known.spared(layer)
    return np.asarray(gone)


def _whole(gone: NDArray[np.bool_], unit: int) -> NDArray[np.bool_]:
    """Fewer, so that what stays is a whole number of units, one at least."""
    live = int((~gone).sum())
    kept = min(max(-(-live // unit) * unit, unit), len(gone))
    back = np.flatnonzero(gone)[: kept - live]
    gone = gone.copy()
    gone[back] = False
    return gone


def _cut(
    layer: _Layer, known: _Known, dropped: Mapping[int, NDArray[np.bool_]], tensors: list[Tensor]
) -> Op:
    """The op with smaller weights and another bias; its new constants are added to `tensors`."""
    channels = np.zeros(layer.node.input(0).shape[3], bool)
    gone = dropped.get(layer.source, channels)
    outputs = ~dropped.get(layer.result, np.zeros(len(layer.bias), bool))
    bias = (layer.bias + known.added(layer, gone))[outputs]
    weights, data = layer.node.input(1), layer.node.constant(1)
    data = data[..., outputs] if layer.depthwise else data[outputs][..., ~gone]
    new = [len(tensors), len(tensors) + 1]
    tensors.append(_constant(weights, new[0], np.ascontiguousarray(data), outputs))
    like = layer.node.input(2) if layer.node.has_input(2) else Tensor(new[1], "bias", (), "int32")
    tensors.append(_constant(like, new[1], bias.astype(np.int32), outputs))
    return replace(layer.op, inputs=(layer.source, *new))


def _constant(like: Tensor, index: int, data: NDArray[Any], kept: NDArray[np.bool_]) -> Tensor:
    """A constant in place of another, with the scales of the channels that are kept."""
    quantization = like.quantization
    if quantization is not None and quantization.per_channel:
        quantization = replace(
            quantization,
            scale=quantization.scale[kept],
            zero_point=quantization.zero_point[kept]
            if len(quantization.zero_point) == len(kept)
            else quantization.zero_point,
        )
    return replace(like, index=index, shape=data.shape, data=data, quantization=quantization)
