"""EMBEDDING_LOOKUP: rows of a table by index."""

from __future__ import annotations

import math

from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Node, OpKind, require
from edgeq.compiler.ops.shared.movement import ANY_TYPE, element_bytes
from edgeq.compiler.ops.shared.quantized import require_quantized


def lower(node: Node) -> Call:
    """The kernel call for one EMBEDDING_LOOKUP."""
    lookup, table, output = node.input(0), node.input(1), node.output()
    require(lookup.dtype == "int32", f"{lookup.dtype} indices")
    require(len(table.shape) > 0 and table.elements > 0, f"a table of shape {table.shape}")
    rows, columns = table.shape[0], math.prod(table.shape[1:])
    require(output.elements == lookup.elements * columns, f"output {output.shape} does not fit")
    if table.dtype == output.dtype:
        params = {
            "batches": 1,
            "outer": 1,
            "indices": lookup.elements,
            "axis_size": rows,
            "slice_bytes": columns * element_bytes(table),
        }
        args = (Arg("input", 1), Arg("input", 0), OUTPUT)
        return Call("gather", "eq_gather_i32", "eq_gather_params", params, args)
    types = (table.dtype, output.dtype)
    require(types == ("int8", "float32"), f"{table.dtype} to {output.dtype}")
    require_quantized(table)
    require(table.zero_point == 0, f"a zero point of {table.zero_point}")
    return Call(
        "embedding_lookup",
        "eq_embedding_lookup_s8_f32",
        "eq_embedding_lookup_params",
        {"lookups": lookup.elements, "rows": rows, "columns": columns, "scale": table.scale},
        (Arg("input", 0), Arg("input", 1), OUTPUT),
    )


EMBEDDING_LOOKUP = OpKind("EMBEDDING_LOOKUP", lower, ANY_TYPE)
