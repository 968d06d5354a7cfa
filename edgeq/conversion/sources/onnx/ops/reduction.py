"""Sums, means and extremes over axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.folding import axes_of
from edgeq.conversion.sources.onnx.graph import Node
from edgeq.conversion.sources.onnx.layout import Value, channels_last, without

_FUNCTIONS = {
    "ReduceLogSumExp": "logsumexp", "ReduceMax": "max", "ReduceMean": "mean", "ReduceMin": "min",
    "ReduceProd": "prod", "ReduceSum": "sum",
}  # fmt: skip
_OF_PARTS = ("ReduceL1", "ReduceL2", "ReduceSumSquare")


def reduced(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """One number for what lies along some axes."""
    value = net.dense(inputs[0])
    axes = axes_of(node, [None if v is None else v.constant for v in inputs], value.rank)
    if axes is None:
        if len(inputs) > 1 and inputs[1] is not None and inputs[1].constant is None:
            raise net.refuse(node, "the axes are computed by the model")
        if node.get("noop_with_empty_axes", 0):
            # Nothing is added up, but absolute values and squares are taken.
            if node.op in _FUNCTIONS:
                return value
            return net.like(value, net.named(node, _over(net, node, value.tensor, (), True)))
        axes = tuple(range(value.rank))
    keep = bool(node.get("keepdims", 1))
    stored = tuple(sorted(value.stored_axis(axis) for axis in axes))
    last = value.order == channels_last(value.rank)
    everywhere = stored == tuple(range(1, value.rank - 1))
    if node.op in ("ReduceMean", "ReduceMax") and value.rank > 2 and last and everywhere:
        kind = "Average" if node.op == "ReduceMean" else "Max"
        tensor = net.layer(
            node, f"Global{kind}Pooling{value.rank - 2}D", value.tensor, keepdims=keep
        )
    else:
        tensor = net.named(node, _over(net, node, value.tensor, stored, keep))
    return net.value(tensor, value.order if keep else without(value.order, axes))


def _over(net: Builder, node: Node, tensor: Any, axes: tuple[int, ...], keep: bool) -> Any:
    ops = net.ops
    if node.op in _FUNCTIONS:
        return getattr(ops, _FUNCTIONS[node.op])(tensor, axis=axes, keepdims=keep)
    if node.op == "ReduceL1":
        return ops.sum(ops.abs(tensor), axis=axes, keepdims=keep)
    total = ops.sum(ops.square(tensor), axis=axes, keepdims=keep)
    return ops.sqrt(total) if node.op == "ReduceL2" else total


OPS = dict.fromkeys((*_FUNCTIONS, *_OF_PARTS), reduced)
