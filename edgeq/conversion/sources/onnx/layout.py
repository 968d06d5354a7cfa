"""Where the axes of a value lie: kept beside the tensor, so that transpositions are words only.

ONNX has channels first, devices have them last. A value here is a tensor and an order: axis `i` of
the tensor is axis `order[i]` of the value as the file means it. A Transpose changes the order and
not the tensor; convolutions ask for channels last and get the tensor as it is when it lies so
already. Axes of length 1 may stand anywhere: to move them is a reshape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.support.array import Array

Order = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """What a name of the graph stands for.

    Attributes:
        shape: As the file means it.
        tensor: A KerasTensor; None for a constant.
        order: Which axis of the value each axis of the tensor is.
        constant: The numbers, if they are known; their axes lie as the file means them.
        flattened: The value before its axes were joined, where the tensor has the same numbers in
            another sequence; whoever cannot take that makes it again from this.
    """

    shape: tuple[int, ...]
    tensor: Any = None
    order: Order = ()
    constant: Array | None = None
    flattened: Value | None = None

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def stored_axis(self, axis: int) -> int:
        """Where an axis of the value (negative ones count from the end) lies in the tensor."""
        return self.order.index(axis % self.rank)


def constant(array: Any) -> Value:
    """A value that is known."""
    array = np.asarray(array)
    return Value(array.shape, constant=array)


def in_place(rank: int) -> Order:
    """The axes as the file means them."""
    return tuple(range(rank))


def channels_last(rank: int) -> Order:
    """Batch, then places, then channels."""
    return (0, *range(2, rank), 1) if rank > 1 else in_place(rank)


def with_last(order: Order, axes: Sequence[int]) -> Order:
    """The order with some axes at the end."""
    return (*(axis for axis in order if axis not in axes), *axes)


def moved(order: Order, permutation: Sequence[int]) -> Order:
    """The order of what a Transpose by `permutation` gives of the same tensor."""
    return tuple(list(permutation).index(axis) for axis in order)


def without(order: Order, gone: Sequence[int]) -> Order:
    """The order when some axes are no more."""
    left = [axis for axis in range(len(order)) if axis not in gone]
    return tuple(left.index(axis) for axis in order if axis not in gone)


def long_axes(shape: Sequence[int], order: Sequence[int]) -> list[int]:
    """The axes that are longer than 1, in an order."""
    return [axis for axis in order if shape[axis] != 1]


def reshaped(shape: Sequence[int], order: Order, new: Sequence[int]) -> tuple[Order, Order]:
    """How to read a value's numbers under another shape with as little moved as possible.

    Returns:
        The order in which the tensor must lie before it is reshaped, and the order after.
    """
    before, after = _groups(shape, new)
    of_axis = {axis: number for number, group in enumerate(before) for axis in group}
    # A run that lies apart is gathered where its last axis lies, which is the one read fastest.
    met = [of_axis[axis] for axis in reversed(long_axes(shape, order))]
    sequence = list(dict.fromkeys(met))[::-1]
    needed = [axis for number in sequence for axis in before[number]]
    units = [axis for axis in order if shape[axis] == 1]
    made = [axis for number in sequence for axis in after[number]]
    return (*units, *needed), _with_units(made, new)


def _with_units(order: Sequence[int], shape: Sequence[int]) -> Order:
    """Axes of length 1 put in, each behind the axis before it."""
    found = list(order)
    for axis, length in enumerate(shape):
        if length == 1:
            found.insert(found.index(axis - 1) + 1 if axis else 0, axis)
    return tuple(found)


def _groups(shape: Sequence[int], new: Sequence[int]) -> tuple[list[list[int]], list[list[int]]]:
    """Runs of axes longer than 1 that hold the same numbers before and after, pair by pair."""
    left, right = long_axes(shape, range(len(shape))), long_axes(new, range(len(new)))
    before: list[list[int]] = []
    after: list[list[int]] = []
    while left or right:
        ours, theirs = [left.pop(0)], [right.pop(0)]
        many, much = shape[ours[0]], new[theirs[0]]
        while many != much:
            if many < much:
                ours.append(left.pop(0))
                many *= shape[ours[-1]]
            else:
                theirs.append(right.pop(0))
                much *= new[theirs[-1]]
        before.append(ours)
        after.append(theirs)
    return before, after
