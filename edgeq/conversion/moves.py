"""Ops that passes put in: to another shape, another order of axes, a copy, within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeq.conversion.network import Network


def reshape(network: Network, source: int, made: int) -> Any:
    """An op that gives a tensor the shape of another."""
    shape = network.shape(made)
    wanted = network.add_constant(f"{network.name(made)}/shape", np.array(shape, np.int32))
    return network.new_op("RESHAPE", [source, wanted], [made], "Reshape", newShape=list(shape))


def transpose(network: Network, source: int, made: int, order: Sequence[int]) -> Any:
    """An op that gives a tensor's axes in another order."""
    name = f"{network.name(made)}/order:{len(network.graph.tensors)}"
    places = network.add_constant(name, np.array(order, np.int32))
    return network.new_op("TRANSPOSE", [source, places], [made], "Transpose")


def copy(network: Network, source: int, made: int) -> Any:
    """An op that gives what a tensor holds now: the lesser of it and itself.

    Runtimes take away a plain copy, or let it stand in the memory of its source.
    """
    if network.dtype_of(source) == "bool":
        return network.new_op("LOGICAL_OR", [source, source], [made], "LogicalOr")
    return network.new_op("MINIMUM", [source, source], [made], "MaximumMinimum")


def clamp(network: Network, source: int, made: int, ends: Sequence[Any]) -> tuple[int, list[Any]]:
    """Ops that bound a tensor's values; with what they give before the upper end has cut.

    Args:
        source: Tensor of reals.
        made: The bounded one.
        ends: The lowest and the highest value: numbers, or arrays that are spread over the tensor.
    """
    name = network.name(made)
    low, high = (
        network.add_constant(f"{name}/{part}", np.array(end, np.float32))
        for part, end in zip(("low", "high"), ends, strict=True)
    )
    above = network.add_tensor(f"{name}/above", list(network.shape(source)), "float32")
    return above, [
        network.new_op("MAXIMUM", [source, low], [above], "MaximumMinimum"),
        network.new_op("MINIMUM", [above, high], [made], "MaximumMinimum"),
    ]
