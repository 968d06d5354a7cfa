"""Products of two computed int8 matrices, by the form that a core has for them."""

from __future__ import annotations

from edgeq.compiler.ops.dsp.product import lower_dsp
from edgeq.compiler.ops.mve.product import lower_mve
from edgeq.compiler.ops.shared.base import Call, Node
from edgeq.compiler.ops.shared.matrices import Matrices


def lower_product(node: Node, product: Matrices) -> Call | None:
    """The call of a core's own kernel; None where it has none that suits."""
    for kernels, lower in (("mve", lower_mve), ("dsp", lower_dsp)):
        if node.isa.has(kernels):
            call = lower(product)
            if call is not None:
                return call
    return None
