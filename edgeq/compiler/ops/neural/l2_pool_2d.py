"""L2_POOL_2D: float32, as TFLM has it."""

from __future__ import annotations

from edgeq.compiler.ops.neural import average_pool_2d
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, OpKind, require
from edgeq.compiler.ops.shared.float32 import float_clamp
from edgeq.compiler.ops.shared.movement import require_same_type


def lower(node: Node) -> Call:
    """The kernel call for one L2_POOL_2D."""
    require_same_type(node.input(0), node.output())
    require(node.input(0).dtype == "float32", f"{node.input(0).dtype} values")
    params = {**average_pool_2d.geometry(node), **float_clamp(node)}
    return Call("l2_f32", "eq_l2_pool_2d_f32", "eq_l2_pool_2d_params", params, (INPUT, OUTPUT))


L2_POOL_2D = OpKind("L2_POOL_2D", lower, ("float32",))
