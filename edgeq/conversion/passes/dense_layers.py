"""Axes of length 1 that a layer does not want are not added in front of it.

    RESHAPE or EXPAND_DIMS (1, n) -> (1, 1, n), FULLY_CONNECTED     ->      FULLY_CONNECTED

The layer takes its input as rows of n numbers, whatever the axes in front are called. ONNX files
and PyTorch take the last step of a sequence in this way.
"""

from __future__ import annotations

from typing import Any

from edgeq.conversion.flatbuffer import drop_unused, indices
from edgeq.conversion.network import Network

_ADDING = frozenset({"EXPAND_DIMS", "RESHAPE"})


def drop_added_axes(network: Network) -> Network:
    """The float network without axes of length 1 that are added in front of dense layers."""
    changed = 0
    for op in network.ops:
        changed += network.kind(op) == "FULLY_CONNECTED" and _drop(network, op)
    if changed:
        drop_unused(network.model)
    return network


def _drop(network: Network, layer: Any) -> bool:
    """Let a layer read what axes were added to; False if there is no such thing."""
    inputs = indices(layer.inputs)
    maker = network.maker(inputs[0])
    if maker is None or network.kind(maker) not in _ADDING or layer.builtinOptions.keepNumDims:
        return False
    source = indices(maker.inputs)[0]
    given, taken = network.shape(source), network.shape(inputs[0])
    fits = given[-1:] == taken[-1:] == network.shape(inputs[1])[-1:]
    if not fits or len(given) < 2 or taken[len(taken) - len(given) :] != given:
        return False
    layer.inputs = [source, *inputs[1:]]
    if not network.readers(inputs[0]) and inputs[0] not in network.outputs:
        network.ops = [op for op in network.ops if op is not maker]
    return True
