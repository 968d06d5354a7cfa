"""What integer kernels cannot do with values that are next to nothing, said otherwise.

In nets that were not trained values fade from layer to layer, to 1e-10 and less. Two kernels stop
there: one that clamps at 6 cannot write 6 in steps of 1e-10, and SOFTMAX cannot scale such steps.
Neither needs to: a clamp beyond the range of its tensor does nothing, and 8 bits of a SOFTMAX (or
LOGISTIC, TANH) do not show 1e-5.

Where values cancel, x - mean(x) of an x that is the same everywhere, floats leave their rounding,
1e-7, in place of 0. The kernels of sums and squares cannot write steps that are less than a
millionth of those of their inputs, and need not either.
"""

from __future__ import annotations

from typing import Any

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.network import LIMITS, Network

_SQUASHING = frozenset({"LOG_SOFTMAX", "LOGISTIC", "SOFTMAX", "TANH"})
# What is before them has the same scale.
_MOVES = frozenset({"EXPAND_DIMS", "RESHAPE", "SLICE", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE"})
_NARROWEST = 1e-5
_NONE, _RELU, _RELU_N1_TO_1, _RELU6 = 0, 1, 2, 3
# Fused activations without their far end, and where that is.
_OPEN = {_RELU_N1_TO_1: (_NONE, 1.0), _RELU6: (_RELU, 6.0)}
_LARGEST = 2.0**31 - 256
# Source: TensorFlow Lite's left shifts in ADD, SUB and SQUARED_DIFFERENCE, by type.
_SUM_SHIFT = {"int8": 20, "int16": 15}
_SQUARE_SHIFT = {"int8": 14, "int16": 0}
_ROOM = 1.01


def widen_ranges(network: Network) -> Network:
    """The float network with ranges that kernels can write, behind sums and in front of squashing.

    Sums come first: what is behind them has the steps of what they make.
    """
    for op in network.ops:
        least = _ROOM * _least_step(network, op)
        result = indices(op.outputs)[0]
        low, high = network.range(result)
        # Not `scale_for`, which never gives a step of next to nothing.
        lowest, highest = LIMITS[network.dtype]
        step = (max(high, 0.0) - min(low, 0.0)) / (highest - lowest)
        if 0 < step < least:
            network.ranges[network.name(result)] = (low * least / step, high * least / step)
    for op in network.ops:
        source = indices(op.inputs)[0] if network.kind(op) in _SQUASHING else None
        while source is not None:
            low, high = network.range(source)
            if 0 < high - low < _NARROWEST:
                half = _NARROWEST / 2
                network.ranges[network.name(source)] = (min(low, -half), max(high, half))
            maker = network.maker(source)
            moved = maker is not None and network.kind(maker) in _MOVES
            source = indices(maker.inputs)[0] if moved and maker is not None else None
    return network


def _least_step(network: Network, op: Any) -> float:
    """The least step that the output of an op can have; 0 for any."""
    kind = network.kind(op)
    if kind in ("MEAN", "SUM"):
        return _step(network, indices(op.inputs)[0]) * 2.0 ** -_SUM_SHIFT[network.dtype]
    if kind not in ("ADD", "MUL", "SQUARED_DIFFERENCE", "SUB"):
        return 0.0
    steps = [_step(network, index) for index in indices(op.inputs)]
    if kind == "MUL":
        return steps[0] * steps[1] * 2.0 ** -_SUM_SHIFT[network.dtype]
    if kind == "SQUARED_DIFFERENCE":
        return (2 * max(steps)) ** 2 * 2.0 ** -_SQUARE_SHIFT[network.dtype]
    return 2 * max(steps) * 2.0 ** -_SUM_SHIFT[network.dtype]


def _step(network: Network, index: int) -> float:
    """The step that a tensor will have, by its range or its values; 0 for integers."""
    if not network.is_float(index):
        return 0.0
    if network.is_constant(index):
        values = network.constant(index)
        return network.scale_for(float(values.min()), float(values.max()))[0]
    return network.scale_for(*network.range(index))[0]


def open_clamps(network: Network) -> Network:
    """The integer network without clamps too far off to be written in steps of their tensor.

    RELU6 becomes RELU where its result has another scale and ends at 6 or before: TensorFlow Lite
    Micro's kernel of RELU6 does not go from scale to scale, that of RELU does.
    """
    network.ops = [
        network.new_op("RELU", indices(op.inputs), indices(op.outputs))
        if _ends_at_six(network, op)
        else op
        for op in network.ops
    ]
    for op in network.ops:
        fused = getattr(op.builtinOptions, "fusedActivationFunction", _NONE)
        result = indices(op.outputs)[0]
        if fused in _OPEN and network.graph.tensors[result].quantization is not None:
            without, end = _OPEN[fused]
            if end / network.scale(result)[0] > _LARGEST:
                op.builtinOptions.fusedActivationFunction = without
    return network


def _ends_at_six(network: Network, op: Any) -> bool:
    """Whether an op is a RELU6 to another scale whose type cuts it off already."""
    if network.kind(op) != "RELU6":
        return False
    (source,), (result,) = indices(op.inputs), indices(op.outputs)
    dtype = network.dtype_of(result)
    if dtype not in LIMITS or network.graph.tensors[source].quantization is None:
        return False
    scale, zero_point = network.scale(result)
    if network.scale(source) == (scale, zero_point):
        return False
    return (LIMITS[dtype][1] - zero_point) * scale <= 6 + scale / 2
