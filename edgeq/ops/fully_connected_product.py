"""FULLY_CONNECTED whose weights are computed: a product of two activations."""

from __future__ import annotations

from edgeq.ops.base import INPUT, OUTPUT, Arg, Call, Node, ParamValue, require
from edgeq.ops.batch_matmul import MAX_DEPTH
from edgeq.ops.broadcast import merged
from edgeq.ops.float32 import float_bias, float_clamp
from edgeq.ops.quantized import clamp, require_quantized


def lower_product(node: Node, multiplier: tuple[int, int] | None, macs: int) -> Call:
    """The kernel call of a FULLY_CONNECTED that has no constant weights: int8 and float32.

    Args:
        multiplier: Of the quantized layer's scale, with its shift; None for float32.
        macs: Multiply-accumulates of one call.
    """
    source, weights, output = node.input(0), node.input(1), node.output()
    types = {source.dtype, weights.dtype, output.dtype}
    require(types in ({"int8"}, {"float32"}), f"weights computed in a layer of {sorted(types)}")
    require(len(weights.shape) == 2, f"weights of shape {weights.shape}")
    columns, depth = weights.shape
    require(source.elements % depth == 0, f"input {source.shape}")
    rows = source.elements // depth
    require(output.elements == rows * columns, f"output {output.shape}")
    if multiplier is None:
        return _float32(node, {"batches": rows, "input_c": depth, "output_c": columns}, macs)
    require(not node.has_input(2), "a bias beside weights that are computed")
    require_quantized(source, weights, output)
    require(depth <= MAX_DEPTH["int8"], f"products of {depth} may overflow the accumulator")
    sizes, steps = merged([(), ()], ())
    return Call(
        "batch_matmul",
        "eq_batch_matmul_s8",
        "eq_batch_matmul_params",
        {
            "shape.batches.size": sizes,
            "shape.batches.step1": steps[0],
            "shape.batches.step2": steps[1],
            "shape.rows": rows,
            "shape.columns": columns,
            "shape.depth": depth,
            "shape.row_step1": depth,
            "shape.depth_step1": 1,
            "shape.depth_step2": 1,
            "shape.column_step2": depth,
            "input1_offset": -source.zero_point,
            "input2_offset": -weights.zero_point,
            "output_offset": output.zero_point,
            "output_multiplier": multiplier[0],
            "output_shift": multiplier[1],
            **clamp(node),
        },
        (INPUT, Arg("input", 1), OUTPUT),
        macs=macs,
    )


def _float32(node: Node, extent: dict[str, ParamValue], macs: int) -> Call:
    channels = node.input(1).shape[0]
    computed = node.has_input(2) and node.input(2).data is None
    if computed:
        bias = node.input(2)
        require(bias.dtype == "float32" and bias.elements == channels, f"a bias of {bias.shape}")
    return Call(
        "fully_connected_f32",
        "eq_fully_connected_f32",
        "eq_fully_connected_f32_params",
        {**extent, **float_clamp(node)},
        (INPUT, Arg("input", 1), Arg("input", 2) if computed else Arg("constant"), OUTPUT),
        () if computed else (float_bias(node, 2, channels),),
        macs=macs,
    )
