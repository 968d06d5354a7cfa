"""Multiply-accumulates of a model, float or integer."""

from __future__ import annotations

from edgeq.compiler.ops import OPS
from edgeq.compiler.ops.shared.base import Node, Unsupported
from edgeq.model.graph import Op, Subgraph


def model_macs(model: Subgraph) -> dict[int, int]:
    """Multiply-accumulates of each op of one inference, by op index; 0 for ops without any."""
    return {op.index: _op_macs(op, model) for op in model.ops}


def _op_macs(op: Op, model: Subgraph) -> int:
    kind = OPS.get(op.name)
    if kind is None or kind.macs is None:
        return 0
    try:
        return kind.macs(Node(op, model))
    except Unsupported:
        return 0
