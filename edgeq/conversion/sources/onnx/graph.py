"""An ONNX graph as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgeq.errors import EdgeqError
from edgeq.support.array import Array


@dataclass(frozen=True)
class Node:
    """One op.

    Attributes:
        op: Its type, such as "Conv".
        name: What errors and tensors call it: the module of a PyTorch model where that is known.
        inputs: Names of values; "" for one that is left out.
        outputs: Names of values; "" for one that nobody asks for.
        attributes: Numbers, texts, tuples of such and arrays, by name.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The op, for messages."""
        return f"op {self.op} '{self.name}'"

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)


@dataclass(frozen=True)
class Input:
    """What the graph takes: name, shape as ONNX has it (open batch axes are 1), numpy type."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Graph:
    """A whole model.

    Attributes:
        source: The file, for messages.
        opset: Version of the standard ops.
        nodes: In an order in which they can run.
        constants: Weights and other arrays by name.
        inputs, outputs: What the model takes, and the names of what it gives.
        proto: The file's own GraphProto, which the package onnx runs.
    """

    source: str
    opset: int
    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    proto: Any = None

    def readers(self) -> dict[str, list[Node]]:
        """The nodes that read each value; an output of the model counts as one reader more."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        for name in self.outputs:
            found.setdefault(name, []).append(Node("", "output", (name,), ()))
        return found

    def refuse(self, node: Node, why: str, hint: str = "") -> EdgeqError:
        """The error for a node that cannot be had on a device."""
        return EdgeqError(f"{node.where} cannot be converted: {why}.", self.source, hint)


def used(nodes: tuple[Node, ...], outputs: tuple[str, ...]) -> Iterator[Node]:
    """The nodes that outputs hang on, in their order."""
    wanted = set(outputs) - {""}
    kept = []
    for node in reversed(nodes):
        if wanted & set(node.outputs):
            kept.append(node)
            wanted.update(name for name in node.inputs if name)
    return reversed(kept)
