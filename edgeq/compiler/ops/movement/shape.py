"""SHAPE and BROADCAST_ARGS, where they are not folded away."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.elementwise.arithmetic import PAIR, SUFFIXES
from edgeq.compiler.ops.shared.base import (
    C_TYPES,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    require,
)
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.model.graph import numpy_dtype

_TYPES = ("int32", "int64")


def lower_shape(node: Node) -> Call:
    """A copy of the shape, which is known when compiling."""
    shape, output = node.input(0).shape, node.output()
    require(output.dtype in _TYPES and output.elements == len(shape), f"output {output.shape}")
    values = np.asarray(shape, numpy_dtype(output.dtype))
    return Call(
        "copy",
        "eq_copy",
        "eq_copy_params",
        {"size": output.bytes},
        (Arg("constant"), OUTPUT),
        (Constant("shape", C_TYPES[output.dtype], values),),
    )


def lower_broadcast_args(node: Node) -> Call:
    """The kernel call for one BROADCAST_ARGS."""
    a, b, output = node.input(0), node.input(1), node.output()
    require_same_type(a, b, output)
    require(output.dtype in _TYPES, f"{output.dtype} shapes")
    require(output.elements == max(a.elements, b.elements), f"output {output.shape}")
    params = {"rank1": a.elements, "rank2": b.elements, "rank": output.elements}
    function = f"eq_broadcast_args_{SUFFIXES[output.dtype]}"
    return Call("broadcast_args", function, "eq_broadcast_args_params", params, PAIR)


SHAPE = OpKind("SHAPE", lower_shape, _TYPES)
BROADCAST_ARGS = OpKind("BROADCAST_ARGS", lower_broadcast_args, _TYPES)
