"""What Keras models take and give: tensors in lists, tuples and dictionaries, in the user's order.

Keras flattens dictionaries by their sorted keys, so the order in which a model names its outputs
would be lost, and the keys with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def leaves(structure: Any, like: Any = None, key: str = "") -> Iterator[tuple[str, Any]]:
    """The tensors of a structure in order, each with its key; "" for what has none.

    Args:
        structure: Tensors, or lists, tuples and dictionaries of such.
        like: A structure with the same keys, whose order counts; its own if None.
        key: Of the dictionary that it is in, "outer/inner" in nested ones.
    """
    like = structure if like is None else like
    if isinstance(structure, dict):
        for name, pattern in like.items():
            inner = f"{key}/{name}" if key else str(name)
            yield from leaves(structure[name], pattern, inner)
    elif isinstance(structure, list | tuple):
        several = len(structure) > 1
        # A model of one output may name it in a list, and give it without one.
        patterns = like if isinstance(like, list | tuple) else [None] * len(structure)
        for position, (part, pattern) in enumerate(zip(structure, patterns, strict=True)):
            yield from leaves(part, pattern, f"{key}/{position}" if key and several else key)
    else:
        yield key, structure


def with_leaves(structure: Any, tensors: Iterator[Any]) -> Any:
    """The same structure with other tensors, given in order."""
    if isinstance(structure, dict):
        return {name: with_leaves(part, tensors) for name, part in structure.items()}
    if isinstance(structure, list | tuple):
        return [with_leaves(part, tensors) for part in structure]
    return next(tensors)
