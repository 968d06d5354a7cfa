"""CUMSUM: running sums along one axis."""

from __future__ import annotations

import math

from edgeq.compiler.ops.elementwise.add_n import sum_scaling
from edgeq.compiler.ops.elementwise.arithmetic import SUFFIXES
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Node,
    OpKind,
    Overlap,
    ParamValue,
    require,
)
from edgeq.compiler.ops.shared.movement import require_same_type

_TYPES = ("int8", "int32", "int64", "float32")


def lower(node: Node) -> Call:
    """The kernel call for one CUMSUM."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    require(source.dtype in _TYPES, f"{source.dtype} values")
    rank = len(source.shape)
    axis = node.integers(1)[0]
    require(-rank <= axis < rank and source.shape == output.shape, f"axis {axis} of {source.shape}")
    axis %= rank
    params: dict[str, ParamValue] = {
        "shape.outer": math.prod(source.shape[:axis]),
        "shape.axis_size": source.shape[axis],
        "shape.inner": math.prod(source.shape[axis + 1 :]),
        "shape.exclusive": int(node.option("exclusive")),
        "shape.reverse": int(node.option("reverse")),
    }
    quantized = source.dtype == "int8"
    if quantized:
        params |= sum_scaling(node)
    return Call(
        "cumsum",
        f"eq_cumsum_{SUFFIXES[source.dtype]}",
        "eq_cumsum_s8_params" if quantized else "eq_cumsum_params",
        params,
        (INPUT, OUTPUT),
        overlaps=(Overlap(0),),
    )


CUMSUM = OpKind("CUMSUM", lower, _TYPES)
