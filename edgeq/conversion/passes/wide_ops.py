"""Ops that 16 bits have no kernel for, said in others before the quantizer sees them.

- LOG_SOFTMAX is x - max - log(sum(exp(x - max))).
- RELU_N1_TO_1 is what a product with 1 has fused.
- DEPTH_TO_SPACE and SPACE_TO_DEPTH are a TRANSPOSE between two RESHAPEs.
- DIV is a product with the reciprocal, which is a function of one value and becomes a table.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.moves import reshape, transpose
from edgeq.conversion.network import Network

_RELU_N1_TO_1 = 2  # ActivationFunctionType


def spell_wide_ops(network: Network) -> Network:
    """The float network with ops that 16 bits have, or have tables for."""
    if network.dtype == "int16":
        ops: list[Any] = []
        for op in network.ops:
            spelled = _SPELLED.get(network.kind(op))
            ops += (spelled(network, op) if spelled else None) or [op]
        network.ops = ops
    return network


def _quotient(network: Network, op: Any) -> list[Any] | None:
    """A product with the reciprocal, where the divisor stays clear of zero."""
    dividend, divisor = indices(op.inputs)
    (result,) = indices(op.outputs)
    low, high = network.range(divisor)
    if network.is_constant(divisor) or network.is_constant(dividend) or low * high <= 0:
        return None
    name = network.name(result)
    one = network.add_constant(f"{name}/one", np.array([1], np.float32))
    ends = (1 / low, 1 / high)
    network.ranges[f"{name}/reciprocal"] = (min(ends), max(ends))
    reciprocal = network.add_tensor(
        f"{name}/reciprocal", network.graph.tensors[divisor].shape, "float32"
    )
    fused = op.builtinOptions.fusedActivationFunction
    return [
        network.new_op("DIV", [one, divisor], [reciprocal], "Div"),
        network.new_op(
            "MUL", [dividend, reciprocal], [result], "Mul", fusedActivationFunction=fused
        ),
    ]


def _log_softmax(network: Network, op: Any) -> list[Any]:
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
    # LiteRT's reference kernel for SUM is wrong in 16 bits; the one for MEAN is right.
    count = network.add_constant(f"{network.name(result)}/count", np.array([shape[-1]], np.float32))
    mean = tensor("mean", one, 1.0 / shape[-1], 1.0)
    total = tensor("total", one, 1.0, float(shape[-1]))
    logarithm = tensor("logarithm", one, 0.0, math.log(max(shape[-1], 2)))
    return [
        network.new_op("REDUCE_MAX", [source, axis], [largest], "Reducer", keepDims=True),
        network.new_op("SUB", [source, largest], [below], "Sub", potScaleInt16=False),
        network.new_op("EXP", [below], [powers], "Exp"),
        network.new_op("MEAN", [powers, axis], [mean], "Reducer", keepDims=True),
        network.new_op("MUL", [mean, count], [total], "Mul"),
        network.new_op("LOG", [total], [logarithm]),
        network.new_op("SUB", [below, logarithm], [result], "Sub", potScaleInt16=False),
    ]


def _clamp(network: Network, op: Any) -> list[Any]:
    (source,), (result,) = indices(op.inputs), indices(op.outputs)
    one = network.add_constant(f"{network.name(result)}/one", np.array([1], np.float32))
    product = network.new_op(
        "MUL", [source, one], [result], "Mul", fusedActivationFunction=_RELU_N1_TO_1
    )
    return [product]


def _blocks(network: Network, op: Any) -> list[Any]:
    """Pixels of a block are next to each other in depth, or rows apart in space."""
    (source,), (result,) = indices(op.inputs), indices(op.outputs)
    size = op.builtinOptions.blockSize
    deep = source if network.kind(op) == "DEPTH_TO_SPACE" else result
    batch, height, width, channels = network.shape(deep)
    shapes = [
        [batch * height, width, size, channels // size],
        [batch * height, size, width, channels // size],
    ]
    first, second = (
        network.add_tensor(f"{network.name(result)}/{name}", shape, "float32")
        for name, shape in zip(
            ("rows", "turned"), shapes if deep == source else shapes[::-1], strict=True
        )
    )
    for made in (first, second):
        network.ranges[network.name(made)] = network.range(source)
    return [
        reshape(network, source, first),
        transpose(network, first, second, (0, 2, 1, 3)),
        reshape(network, second, result),
    ]


_SPELLED = {
    "DEPTH_TO_SPACE": _blocks,
    "DIV": _quotient,
    "LOG_SOFTMAX": _log_softmax,
    "RELU_N1_TO_1": _clamp,
    "SPACE_TO_DEPTH": _blocks,
}
