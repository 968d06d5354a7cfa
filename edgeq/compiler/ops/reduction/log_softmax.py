"""LOG_SOFTMAX of the last axis: int8 and float32."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    Overlap,
    require,
)
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import require_quantized
from edgeq.model.fixedpoint import (
    exp_on_negative_values,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
)

_INTEGER_BITS = 5  # of the scaled difference, Q5.26
_MAX_DEPTH = 1 << 12


def lower(node: Node) -> Call:
    """The kernel call for one LOG_SOFTMAX."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    require(source.shape == output.shape and source.elements > 0, f"output {output.shape}")
    depth = source.shape[-1] if source.shape else 1
    params = {"rows": source.elements // depth, "depth": depth}
    if source.dtype == "float32":
        return Call(
            "log_softmax_f32",
            "eq_log_softmax_f32",
            "eq_log_softmax_f32_params",
            params,
            (INPUT, OUTPUT),
            overlaps=(Overlap(0),),
        )
    require(source.dtype == "int8", f"{source.dtype} values")
    require_quantized(source, output)
    quantization = (output.scale, output.zero_point)
    require(quantization == (1 / 16, 127), f"output scale and zero point {quantization}")
    require(depth < _MAX_DEPTH, f"rows of {depth}; fewer than {_MAX_DEPTH} are possible")
    table, scaling = _tables(source.scale)
    return Call(
        "log_softmax",
        "eq_log_softmax_s8",
        "eq_log_softmax_params",
        {**params, **scaling},
        (INPUT, Arg("constant"), OUTPUT),
        (table,),
        overlaps=(Overlap(0),),
    )


def _tables(scale: float) -> tuple[Constant, dict[str, int]]:
    """The kernel's tables, and the fields of its params that belong to them.

    Source: TFLite `PreprocessLogSoftmaxScalingExp`, `CalculateInputRadius` and LogSoftmax.
    """
    one = 1 << (31 - _INTEGER_BITS)
    multiplier, shift = quantize_multiplier(min(scale * one, (1 << 31) - 1.0))
    require(shift > 0, f"an input scale of {scale} is too small")
    radius = ((1 << _INTEGER_BITS) - 1) * one // (1 << shift)
    differences = -np.arange(min(radius, 255) + 1, dtype=np.int64)
    scaled = multiply_by_quantized_multiplier(differences, multiplier, shift)
    exp = rounding_divide_by_pot(exp_on_negative_values(scaled, _INTEGER_BITS), 12)
    reverse, reverse_shift = quantize_multiplier((1 << (31 - shift)) / multiplier)
    note = "exp(-d * scale) in Q12.19, then -d * scale in Q5.26"
    return Constant("tables", "int32_t", np.concatenate([exp, scaled]), note), {
        "table_size": len(differences),
        "reverse_multiplier": reverse,
        "reverse_shift": reverse_shift,
    }


LOG_SOFTMAX = OpKind("LOG_SOFTMAX", lower, ("int8", "float32"))
