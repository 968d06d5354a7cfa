"""The user's own Python: `module:function` or `file.py:function`, called for every pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from edgeq.data.base import Request, Row, Source
from edgeq.errors import EdgeqError
from edgeq.support.user_code import import_user_module


def import_function(text: str) -> Callable[[], Iterable[Any]]:
    """The function that `module:function` or `file.py:function` names.

    Raises:
        EdgeqError: The module cannot be imported or has no such function.
    """
    module_name, _, name = text.rpartition(":")
    module = import_user_module(module_name, text)
    function = getattr(module, name, None)
    if not callable(function):
        raise EdgeqError(f"'{module_name}' has no function '{name}'.", text)
    found: Callable[[], Iterable[Any]] = function
    return found


def open_generator(where: str, function: Callable[[], Iterable[Any]], request: Request) -> Source:
    """Samples that a function yields: x, or (x, y) where labels are wanted.

    x is an array for a model with one input; for several, a list in order or a dict by tensor name.
    """

    def rows() -> Iterator[Row]:
        index = 0
        try:
            for item in function():
                yield *_split(item, request, f"{where}, sample {index}"), f"{where}, sample {index}"
                index += 1
        except (EdgeqError, KeyboardInterrupt):
            raise
        except Exception as error:
            raise EdgeqError(
                f"The generator failed at sample {index}: {type(error).__name__}: {error}", where
            ) from error

    return Source(where, rows, "generator")


def _split(item: Any, request: Request, where: str) -> tuple[list[Any], Any]:
    """Inputs and label of one yielded item."""
    label = None
    count = len(request.inputs)
    if request.labelled:
        if not isinstance(item, tuple) or len(item) != 2:
            raise EdgeqError("The generator must yield (x, y) where labels are needed.", where)
        item, label = item
    elif isinstance(item, tuple) and len(item) == 2 and (count == 1 or _is_group(item[0])):
        item = item[0]  # (x, y), whose label is not needed here
    if isinstance(item, dict):
        missing = [spec.name for spec in request.inputs if spec.name not in item]
        if missing:
            raise EdgeqError(
                f"The sample has no {', '.join(missing)}; it has {', '.join(map(str, item))}.",
                where,
            )
        return [item[spec.name] for spec in request.inputs], label
    if isinstance(item, tuple) or (isinstance(item, list) and (count > 1 or len(item) == 1)):
        return list(item), label
    return [item], label


def _is_group(value: Any) -> bool:
    return isinstance(value, list | tuple | dict)
