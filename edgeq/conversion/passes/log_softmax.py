"""LOG_SOFTMAX in 16 bits: x - max - log(sum(exp(x - max))), since there is no kernel for it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.network import Network


def spell_log_softmax(network: Network) -> Network:
    """The float network with LOG_SOFTMAX in ops that 16 bits have, or have tables for."""
    if network.dtype == "int16":
        ops: list[Any] = []
        for op in network.ops:
            ops += _spelled(network, op) if network.kind(op) == "LOG_SOFTMAX" else [op]
        network.ops = ops
    return network


def _spelled(network: Network, op: Any) -> list[Any]:
    (source,), (result,) = indices(op.inputs), indices(op.outputs)
    shape = network.shape(source)
    low, high = network.range(source)
    one = (*shape[:-1], 1)

    def tensor(name: str, size: tuple[int, ...], least: float, most: float) -> int:
        full = f"{network.name(result)}/{name}"
        network.ranges[full] = (least, most)
        return network.add_tensor(full, list(size), "float32")

    axis = network.add_constant(
        f"{network.name(result)}/axis", np.array([len(shape) - 1], np.int32)
    )
    largest = tensor("largest", one, low, high)
    below = tensor("below", shape, low - high, 0.0)
    powers = tensor("powers", shape, 0.0, 1.0)
    total = tensor("total", one, 1.0, float(shape[-1]))
    logarithm = tensor("logarithm", one, 0.0, math.log(max(shape[-1], 2)))
    return [
        network.new_op("REDUCE_MAX", [source, axis], [largest], "Reducer", keepDims=True),
        network.new_op("SUB", [source, largest], [below], "Sub", potScaleInt16=False),
        network.new_op("EXP", [below], [powers], "Exp"),
        network.new_op("SUM", [powers, axis], [total], "Reducer", keepDims=True),
        network.new_op("LOG", [total], [logarithm]),
        network.new_op("SUB", [below, logarithm], [result], "Sub", potScaleInt16=False),
    ]
