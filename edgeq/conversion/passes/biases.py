"""Each layer has a bias of its own, with a scale that it fits.

Equal constants are one tensor in what TensorFlow's converter makes: the zeros of all layers without
a bias, or the 3 of every hard sigmoid. Integers of a bias depend on the layer's other scales, so
litert-quantizer copies such a tensor, under a name that nothing else knows.

A bias has the scale of input times weights. In a channel whose weights are all zero (dead, or
pruned) litert-quantizer makes that scale as good as zero, and the bias overflows to the lowest
integer, so the channel is wrong by more than its range. Here such a channel gets a weight scale
wide enough for its bias; its weights lose nothing that the bias would not drown.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import add_constant, indices
from edgeq.conversion.network import Network
from edgeq.conversion.stored_weights import WEIGHT_LIMITS, scales_like, write_weights

BIAS_INPUT = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
_INT32, _INT64 = 2, 4  # tensor types
# Leaves an int32 accumulator two bits of room for the products.
_LARGEST = {_INT32: 1 << 29, _INT64: 1 << 38}
BIAS_TYPES = {_INT32: np.int32, _INT64: np.int64}


def own_biases(network: Network) -> Network:
    """The float network with one bias for each layer, where several layers shared one."""
    graph = network.graph
    places = [(op, BIAS_INPUT.get(network.kind(op))) for op in network.ops]
    uses = Counter(index for op, _ in places for index in indices(op.inputs))
    for op, position in places:
        inputs = indices(op.inputs)
        index = -1 if position is None or len(inputs) <= position else inputs[position]
        if index < 0 or uses[index] == 1 or not network.is_constant(index):
            continue
        shared = graph.tensors[index]
        name = f"{network.name(index)}:{uses[index]}"
        made = network.add_tensor(name, shared.shape, network.dtype_of(index))
        graph.tensors[made].buffer = shared.buffer
        op.inputs = [made if place == position else i for place, i in enumerate(inputs)]
        uses[index] -= 1
    return network


def fit_biases(network: Network) -> Network:
    """The quantized network with the channels rescaled whose bias overflows."""
    graph, floats = network.graph, network.floats
    sharing: dict[int, list[_Biased]] = {}
    for op in graph.operators:
        position = BIAS_INPUT.get(network.kind(op))
        inputs = indices(op.inputs)
        if position is None or len(inputs) <= position or inputs[position] < 0:
            continue
        bias = graph.tensors[inputs[position]]
        value = graph.tensors[inputs[2 if position == 3 else 0]]
        real = floats.get(bias.name.decode())
        if bias.type in _LARGEST and real is not None and value.quantization is not None:
            layer = _Biased(bias, float(value.quantization.scale[0]), real)
            sharing.setdefault(inputs[1], []).append(layer)
    for index, layers in sharing.items():
        weights = graph.tensors[index]
        _fit(network.model, weights, floats.get(weights.name.decode()), layers)
    return network


@dataclass(frozen=True)
class _Biased:
    """What a layer adds: its bias in integers and in real numbers, and the scale of its input."""

    bias: Any
    scale: float
    real: Any

    def needed(self) -> Any:
        """Least scales of the weights that leave the bias room, by channel."""
        largest = _LARGEST[self.bias.type]
        return np.abs(self.real.astype(np.float64)) / (self.scale * largest)


def _fit(model: Any, weights: Any, kernel: Any, layers: list[_Biased]) -> None:
    """Widen the weight scale of the channels whose bias is too large for it, in some layer."""
    scales = np.asarray(weights.quantization.scale, np.float32)
    needed = np.max([layer.needed() for layer in layers], axis=0)
    if len(scales) == 1:
        needed = needed.max(keepdims=True)
    wide = needed > scales
    if not wide.any() or kernel is None or weights.type not in WEIGHT_LIMITS:
        for layer in layers:
            if layer.bias.type == _INT64 and not wide.any():
                # litert-quantizer cuts them off at 32 bits, though the kernels take 64.
                steps = layer.scale * scales.astype(np.float64)
                _write_bias(model, layer.bias, layer.real, steps)
        return
    scales = np.where(wide, needed, scales).astype(np.float32)
    weights.quantization.scale = scales
    limit = WEIGHT_LIMITS[weights.type]
    steps = kernel / scales_like(weights, kernel.ndim)
    write_weights(model, weights, np.clip(np.round(steps), -limit, limit).astype(np.int8))
    for layer in layers:
        layer.bias.quantization.scale = (layer.scale * scales).astype(np.float32)
        _write_bias(model, layer.bias, layer.real, layer.scale * scales.astype(np.float64))


def _write_bias(model: Any, bias: Any, real: Any, scales: Any) -> None:
    """Give a bias the integers of its real values."""
    sums = np.round(real.astype(np.float64) / scales)
    bias.buffer = add_constant(model, sums.astype(BIAS_TYPES[bias.type]))
