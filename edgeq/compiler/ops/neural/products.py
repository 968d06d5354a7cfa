"""Products of two computed int8 matrices, by the form that a core has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.compiler.ops.dsp.product import lower_dsp
from edgeq.compiler.ops.mve.product import lower_mve
from edgeq.compiler.ops.shared.base import Call, Constant, Node


def lower_product(
    node: Node,
    shape: Mapping[str, Any],
    scaling: Mapping[str, Any],
    macs: int,
    bound: int,
    bias: Constant | None = None,
) -> Call | None:
    """The call of a core's own kernel; None where it has none that suits.

    Args:
        node: The op.
        shape: The fields of eq_matmul_shape.
        scaling: The other fields of eq_batch_matmul_params.
        macs: Multiply-accumulates of one call.
        bound: On the accumulators.
        bias: Of every column.
    """
    for kernels, lower in (("mve", lower_mve), ("dsp", lower_dsp)):
        if node.isa.has(kernels):
            call = lower(shape, scaling, macs, bound=bound, bias=bias)
            if call is not None:
                return call
    return None
