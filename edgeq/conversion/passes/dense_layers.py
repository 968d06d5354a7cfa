"""Dense layers: what they need not have in front of them, and what is one.

Axes of length 1 that a layer does not want are not added in front of it. It takes its input as
rows of n numbers, whatever the axes in front are called; ONNX files and PyTorch take the last step
of a sequence in this way.

    RESHAPE or EXPAND_DIMS (1, n) -> (1, 1, n), FULLY_CONNECTED     ->      FULLY_CONNECTED

A product whose constant stands on the left (a mixing matrix, a DCT) has it on the right, where
runtimes know weights: LiteRT has no 16 bits for the other.

    BATCH_MATMUL C (m, k), x (..., k, n)    ->    TRANSPOSE x, FULLY_CONNECTED with C, TRANSPOSE
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import drop_unused, indices
from edgeq.conversion.moves import transpose
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


def turn_left_factors(network: Network) -> Network:
    """The float network with a dense layer for each product of a constant with a value."""
    network.ops = [new for op in network.ops for new in _turned(network, op) or [op]]
    return network


def _turned(network: Network, op: Any) -> list[Any] | None:
    """What a product becomes; None where it stays what it is."""
    if network.kind(op) != "BATCH_MATMUL":
        return None
    (factor, value), (result,) = indices(op.inputs), indices(op.outputs)
    shape, made = network.shape(value), network.shape(result)
    fits = (
        network.is_constant(factor)
        and network.is_float(factor)
        and not network.is_constant(value)
        and len(shape) > 2
        and made[:-2] == shape[:-2]
    )
    if not fits:
        return None
    matrices = network.constant(factor)
    if op.builtinOptions.adjX:
        matrices = np.swapaxes(matrices, -1, -2)
    one = matrices.size == matrices.shape[-1] * matrices.shape[-2]
    matrices = matrices.reshape(matrices.shape[-2:]) if one else np.swapaxes(matrices, -1, -2)
    name = network.name(result)
    weights = network.add_constant(f"{network.name(factor)}/right", np.ascontiguousarray(matrices))
    ops: list[Any] = []
    rows = value
    if not op.builtinOptions.adjY:
        rows = network.add_tensor(f"{name}/turned", [*shape[:-2], *shape[:-3:-1]], "float32")
        ops.append(_transpose(network, value, rows))
    answers = network.add_tensor(f"{name}/answers", [*made[:-2], *made[:-3:-1]], "float32")
    kind, options, how = ("BATCH_MATMUL", "BatchMatMul", {})
    if one:
        kind, options, how = ("FULLY_CONNECTED", "FullyConnected", {"keepNumDims": True})
    ops.append(network.new_op(kind, [rows, weights], [answers], options, **how))
    return [*ops, _transpose(network, answers, result)]


def _transpose(network: Network, source: int, result: int) -> Any:
    """The last two axes exchanged."""
    *front, last, before = range(len(network.shape(source)))
    return transpose(network, source, result, (*front, before, last))
