"""Fake quantization that a model was trained with gives the ranges, and goes.

TensorFlow's converter makes QUANTIZE and DEQUANTIZE of a fake-quantization op: `x -> QUANTIZE ->
DEQUANTIZE -> y`. The pair is taken out and its range is kept for the tensor that is left. Weights
that were rounded so arrive as multiples of one step, which is found in them and kept as well, so
that the integers are those of the training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import add_constant, drop_unused, indices
from edgeq.conversion.moves import clamp
from edgeq.conversion.network import LIMITS, LearnedScale, Network, Range
from edgeq.conversion.passes.biases import BIAS_INPUT, BIAS_TYPES
from edgeq.conversion.stored_weights import WEIGHT_LIMITS, scales_like, write_weights

# Where the axis of the output channels is.
_WEIGHT_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
_LARGEST = 127
# How far float32 puts a multiple of a step beside it, as a share of the step.
_ROUGH = 1e-2


def take_learned_ranges(network: Network) -> Network:
    """The float network without QUANTIZE and DEQUANTIZE pairs, and with what they tell."""
    pairs = [(op, before) for op in network.ops if (before := _first_half(network, op)) is not None]
    ranges: dict[int, set[Range]] = {}
    for _, before in pairs:
        source, integer = indices(before.inputs)[0], indices(before.outputs)[0]
        ranges.setdefault(source, set()).add(_range(network, integer))
    several = {source for source, found in ranges.items() if len(found) > 1}
    found = False
    for op, before in pairs:
        found |= _taken(network, op, before, several)
    if found:
        _find_steps(network)
        drop_unused(network.model)
    return network


def _first_half(network: Network, op: Any) -> Any | None:
    """The QUANTIZE in front of a DEQUANTIZE; None where there is no such pair."""
    if network.kind(op) != "DEQUANTIZE":
        return None
    before = network.maker(indices(op.inputs)[0])
    return before if before is not None and network.kind(before) == "QUANTIZE" else None


def _taken(network: Network, op: Any, before: Any, several: set[int]) -> bool:
    """Take a pair out, or let it do no more than to bound values; False if it must stay."""
    source, integer = indices(before.inputs)[0], indices(before.outputs)[0]
    (result,), (low, high) = indices(op.outputs), _range(network, integer)
    known = network.learned_ranges.get(network.name(source))
    within = known is not None and low <= known[0] and known[1] <= high
    if source in several or not (known is None or within):
        # One range for all would bound what another pair lets pass.
        parts = _bounds(network, source, result, (low, high))
        network.learned_ranges[network.name(result)] = (low, high)
    else:
        kept = _join(network, source, result)
        if kept is None:
            return False
        network.learned_ranges[network.name(kept)] = known if within and known else (low, high)
        parts = []
    network.ops = [new for each in network.ops for new in (parts if each is op else [each])]
    return True


def _bounds(network: Network, source: int, result: int, ends: Range) -> list[Any]:
    """The ops that bound a tensor's values."""
    above, ops = clamp(network, source, result, ends)
    network.learned_ranges[network.name(above)] = ends  # what lies above is cut off next
    return ops


def _join(network: Network, source: int, result: int) -> int | None:
    """The one tensor that a pair's input and output have become; None if both must stay."""
    if result not in network.outputs:
        network.redirect({result: source})
        return source
    maker = network.maker(source)
    if maker is None or source in network.outputs:
        return None
    maker.outputs = [result if i == source else i for i in indices(maker.outputs)]
    network.redirect({source: result})
    return result


def _range(network: Network, integer: int) -> Range:
    scale, zero_point = network.scale(integer)
    least, most = LIMITS[network.dtype_of(integer)]
    return (least - zero_point) * scale, (most - zero_point) * scale


def _find_steps(network: Network) -> None:
    """Note the steps of all weights that are multiples of one."""
    for op in network.ops:
        axis = _WEIGHT_AXES.get(network.kind(op))
        weights = indices(op.inputs)[1] if axis is not None else -1
        if axis is None or weights < 0 or not network.is_constant(weights):
            continue
        if not network.is_float(weights):
            continue
        values = network.constant(weights).astype(np.float64)
        whole = _step(values)
        channels = np.moveaxis(values, axis, 0)
        steps = [whole] * len(channels) if whole else [_step(channel) for channel in channels]
        if all(steps):
            learned = LearnedScale(np.array(steps, np.float64), axis)
            network.learned_scales[network.name(weights)] = learned


def _step(values: NDArray[np.float64]) -> float | None:
    """The largest number that all values are multiples of, 127-fold at most; None if none is."""
    largest = float(np.abs(values).max())
    if largest == 0:
        return 1.0 / _LARGEST
    for count in range(1, _LARGEST + 1):
        steps = values * (count / largest)
        if np.abs(steps - np.round(steps)).max() < _ROUGH:
            return largest / count
    return None


def use_learned_scales(network: Network) -> Network:
    """The quantized network with the weights of training, where it rounded them."""
    for op in network.ops:
        position = BIAS_INPUT.get(network.kind(op))
        inputs = indices(op.inputs)
        if position is None or inputs[1] < 0:
            continue
        learned = network.learned_scales.get(network.name(inputs[1]))
        if learned is not None:
            bias = inputs[position] if len(inputs) > position else -1
            value = inputs[2 if position == 3 else 0]
            _rescale(network, learned, value, inputs[1], bias)
    return network


def _rescale(network: Network, learned: LearnedScale, value: int, index: int, bias: int) -> None:
    """Give a layer's weights the learned steps; its bias follows."""
    weights = network.graph.tensors[index]
    count = 0 if weights.quantization is None else len(weights.quantization.scale)
    scales = learned.scales
    same = bool((scales == scales[0]).all())
    if weights.type not in WEIGHT_LIMITS or count not in (1, len(scales)):
        return
    if count == 1 and not same:
        return
    limit = WEIGHT_LIMITS[weights.type]
    scales = scales[:count]
    kernel = np.asarray(network.floats[network.name(index)], np.float64)
    before = weights.quantization.scale
    weights.quantization.scale = scales.astype(np.float32)
    integers = np.round(kernel / scales_like(weights, kernel.ndim))
    if np.abs(integers).max() > limit:
        weights.quantization.scale = before
        return
    write_weights(network.model, weights, integers.astype(np.int8))
    tensor: Any = network.graph.tensors[bias] if bias >= 0 else None
    real = network.floats.get(network.name(bias)) if bias >= 0 else None
    if tensor is not None and real is not None and tensor.type in BIAS_TYPES:
        steps = network.scale(value)[0] * scales
        tensor.quantization.scale = steps.astype(np.float32)
        limits = np.iinfo(np.int32)
        sums = np.clip(np.round(real.astype(np.float64) / steps), limits.min, limits.max)
        tensor.buffer = add_constant(network.model, sums.astype(BIAS_TYPES[tensor.type]))
