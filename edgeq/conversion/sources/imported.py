"""A model of another framework that has become a Keras model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.support.array import Array


@dataclass(frozen=True)
class Imported:
    """A Keras model made of a file of another framework.

    Attributes:
        model: It takes one sample at a time; names are the file's.
        inputs, outputs: Which axis of the file's tensor each axis of ours is, by name.
        silent: Layers that ops are not called after.
        file: The graph that it was read from.
        computes: What its own framework answers to inputs as the file has them, one after the
            other; None where the file is all that there is.
    """

    model: Any
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    silent: frozenset[str] = frozenset()
    file: Any = None
    computes: Callable[[Sequence[Array]], Sequence[Array]] | None = None


def sample_axes(order: tuple[int, ...]) -> tuple[int, ...]:
    """The same for one sample: without the batch axis, which is our first."""
    batch, *rest = order
    return tuple(axis - (axis > batch) for axis in rest)
