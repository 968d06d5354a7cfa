"""Ops that compute the same twice become one.

TensorFlow's converter fuses an activation into the layer before it, and where something else needs
the layer's plain result too (CELU is relu(x) and more of x), it computes the layer twice.
"""

from __future__ import annotations

from typing import Any

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.network import Network

_LAYERS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
# The ops that fused activations are, by their codes.
_ACTIVATIONS = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH"}


def merge_twins(network: Network) -> Network:
    """The float network with one layer for those that differ in their fused activation at most."""
    first: dict[Any, Any] = {}
    same: dict[int, int] = {}
    ops: list[Any] = []
    plain = {_key(network, op) for op in network.ops if _activation(network, op) == 0}
    for op in network.ops:
        op.inputs = [same.get(index, index) for index in indices(op.inputs)]
        key = _key(network, op)
        if key is None or key not in plain:
            ops.append(op)
            continue
        (result,), activation = indices(op.outputs), _activation(network, op)
        if key not in first and activation == 0:
            first[key] = op
            ops.append(op)
        elif key in first and activation == 0 and result not in network.outputs:
            same[result] = indices(first[key].outputs)[0]
        elif key in first and activation in _ACTIVATIONS:
            base = indices(first[key].outputs)[0]
            ops.append(network.new_op(_ACTIVATIONS[activation], [base], [result]))
        else:
            ops.append(op)
    network.ops = ops
    return network


def _activation(network: Network, op: Any) -> int | None:
    if network.kind(op) not in _LAYERS:
        return None
    return int(op.builtinOptions.fusedActivationFunction)


def _key(network: Network, op: Any) -> Any:
    """What two ops that compute the same have in common; None for other ops."""
    if network.kind(op) not in _LAYERS:
        return None
    settings = {k: v for k, v in vars(op.builtinOptions).items() if k != "fusedActivationFunction"}
    return network.kind(op), tuple(indices(op.inputs)), tuple(sorted(settings.items()))
