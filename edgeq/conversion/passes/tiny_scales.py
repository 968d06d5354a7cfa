"""What integer kernels cannot do with values that are next to nothing, said otherwise.

In nets that were not trained values fade from layer to layer, to 1e-10 and less. Two kernels stop
there: one that clamps at 6 cannot write 6 in steps of 1e-10, and SOFTMAX cannot scale such steps.
Neither needs to: a clamp beyond the range of its tensor does nothing, and 8 bits of a SOFTMAX (or
LOGISTIC, TANH) do not show 1e-5.
"""

from __future__ import annotations

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.network import Network

_SQUASHING = frozenset({"LOG_SOFTMAX", "LOGISTIC", "SOFTMAX", "TANH"})
# What is before them has the same scale.
_MOVES = frozenset({"EXPAND_DIMS", "RESHAPE", "SLICE", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE"})
_NARROWEST = 1e-5
_NONE, _RELU, _RELU_N1_TO_1, _RELU6 = 0, 1, 2, 3
# Fused activations without their far end, and where that is.
_OPEN = {_RELU_N1_TO_1: (_NONE, 1.0), _RELU6: (_RELU, 6.0)}
_LARGEST = 2.0**31 - 256


def widen_ranges(network: Network) -> Network:
    """The float network with a range of at least 1e-5 in front of ops that squash."""
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
