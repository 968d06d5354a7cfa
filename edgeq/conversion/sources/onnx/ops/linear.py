"""Products of matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.graph import Node
from edgeq.conversion.sources.onnx.layout import Value, in_place, with_last
from edgeq.support.array import Array


def gemm(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """Products alpha A B + beta C; a dense layer where B is known."""
    left, right = inputs[:2]
    third = inputs[2] if len(inputs) > 2 else None
    alpha, beta = float(node.get("alpha", 1.0)), float(node.get("beta", 1.0))
    if node.get("transA", 0):
        left = _transposed(net, left)
    if node.get("transB", 0):
        right = _transposed(net, right)
    known = third is None or (third.constant is not None and _is_row(third, right.shape[1]))
    if right.constant is not None and left.constant is None and known:
        bias = None if third is None else np.broadcast_to(
            np.ravel(_known(third)) * np.float32(beta), (right.shape[1],)
        )  # fmt: skip
        return _dense(net, node, left, right.constant * np.float32(alpha), bias)
    product = net.value(net.ops.matmul(net.stored(left), net.stored(right)))
    tensor = product.tensor if alpha == 1.0 else net.ops.multiply(product.tensor, alpha)
    if third is not None:
        other: Any = net.stored(third)
        tensor = net.add(tensor, other if beta == 1.0 else other * beta)
    return net.value(net.named(node, tensor))


def _is_row(value: Value, columns: int) -> bool:
    """Whether it adds the same to each row of a product."""
    size = math.prod(value.shape)
    return size == 1 or value.shape[-1] == size == columns


def _known(value: Value) -> Array:
    return np.zeros(()) if value.constant is None else value.constant


def _transposed(net: Builder, value: Value) -> Value:
    if value.constant is not None:
        return Value(value.shape[::-1], constant=value.constant.T)
    value = net.dense(value)
    return Value(value.shape[::-1], value.tensor, tuple(1 - axis for axis in value.order), None)


def matmul(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """A matrix product; a third input is a bias that was added behind it."""
    left, right = inputs[:2]
    bias = inputs[2].constant if len(inputs) > 2 else None
    bias = None if bias is None else bias.ravel()
    if right.constant is not None and right.rank == 2 and left.rank > 1:
        return _dense(net, node, left, right.constant, bias)
    if min(left.rank, right.rank) < 2 or left.rank != right.rank:
        tensors: list[Any] = [net.stored(value) for value in (left, right)]
        return _with_bias(net, node, net.ops.matmul(*tensors), bias)
    rank = left.rank
    swapped = (*range(rank - 2), rank - 1, rank - 2)
    if right.constant is None and net.dense(right).order == swapped:
        # The runtime turns the second matrix while it multiplies.
        axes = "".join(chr(ord("a") + i) for i in range(rank - 2))
        equation = f"{axes}ij,{axes}kj->{axes}ik"
        if left.shape[:-2] == right.shape[:-2]:
            made = net.ops.einsum(equation, net.stored(left), right.tensor)
            return _with_bias(net, node, made, bias)
    made = net.ops.matmul(net.stored(left), net.stored(right))
    return _with_bias(net, node, made, bias)


def _with_bias(net: Builder, node: Node, tensor: Any, bias: Array | None) -> Value:
    tensor = net.named(node, tensor)
    return net.value(tensor if bias is None else net.ops.add(tensor, bias))


def _dense(net: Builder, node: Node, left: Value, kernel: Array, bias: Array | None) -> Value:
    """A dense layer on the last axis; the others may lie in any order."""
    if left.flattened is not None:
        before = left.flattened
        places = np.arange(left.shape[-1]).reshape(before.shape)
        kernel = kernel[np.transpose(places, before.order).ravel()]
        order = in_place(left.rank)
        tensor = left.tensor
    else:
        order = with_last(left.order, [left.rank - 1])
        tensor = net.stored(left, order)
    weights = [kernel] if bias is None or not bias.any() else [kernel, bias]
    made = net.layer(
        node, "Dense", tensor, units=kernel.shape[1], use_bias=len(weights) > 1, weights=weights
    )
    return net.value(made, order)


def einsum(net: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """A sum of products by its equation."""
    equation = str(node.get("equation", "")).replace(" ", "")
    if "..." in equation or "->" not in equation:
        raise net.refuse(node, f"the equation '{equation}'")
    return net.value(net.named(node, net.ops.einsum(equation, *(net.stored(v) for v in inputs))))


OPS = {"Einsum": einsum, "Gemm": gemm, "MatMul": matmul}
