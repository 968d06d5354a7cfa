"""Ops said in other ops, which have integer kernels everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.network import Network

_RELU6 = 3


def expanded(network: Network, op: Any) -> list[Any]:
    """The op, or what says the same in ops that have integer kernels everywhere."""
    found = EXPANDED.get(network.kind(op))
    parts = found(_Result(network, indices(op.outputs)[0]), indices(op.inputs)) if found else None
    return parts or [op]


class _Result:
    """A tensor that several ops shall make instead of one."""

    def __init__(self, network: Network, index: int) -> None:
        self.network, self.index = network, index

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return self.network.range(self.index)

    def number(self, name: str, value: float) -> int:
        """A constant that helps to compute the result."""
        full = f"{self.network.name(self.index)}/{name}"
        return self.network.add_constant(full, np.array([value], np.float32))

    def between(self, name: str, low: float, high: float, shape: Any = None) -> int:
        """A tensor on the way to the result, of the same shape if none is given, with a range."""
        full = f"{self.network.name(self.index)}/{name}"
        self.network.ranges[full] = (low, high)
        like = self.network.graph.tensors[self.index].shape
        return self.network.add_tensor(full, like if shape is None else shape, "float32")

    def product(self, one: int, other: int, result: int | None = None) -> Any:
        """The op that multiplies."""
        made = self.index if result is None else result
        return self.network.new_op("MUL", [one, other], [made], "Mul")


def _square(result: _Result, inputs: list[int]) -> list[Any]:
    return [result.product(inputs[0], inputs[0])]


def _negative(result: _Result, inputs: list[int]) -> list[Any]:
    return [result.product(inputs[0], result.number("minus_one", -1.0))]


def _squared_difference(result: _Result, inputs: list[int]) -> list[Any] | None:
    """(a - b)^2, which has no kernel for 16 bits."""
    if result.network.dtype != "int16":
        return None
    largest = result.range[1] ** 0.5
    difference = result.between("difference", -largest, largest)
    subtract = result.network.new_op("SUB", inputs, [difference], "Sub")
    return [subtract, result.product(difference, difference)]


def _hard_swish(result: _Result, inputs: list[int]) -> list[Any]:
    """Input * relu6(input + 3) / 6; 16 bits have no kernel for the op itself."""
    low, high = result.range
    three, sixth = result.number("three", 3.0), result.number("sixth", 1 / 6)
    gate = result.between("gate", 0.0, 6.0)
    whole = result.between("whole", 6 * low, 6 * high)
    fused = {"fusedActivationFunction": _RELU6}
    add = result.network.new_op("ADD", [inputs[0], three], [gate], "Add", **fused)
    return [add, result.product(inputs[0], gate, whole), result.product(whole, sixth)]


EXPANDED: dict[str, Callable[[_Result, list[int]], list[Any] | None]] = {
    "SQUARE": _square,
    "NEG": _negative,
    "SQUARED_DIFFERENCE": _squared_difference,
    "HARD_SWISH": _hard_swish,
}
"""By the op that is said in others; None from the function leaves it as it is."""
