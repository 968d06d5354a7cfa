"""CONCATENATION and PACK: chunks of the inputs in turn."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import (
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    Overlap,
    ParamValue,
    overlap_distance,
    require,
)
from edgeq.compiler.ops.shared.movement import ANY_TYPE, element_bytes, require_same_type

MAX_UNROLLED = 16
_NEVER = np.int64(1) << 40


def chunk_starts(chunk_bytes: list[int], chunks: int) -> NDArray[np.int64]:
    """Offsets in the joined tensor of every copy, in order."""
    sizes = np.tile(np.asarray(chunk_bytes, np.int64), chunks)
    starts: NDArray[np.int64] = np.cumsum(sizes) - sizes
    return starts


def overlaps(chunk_bytes: list[int], chunks: int) -> tuple[Overlap, ...]:
    """How the memory of each input may lie in the output's."""
    count = len(chunk_bytes)
    starts = chunk_starts(chunk_bytes, chunks)
    ends = starts + np.tile(np.asarray(chunk_bytes, np.int64), chunks)
    rules = []
    for position, size in enumerate(chunk_bytes):
        reads = np.full(len(starts), _NEVER)
        reads[position::count] = np.arange(chunks) * size
        rules.append(Overlap(position, overlap_distance(reads, ends, buffered=True)))
    return tuple(rules)


def _call(node: Node, chunks: int) -> Call:
    """The kernel call that takes `chunks` chunks from every input in turn."""
    output = node.output()
    sources = [node.input(position) for position in range(len(node.op.inputs))]
    require_same_type(*sources, output)
    size = element_bytes(output)
    require(output.elements > 0, "the output has no elements")
    total = sum(source.elements for source in sources)
    require(total == output.elements, f"{total} elements for an output of {output.elements}")
    chunk_bytes = [source.elements // chunks * size for source in sources]
    fields, table = chunk_fields(chunk_bytes)
    return Call(
        "join",
        "eq_join_many" if table else "eq_join",
        "eq_join_params",
        {"inputs": len(sources), "chunks": chunks, **fields},
        (
            *(Arg("input", k) for k in range(len(sources))),
            *(Arg("constant", k) for k in range(len(table))),
            OUTPUT,
        ),
        table,
        overlaps=overlaps(chunk_bytes, chunks),
        grouped="input",
    )


def chunk_fields(chunk_bytes: list[int]) -> tuple[dict[str, ParamValue], tuple[Constant, ...]]:
    """The chunks' sizes: in the params for the unrolled kernels, in a table for the others."""
    if len(chunk_bytes) <= MAX_UNROLLED:
        return {"chunk_bytes": chunk_bytes}, ()
    return {}, (Constant("chunk_bytes", "int32_t", np.asarray(chunk_bytes, np.int64)),)


def lower_concatenation(node: Node) -> Call:
    """The kernel call for one CONCATENATION."""
    output = node.output()
    rank = len(output.shape)
    axis = node.option("axis")
    require(-rank <= axis < rank, f"axis {axis} of shape {output.shape}")
    require(node.option("fused_activation_function") == 0, "a fused activation")
    for position in range(len(node.op.inputs)):
        source = node.input(position)
        if output.dtype in ("int8", "uint8") and output.quantization is not None:
            same = (source.scale, source.zero_point) == (output.scale, output.zero_point)
            require(same, f"input {position} has another scale or zero point than the output")
        others = [
            (a, b)
            for k, (a, b) in enumerate(zip(source.shape, output.shape, strict=False))
            if k != axis % rank
        ]
        require(
            len(source.shape) == rank and all(a == b for a, b in others),
            f"shape {source.shape} does not fit {output.shape}",
        )
    return _call(node, math.prod(output.shape[: axis % rank]))


def lower_pack(node: Node) -> Call:
    """The kernel call for one PACK."""
    output = node.output()
    rank = len(output.shape)
    axis = node.option("axis")
    require(-rank <= axis < rank, f"axis {axis} of shape {output.shape}")
    return _call(node, math.prod(output.shape[: axis % rank]))


CONCATENATION = OpKind("CONCATENATION", lower_concatenation, ANY_TYPE)
PACK = OpKind("PACK", lower_pack, ANY_TYPE)
