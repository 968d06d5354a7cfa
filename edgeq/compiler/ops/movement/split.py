"""SPLIT, SPLIT_V and UNPACK: chunks of the input to the outputs in turn."""

from __future__ import annotations

import math

import numpy as np

from edgeq.compiler.ops.movement.join import chunk_fields, chunk_starts
from edgeq.compiler.ops.shared.base import Arg, Call, Node, OpKind, Overlap, require
from edgeq.compiler.ops.shared.movement import ANY_TYPE, element_bytes, require_same_type


def overlaps(chunk_bytes: list[int], chunks: int, source: int) -> tuple[Overlap, ...]:
    """How the memory of each output may lie in the input's."""
    count = len(chunk_bytes)
    next_read = chunk_starts(chunk_bytes, chunks)[1:]
    rules = []
    for position, size in enumerate(chunk_bytes):
        # After each of its copies but the last of all, everything further on is still unread.
        ends = (np.arange(chunks, dtype=np.int64) + 1) * size
        lows = next_read[position::count]
        behind = [int(x) for x in ends[: len(lows)] - lows]
        rules.append(Overlap(source, max(behind, default=-(1 << 30)), output=position))
    return tuple(rules)


def _call(node: Node, source_position: int, chunks: int) -> Call:
    """The kernel call that gives `chunks` chunks to every output in turn."""
    source = node.input(source_position)
    outputs = [node.output(position) for position in range(len(node.op.outputs))]
    require_same_type(source, *outputs)
    size = element_bytes(source)
    require(source.elements > 0, "the input has no elements")
    total = sum(output.elements for output in outputs)
    require(total == source.elements, f"outputs of {total} elements from {source.elements}")
    chunk_bytes = [output.elements // chunks * size for output in outputs]
    fields, table = chunk_fields(chunk_bytes)
    places = tuple(Arg("output", k) for k in range(len(outputs)))
    constants = tuple(Arg("constant", k) for k in range(len(table)))
    return Call(
        "split",
        "eq_split_many" if table else "eq_split",
        "eq_split_params",
        {"outputs": len(outputs), "chunks": chunks, **fields},
        (Arg("input", source_position), *constants, *places),
        table,
        overlaps=overlaps(chunk_bytes, chunks, source_position),
        grouped="output",
    )


def _outer(shape: tuple[int, ...], axis: int) -> int:
    """Number of chunks that a tensor falls into when it is cut along an axis."""
    rank = len(shape)
    require(-rank <= axis < rank, f"axis {axis} of shape {shape}")
    return math.prod(shape[: axis % rank])


def lower_split(node: Node) -> Call:
    """The kernel call for one SPLIT."""
    axis = node.integers(0)[0]
    return _call(node, 1, _outer(node.input(1).shape, axis))


def lower_split_v(node: Node) -> Call:
    """The kernel call for one SPLIT_V."""
    axis = node.integers(2)[0]
    return _call(node, 0, _outer(node.input(0).shape, axis))


def lower_unpack(node: Node) -> Call:
    """The kernel call for one UNPACK."""
    return _call(node, 0, _outer(node.input(0).shape, node.option("axis")))


SPLIT = OpKind("SPLIT", lower_split, ANY_TYPE)
SPLIT_V = OpKind("SPLIT_V", lower_split_v, ANY_TYPE)
UNPACK = OpKind("UNPACK", lower_unpack, ANY_TYPE)
