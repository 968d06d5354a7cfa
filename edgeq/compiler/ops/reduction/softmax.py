"""SOFTMAX, int8: exp() is looked up in a table that the host computes exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.reduction.softmax_types import lower_other_type
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Constant,
    Node,
    OpKind,
    constant_args,
    require,
)
from edgeq.model.fixedpoint import (
    exp_on_negative_values,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)

_INTEGER_BITS = 5  # of the scaled difference, Q5.26
_LONG = 8192  # From here on a sum of Q13.19 may overflow.


def exp_table(scale: float, beta: float) -> NDArray[np.int64]:
    """exp(-d * scale * beta) in Q0.31 for d = 0, 1, ...; what lies behind the end counts as 0.

    Source: TFLite `PreprocessSoftmaxScaling`, `CalculateInputRadius` and the reference Softmax.
    """
    real = min(beta * scale * (1 << (31 - _INTEGER_BITS)), (1 << 31) - 1.0)
    require(real > 1, f"an input scale of {scale} with beta {beta}")
    multiplier, shift = quantize_multiplier(real)
    radius = ((1 << _INTEGER_BITS) - 1) * (1 << (31 - _INTEGER_BITS)) // (1 << shift)
    differences = -np.arange(min(radius, 255) + 1, dtype=np.int64)
    scaled = multiply_by_quantized_multiplier(differences, multiplier, shift)
    return exp_on_negative_values(scaled, _INTEGER_BITS)


def lower(node: Node) -> Call:
    """The kernel call for one SOFTMAX."""
    source, output = node.input(0), node.output()
    types = (source.dtype, output.dtype)
    depth = source.shape[-1] if source.shape else 0
    require(depth > 0 and source.shape == output.shape, f"shape {source.shape}")
    if types != ("int8", "int8"):
        rows = {"rows": source.elements // depth, "depth": depth}
        return lower_other_type(node, rows, exp_table)
    quantization = (output.scale, output.zero_point)
    require(quantization == (1 / 256, -128), f"output scale and zero point {quantization}")
    table = exp_table(source.scale, node.option("beta"))
    fast = node.isa.has("dsp") and depth < _LONG
    return Call(
        "softmax",
        f"eq_softmax{'_dsp' if fast else ''}_s8",
        "eq_softmax_params",
        {"rows": source.elements // depth, "depth": depth, "table_size": len(table)},
        (INPUT, *constant_args(1), OUTPUT),
        (Constant("exp_table", "int32_t", table, "exp(-d * scale), Q0.31"),),
        kernels="dsp" if fast else "portable",
    )


SOFTMAX = OpKind("SOFTMAX", lower, ("int8", "int16", "float32"))
