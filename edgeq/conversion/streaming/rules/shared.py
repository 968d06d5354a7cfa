"""What the rules share: how an operation is applied, and what of its arguments is time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.conversion.streaming.builder import Builder, Refused, Value, Whole
from edgeq.conversion.streaming.frames import Frames


@dataclass(frozen=True, eq=False)
class Call:
    """One use of a layer or function of the model of windows.

    Attributes:
        operation: The Keras layer or operation.
        name: Of it.
        arguments, options: As it is called, with a Value for each tensor.
    """

    operation: Any
    name: str
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]

    @property
    def is_layer(self) -> bool:
        """Whether it is a layer, which may have weights, or a function."""
        return hasattr(self.operation, "trainable_weights")

    @property
    def values(self) -> list[Value]:
        """The tensors among its arguments."""
        return list(_values((self.arguments, dict(self.options))))

    @property
    def frames(self) -> Frames:
        """Its only argument with time.

        Raises:
            Refused: There are several.
        """
        found = [value for value in self.values if isinstance(value, Frames)]
        if len(found) != 1 or len(self.values) != 1:
            raise Refused("it joins frames in a way that edgeq does not know")
        return found[0]


Rule = Callable[[Builder, Call], Any]
"""Gives what a call has become: a Value, or a list of such."""


def _values(tree: Any) -> Iterator[Value]:
    if isinstance(tree, Frames | Whole):
        yield tree
    elif isinstance(tree, dict):
        for part in tree.values():
            yield from _values(part)
    elif isinstance(tree, list | tuple):
        for part in tree:
            yield from _values(part)


def replaced(tree: Any, change: Callable[[Value], Any]) -> Any:
    """The arguments with something else for each value."""
    if isinstance(tree, Frames | Whole):
        return change(tree)
    if isinstance(tree, dict):
        return {key: replaced(part, change) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        parts = [replaced(part, change) for part in tree]
        return parts if isinstance(tree, list) else tuple(parts)
    return tree


def applied(
    builder: Builder,
    call: Call,
    change: Callable[[Value], Any] = lambda value: value.tensor,
    **settings: Any,
) -> Any:
    """The tensors that the operation makes of others.

    Args:
        builder: Of the streaming model.
        call: The use of the operation.
        change: The tensor to give for each value.
        settings: What is different in a layer's configuration.
    """
    arguments = replaced(call.arguments, change)
    options = {key: replaced(value, change) for key, value in call.options.items()}
    if not call.is_layer:
        return call.operation(*arguments, **options)
    options.pop("training", None)
    options = {key: value for key, value in options.items() if value is not None}
    return builder.copy(call.operation, **settings)(*arguments, **options)


def axes_of(given: Any, rank: int) -> set[int]:
    """Axes as numbers from 0."""
    if given is None:
        return set(range(rank))
    axes = given if isinstance(given, list | tuple) else [given]
    return {int(axis) % rank for axis in axes}
