"""ARG_MAX and ARG_MIN."""

from __future__ import annotations

import math
from functools import partial

from edgeq.compiler.ops.elementwise.arithmetic import SUFFIXES
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, OpKind, require

_TYPES = ("int8", "uint8", "int16", "int32", "float32")


def _lower(function: str, node: Node) -> Call:
    source, output = node.input(0), node.output()
    require(source.dtype in _TYPES, f"{source.dtype} values")
    require(output.dtype in ("int32", "int64"), f"{output.dtype} indices")
    rank = len(source.shape)
    axis = node.integers(1)[0]
    require(-rank <= axis < rank, f"axis {axis} of shape {source.shape}")
    axis %= rank
    require(source.shape[axis] > 0, f"shape {source.shape} has nothing along axis {axis}")
    outer, inner = math.prod(source.shape[:axis]), math.prod(source.shape[axis + 1 :])
    require(outer * inner == output.elements, f"output {output.shape} does not fit")
    return Call(
        "arg_min_max",
        f"eq_{function}_{SUFFIXES[source.dtype]}_{SUFFIXES[output.dtype]}",
        "eq_arg_min_max_params",
        {"outer": outer, "axis_size": source.shape[axis], "inner": inner},
        (INPUT, OUTPUT),
    )


ARG_MAX = OpKind("ARG_MAX", partial(_lower, "arg_max"), _TYPES)
ARG_MIN = OpKind("ARG_MIN", partial(_lower, "arg_min"), _TYPES)
