"""Multiply-accumulates of ops, by shapes alone: for any model, float or integer."""

from __future__ import annotations

import math

from edgeq.graph import Op, Subgraph


def model_macs(model: Subgraph) -> dict[int, int]:
    """Multiply-accumulates of each op of one inference, by op index."""
    return {op.index: op_macs(op, model) for op in model.ops}


def op_macs(op: Op, model: Subgraph) -> int:
    """Multiply-accumulates of one op; 0 for ops that are not made of them (add, pool, softmax).

    A tap that falls on padding counts, as in every published figure.
    """
    inputs = [model.tensors[i].shape if i >= 0 else (0,) for i in op.inputs]
    output = model.tensors[op.outputs[0]].shape if op.outputs else ()
    if op.name == "CONV_2D":
        return math.prod(output) * math.prod(inputs[1][1:])
    if op.name == "CONV_3D":
        return math.prod(output) * math.prod(inputs[1][:-1])
    if op.name == "DEPTHWISE_CONV_2D":
        return math.prod(output) * math.prod(inputs[1][1:3])
    if op.name == "TRANSPOSE_CONV":
        return math.prod(inputs[2]) * math.prod(inputs[1][:3])
    if op.name == "FULLY_CONNECTED":
        return math.prod(output) * inputs[1][-1]
    if op.name == "BATCH_MATMUL":
        return math.prod(output) * inputs[0][-2 if op.options.get("adj_x") else -1]
    if op.name == "SVDF":
        return _svdf(inputs)
    if op.name == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        return _lstm(inputs)
    return 0


def _svdf(inputs: list[tuple[int, ...]]) -> int:
    """One product with the feature weights, one with the time weights, per batch entry."""
    return inputs[0][0] * (math.prod(inputs[1]) + math.prod(inputs[2]))


def _lstm(inputs: list[tuple[int, ...]]) -> int:
    """Input and recurrent weights of every gate that is there, times steps and batch."""
    steps = math.prod(inputs[0][:-1])
    return steps * sum(math.prod(shape) for shape in inputs[1:9])
