"""GATHER and GATHER_ND: slices of the input by index."""

from __future__ import annotations

import math

import numpy as np

from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Node, OpKind, require
from edgeq.compiler.ops.shared.lookup import lookup_call
from edgeq.compiler.ops.shared.movement import (
    ANY_TYPE,
    contiguous_steps,
    element_bytes,
    require_same_type,
)
from edgeq.model.graph import Tensor

_INDEX_TYPES = {"int16": "i16", "int32": "i32", "int64": "i64"}
_MAX_RANK = 8
_BYTE_VALUES = 256


def _suffix(indices: Tensor) -> str:
    require(indices.dtype in _INDEX_TYPES, f"{indices.dtype} indices")
    return _INDEX_TYPES[indices.dtype]


def lower_gather(node: Node) -> Call:
    """The kernel call for one GATHER, also by int8 values (see `edgeq.compiler.plan.tables`)."""
    if "index_offset" in node.op.options:
        return _lower_table(node)
    source, indices, output = node.input(0), node.input(1), node.output()
    require_same_type(source, output)
    rank, batch_dims = len(source.shape), node.option("batch_dims")
    axis = node.option("axis") % max(rank, 1)
    batch_dims += len(indices.shape) if batch_dims < 0 else 0
    require(0 <= batch_dims <= min(axis, len(indices.shape)), f"batch_dims {batch_dims}")
    shape = (
        *source.shape[:axis],
        *indices.shape[batch_dims:],
        *source.shape[axis + 1 :],
    )
    same = source.shape[:batch_dims] == indices.shape[:batch_dims]
    require(same and math.prod(shape) == output.elements, f"output {output.shape}, not {shape}")
    require(source.elements > 0, "the input has no elements")
    params = {
        "batches": math.prod(source.shape[:batch_dims]),
        "outer": math.prod(source.shape[batch_dims:axis]),
        "indices": math.prod(indices.shape[batch_dims:]),
        "axis_size": source.shape[axis],
        "slice_bytes": math.prod(source.shape[axis + 1 :]) * element_bytes(source),
    }
    return Call(
        "gather",
        f"eq_gather_{_suffix(indices)}",
        "eq_gather_params",
        params,
        (Arg("input", 0), Arg("input", 1), OUTPUT),
    )


def _lower_table(node: Node) -> Call:
    """The kernel call for int8 values looked up in a table of 256."""
    table = node.input(0).data
    require(table is not None and table.size == _BYTE_VALUES, "a table of other than 256 values")
    assert table is not None
    results = np.asarray(table, np.int64).reshape(-1)
    return lookup_call(node, results, "Every int8 value, looked up", 1)


def lower_gather_nd(node: Node) -> Call:
    """The kernel call for one GATHER_ND."""
    source, indices, output = node.input(0), node.input(1), node.output()
    require_same_type(source, output)
    require(len(indices.shape) > 0, "indices without axes")
    depth = indices.shape[-1]
    require(depth <= min(len(source.shape), _MAX_RANK), f"indices of {depth} axes")
    require(source.elements > 0, "the input has no elements")
    size = element_bytes(source)
    missing = [0] * (_MAX_RANK - depth)
    slices = math.prod(indices.shape[:-1])
    slice_elements = math.prod(source.shape[depth:])
    require(slices * slice_elements == output.elements, f"output {output.shape} does not fit")
    params = {
        "slices": slices,
        "rank": depth,
        "axis_size": [*source.shape[:depth], *missing],
        "axis_bytes": [*contiguous_steps(source.shape, size)[:depth], *missing],
        "slice_bytes": slice_elements * size,
    }
    return Call(
        "gather",
        f"eq_gather_nd_{_suffix(indices)}",
        "eq_gather_nd_params",
        params,
        (Arg("input", 0), Arg("input", 1), OUTPUT),
    )


GATHER = OpKind("GATHER", lower_gather, ANY_TYPE)
GATHER_ND = OpKind("GATHER_ND", lower_gather_nd, ANY_TYPE)
