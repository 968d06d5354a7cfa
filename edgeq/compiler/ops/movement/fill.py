"""FILL and ZEROS_LIKE."""

from __future__ import annotations

import numpy as np

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
from edgeq.compiler.ops.shared.movement import ANY_TYPE, element_bytes, require_same_type
from edgeq.model.graph import numpy_dtype


def _call(node: Node, value: Arg, constants: tuple[Constant, ...] = ()) -> Call:
    output = node.output()
    params = {"count": output.elements, "element_bytes": element_bytes(output)}
    return Call("fill", "eq_fill", "eq_fill_params", params, (value, OUTPUT), constants)


def lower_fill(node: Node) -> Call:
    """The kernel call for one FILL."""
    require_same_type(node.input(1), node.output())
    require(node.input(1).elements == 1, f"a value of shape {node.input(1).shape}")
    return _call(node, Arg("input", 1))


def lower_zeros_like(node: Node) -> Call:
    """The kernel call for one ZEROS_LIKE."""
    output = node.output()
    zero = Constant("zero", C_TYPES[output.dtype], np.zeros(1, numpy_dtype(output.dtype)))
    return _call(node, Arg("constant"), (zero,))


FILL = OpKind("FILL", lower_fill, ANY_TYPE)
ZEROS_LIKE = OpKind("ZEROS_LIKE", lower_zeros_like, ANY_TYPE)
