"""Fake quantization that a model was trained with gives the ranges, and goes.

TensorFlow's converter makes QUANTIZE and DEQUANTIZE of a fake-quantization op: `x -> QUANTIZE ->
DEQUANTIZE -> y`. The float model keeps what the pair cuts off, `x -> MAXIMUM -> MINIMUM -> y`, and
not its rounding; the range is kept for the tensors on both sides. Integers of that range end where
it does, and need no such ops. Weights that were rounded so arrive as multiples of one step, which
is found in them and kept as well, so that the integers are those of the training.
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
# Which end of its type is no bound to an op.
_IDLE_END = {"MAXIMUM": 0, "MINIMUM": 1}
# How many steps from there it may be: symmetric integers leave the lowest out.
_BESIDE = {"int16": 1}
# RELU and RELU6 as parts of other ops.
_RECTIFIED = (1, 3)
_NEVER_NEGATIVE = frozenset(
    {"RELU", "RELU6", "RELU_0_TO_1", "LOGISTIC", "SOFTMAX", "ABS", "SQUARE"}
)
# How far float32 puts a multiple of a step beside it, as a share of the step.
_ROUGH = 1e-2


def take_learned_ranges(network: Network) -> Network:
    """The float network without QUANTIZE and DEQUANTIZE pairs, and with what they tell."""
    pairs = [(op, before) for op in network.ops if (before := _first_half(network, op)) is not None]
    alone = _bounded_alone(network, [before for _, before in pairs])
    for op, before in pairs:
        _take(network, op, before)
    # Only now: what lies before a bound is not within it.
    network.learned_ranges = {**alone, **network.learned_ranges}
    if pairs:
        _find_steps(network)
        drop_unused(network.model)
    return network


def _bounded_alone(network: Network, halves: list[Any]) -> dict[str, Range]:
    """The ranges of tensors that nobody reads beyond one and the same range, by name."""
    ranges: dict[int, set[Range]] = {}
    for before in halves:
        source, integer = indices(before.inputs)[0], indices(before.outputs)[0]
        ranges.setdefault(source, set()).add(_range(network, integer))
    known = {id(before) for before in halves}
    return {
        network.name(source): next(iter(found))
        for source, found in ranges.items()
        if len(found) == 1
        and source not in network.outputs
        and all(id(reader) in known for reader in network.readers(source))
    }


def _first_half(network: Network, op: Any) -> Any | None:
    """The QUANTIZE in front of a DEQUANTIZE; None where there is no such pair."""
    if network.kind(op) != "DEQUANTIZE":
        return None
    before = network.maker(indices(op.inputs)[0])
    return before if before is not None and network.kind(before) == "QUANTIZE" else None


def _take(network: Network, op: Any, before: Any) -> None:
    """Let a pair do no more than to bound values; it goes where they are within already."""
    source, integer = indices(before.inputs)[0], indices(before.outputs)[0]
    (result,), (low, high) = indices(op.outputs), _range(network, integer)
    known = network.learned_ranges.get(network.name(source))
    within = known is not None and low <= known[0] and known[1] <= high
    kept = _join(network, source, result) if within or network.is_constant(source) else None
    if kept is not None:
        network.learned_ranges[network.name(kept)] = known if within and known else (low, high)
        parts: list[Any] = []
    else:
        above, parts = clamp(network, source, result, (low, high))
        if low <= 0 and _never_negative(network, source):
            above, parts = source, parts[1:]
            parts[0].inputs = [source, *indices(parts[0].inputs)[1:]]
        for index in {above, result} - {source}:  # what lies above is cut off next
            network.learned_ranges[network.name(index)] = (low, high)
    network.ops = [new for each in network.ops for new in (parts if each is op else [each])]


def _never_negative(network: Network, index: int) -> bool:
    """Whether an activation makes a tensor, of which there is nothing below 0."""
    maker = network.maker(index)
    fused = getattr(maker.builtinOptions, "fusedActivationFunction", 0) if maker else 0
    return maker is not None and (fused in _RECTIFIED or network.kind(maker) in _NEVER_NEGATIVE)


def is_learned_bound(network: Network, op: Any) -> bool:
    """Whether an op bounds a tensor as fake quantization did."""
    learned = network.name(indices(op.outputs)[0]) in network.learned_ranges
    return learned and network.kind(op) in _IDLE_END


def drop_idle_bounds(network: Network) -> Network:
    """The integer network without MAXIMUM and MINIMUM of the ends that a type has anyway."""
    for op in network.ops:
        if network.kind(op) not in _IDLE_END:
            continue
        (source, bound), (result,) = indices(op.inputs), indices(op.outputs)
        idle = _is_idle(network, op, source, bound, result)
        if idle and _join(network, source, result) is not None:
            network.ops = [each for each in network.ops if each is not op]
    drop_unused(network.model)
    return network


def _is_idle(network: Network, op: Any, source: int, bound: int, result: int) -> bool:
    """Whether a bound cuts nothing off, since integers of its scale end there."""
    three, dtype = (source, bound, result), network.dtype_of(result)
    if dtype not in LIMITS or {network.dtype_of(index) for index in three} != {dtype}:
        return False
    if any(network.graph.tensors[index].quantization is None for index in three):
        return False
    if len({network.scale(index) for index in three}) > 1 or not network.is_constant(bound):
        return False
    end = LIMITS[dtype][_IDLE_END[network.kind(op)]]
    same = network.shape(source) == network.shape(result)
    beside = np.abs(network.constant(bound).astype(np.int64) - end)
    return same and bool((beside <= _BESIDE.get(dtype, 0)).all())


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
