"""What integer kernels cannot do with values that are next to nothing, said otherwise.

In nets that were not trained values fade from layer to layer, to 1e-10 and less. Three kernels stop
there: one that clamps at 6 cannot write 6 in steps of 1e-10, SOFTMAX cannot scale such steps, and
sums of large values cannot be written in them. None needs to: a clamp beyond the range of its tensor
does nothing, 8 bits of a SOFTMAX (or LOGISTIC, TANH) do not show 1e-5, and what is left of two values
that are nearly equal is the rounding of their own steps.
"""

from __future__ import annotations

from typing import Any

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.network import Network

_SQUASHING = frozenset({"LOG_SOFTMAX", "LOGISTIC", "SOFTMAX", "TANH"})
# What is before them has the same scale.
_MOVES = frozenset({"EXPAND_DIMS", "RESHAPE", "SLICE", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE"})
_NARROWEST = 1e-5
_SUMS = frozenset({"ADD", "ADD_N", "SUB"})
# Kernels of sums lift their inputs by 20 bits (15 of 16) over twice the wider one, and what they
# give by less than 1; half of it here, as ranges of constants and nudged scales differ a little.
_LIFT = {"int8": 2.0**-18, "int16": 2.0**-13}
_NONE, _RELU, _RELU_N1_TO_1, _RELU6 = 0, 1, 2, 3
# Fused activations without their far end, and where that is.
_OPEN = {_RELU_N1_TO_1: (_NONE, 1.0), _RELU6: (_RELU, 6.0)}
_LARGEST = 2.0**31 - 256


def widen_ranges(network: Network) -> Network:
    """The float network with ranges that ops which squash, and sums, can take and give."""
    for op in network.ops:
        if network.kind(op) in _SUMS:
            _widen_sum(network, op)
        source = indices(op.inputs)[0] if network.kind(op) in _SQUASHING else None
        while source is not None:
            _widen(network, source, _NARROWEST)
            maker = network.maker(source)
            moved = maker is not None and network.kind(maker) in _MOVES
            source = indices(maker.inputs)[0] if moved and maker is not None else None
    return network


def _widen(network: Network, index: int, least: float) -> None:
    """Make the range of a tensor at least so wide."""
    low, high = network.range(index)
    if 0 < high - low < least:
        network.ranges[network.name(index)] = (min(low, -least / 2), max(high, least / 2))


def _widen_sum(network: Network, op: Any) -> None:
    widths = [0.0]
    for index in indices(op.inputs):
        if network.is_constant(index) and network.is_float(index):
            values = network.constant(index)
            widths.append(float(values.max(initial=0.0) - values.min(initial=0.0)))
        elif not network.is_constant(index):
            low, high = network.range(index)
            widths.append(high - low)
    _widen(network, indices(op.outputs)[0], max(widths) * _LIFT[network.dtype])


def open_clamps(network: Network) -> Network:
    """The integer network without clamps too far off to be written in steps of their tensor."""
    for op in network.ops:
        fused = getattr(op.builtinOptions, "fusedActivationFunction", _NONE)
        result = indices(op.outputs)[0]
        if fused in _OPEN and network.graph.tensors[result].quantization is not None:
            without, end = _OPEN[fused]
            if end / network.scale(result)[0] > _LARGEST:
                op.builtinOptions.fusedActivationFunction = without
    return network
