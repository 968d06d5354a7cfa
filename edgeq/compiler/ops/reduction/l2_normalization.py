"""L2_NORMALIZATION of the last axis: int8 and float32."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, OpKind, Overlap, require
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import require_quantized

_MAX_DEPTH = 33_025  # 2**31 / 255**2


def lower(node: Node) -> Call:
    """The kernel call for one L2_NORMALIZATION."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    require(source.shape == output.shape and len(source.shape) > 0, f"output {output.shape}")
    require(node.option("fused_activation_function") == 0, "a fused activation")
    depth = source.shape[-1]
    params = {"rows": source.elements // max(depth, 1), "depth": depth}
    if source.dtype == "float32":
        return Call(
            "l2_f32",
            "eq_l2_normalization_f32",
            "eq_l2_normalization_f32_params",
            params,
            (INPUT, OUTPUT),
            overlaps=(Overlap(0),),
        )
    require(source.dtype == "int8", f"{source.dtype} values")
    require_quantized(source)
    require(depth <= _MAX_DEPTH, f"a sum of {depth} squares may not fit 32 bits")
    return Call(
        "l2_normalization",
        "eq_l2_normalization_s8",
        "eq_l2_normalization_params",
        {**params, "input_offset": -source.zero_point},
        (INPUT, OUTPUT),
        overlaps=(Overlap(0),),
    )


L2_NORMALIZATION = OpKind("L2_NORMALIZATION", lower, ("int8", "float32"))
