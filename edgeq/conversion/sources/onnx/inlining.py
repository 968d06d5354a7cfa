"""A model with the bodies of its own functions in place of their calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from edgeq.conversion.tensorflow import first_line
from edgeq.errors import EdgeqError
from edgeq.support.text import visible_line

_MOST_BYTES = 1 << 28  # of ops, when functions are in line; weights do not lie in them
_MOST_DEPTH = 100  # of functions that call each other: PyTorch's exporters nest them as modules are


def inlined(model: Any, most_nodes: int, source: str) -> Any:
    """The model without functions of its own.

    Args:
        model: The ModelProto.
        most_nodes: How many ops it may have then.
        source: What to blame.

    Raises:
        EdgeqError: A function calls itself, or the ops would be too many or too large: functions
            that call others twice double them each time.
    """
    if not model.functions:
        return model
    _Counter(model.functions, most_nodes, source).check(model.graph.node)
    from onnx.inliner import inline_local_functions

    try:
        return inline_local_functions(model)
    except Exception as error:
        reason = first_line(error)
        raise EdgeqError(
            f"The model's functions cannot be put in line: {reason}", source
        ) from error


@dataclass(frozen=True)
class _Size:
    """What ops come to in line.

    Attributes:
        nodes: How many they are.
        slots: Their inputs, outputs and attributes: in each may stand what a call gives.
        size: Bytes of the ops.
        depth: Calls inside each other.
        calls: How many calls are put in line: functions without an op can double them as well.
    """

    nodes: int = 0
    slots: int = 0
    size: int = 0
    depth: int = 0
    calls: int = 0


class _Counter:
    def __init__(self, functions: Iterable[Any], most_nodes: int, source: str) -> None:
        self._functions = {_key(f, f.name): f for f in functions}
        self._most_nodes, self._source = most_nodes, source
        self._known: dict[tuple[str, str, str], _Size] = {}
        self._open: list[tuple[str, str, str]] = []

    def check(self, nodes: Iterable[Any]) -> None:
        """Refuse ops that come to too much in line."""
        found = self._of(nodes)
        most = self._most_nodes
        if max(found.nodes, found.calls) > most or found.size > _MOST_BYTES:
            raise EdgeqError(
                f"The model's functions come to {found.nodes:,} ops of {found.size:,} bytes and "
                f"{found.calls:,} calls when put in line; {most:,} ops of {_MOST_BYTES:,} bytes "
                f"and {most:,} calls are read at most.",
                self._source,
                "export it without functions of its own",
            )

    def _of(self, nodes: Iterable[Any]) -> _Size:
        count = slots = size = depth = calls = 0
        for node in _all(nodes):
            own = len(node.input) + len(node.output) + len(node.attribute)
            called = self._function(_key(node, node.op_type))
            if called is None:
                count, slots, size = count + 1, slots + own, size + node.ByteSize()
                continue
            # What the call gives takes the place of each name and attribute that stands for it.
            given = sum(map(len, (*node.input, *node.output)))
            given += sum(attribute.ByteSize() for attribute in node.attribute)
            count, slots = count + called.nodes, slots + called.slots
            size += called.size + called.slots * given
            depth, calls = max(depth, called.depth + 1), calls + called.calls + 1
        return _Size(count, slots, size, depth, calls)

    def _function(self, key: tuple[str, str, str]) -> _Size | None:
        """What a call of a function comes to; None for what is no function of the model."""
        function = self._functions.get(key)
        if function is None or key in self._known:
            return self._known.get(key)
        name = visible_line(key[1])
        if key in self._open:
            raise EdgeqError(f"The model's function '{name}' calls itself.", self._source)
        found = _Size()
        if len(self._open) <= _MOST_DEPTH:
            self._open.append(key)
            found = self._of(function.node)
            self._open.pop()
        if len(self._open) + found.depth >= _MOST_DEPTH:
            raise EdgeqError(
                f"The model's functions call each other more than {_MOST_DEPTH} deep.", self._source
            )
        self._known[key] = found
        return found


def _key(proto: Any, name: str) -> tuple[str, str, str]:
    """What a call finds its function by."""
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    return domain, name, getattr(proto, "overload", "")


def _all(nodes: Iterable[Any]) -> Iterator[Any]:
    """Ops, and those in the bodies of loops and branches."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _all(graph.node)
