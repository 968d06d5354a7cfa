"""An op held against one row of a delegate's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.model.graph import Op, Subgraph, Tensor

# What unpacks stored values counts as stored: a delegate does it once, when it is given the model.
_UNPACKS = ("DEQUANTIZE", "DENSIFY")


@dataclass(frozen=True)
class Case:
    """An op, a row of a table that may be of it, and the level of the delegate's interface."""

    graph: Subgraph
    op: Op
    row: Mapping[str, Any]
    level: int | None

    def input(self, position: int) -> Tensor | None:
        """An input; None where the op does without it."""
        if position >= len(self.op.inputs) or self.op.inputs[position] < 0:
            return None
        return self.graph.tensors[self.op.inputs[position]]

    @property
    def data(self) -> list[Tensor]:
        """The inputs that the row's types are about."""
        found = [self.input(position) for position in self.row.get("data", (0,))]
        return [tensor for tensor in found if tensor is not None]

    @property
    def outputs(self) -> list[Tensor]:
        """The op's outputs."""
        return [self.graph.tensors[index] for index in self.op.outputs]

    @property
    def weights(self) -> Tensor | None:
        """The second input, which holds the weights of all layers that have some."""
        return self.input(1)

    def stored(self, tensor: Tensor) -> bool:
        """Whether the file holds the value, packed or not."""
        if tensor.is_constant:
            return True
        makers = [op for op in self.graph.ops if tensor.index in op.outputs]
        return any(
            op.name in _UNPACKS and self.graph.tensors[op.inputs[0]].is_constant for op in makers
        )
