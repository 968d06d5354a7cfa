"""FULLY_CONNECTED whose weights are computed, or have a zero point: a product of two tensors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.neural import products
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    ParamValue,
    require,
)
from edgeq.compiler.ops.shared.broadcast import LOOPS
from edgeq.compiler.ops.shared.float32 import float_bias, float_clamp
from edgeq.compiler.ops.shared.matrices import Matrices
from edgeq.compiler.ops.shared.quantized import (
    ACCUMULATOR_LIMIT,
    bias_values,
    clamp,
    require_quantized,
)


def lower_product(node: Node, multiplier: tuple[int, int] | None, macs: int) -> Call:
    """The kernel call of such a FULLY_CONNECTED: int8 and float32.

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
    require_quantized(source, weights, output)
    assert weights.quantization is not None
    require(not weights.quantization.per_channel, "computed weights with several scales")
    bias = bias_values(node, 2, columns)
    reach = np.abs(bias) + depth * 255 * 255
    require(bool(np.all(reach < ACCUMULATOR_LIMIT)), f"products of {depth} may overflow 32 bits")
    limits = clamp(node)
    if node.isa.has("dsp"):
        call = _of_core(node, (rows, columns, depth), multiplier, bias, macs)
        if call is not None:
            return call
    return Call(
        "fully_connected",
        "eq_fully_connected_product_s8",
        "eq_fully_connected_product_params",
        {
            "layer.batches": rows,
            "layer.input_c": depth,
            "layer.output_c": columns,
            "layer.output_offset": output.zero_point,
            "layer.multiplier": multiplier[0],
            "layer.shift": multiplier[1],
            "layer.activation_min": limits["activation_min"],
            "layer.activation_max": limits["activation_max"],
            "input_offset": -source.zero_point,
            "weights_offset": -weights.zero_point,
        },
        (INPUT, Arg("input", 1), Arg("constant"), OUTPUT),
        (Constant("bias", "int32_t", bias),),
        macs=macs,
    )


def _of_core(
    node: Node,
    extent: tuple[int, int, int],
    multiplier: tuple[int, int],
    bias: NDArray[np.int64],
    macs: int,
) -> Call | None:
    """The call of a core's own kernel; None where it has none that suits.

    Args:
        extent: Rows, columns and depth.
    """
    rows, columns, depth = extent
    shape = {
        **{f"shape.batches.{name}": [int(name == "size")] * LOOPS for name in ("size", "step1")},
        "shape.batches.step2": [0] * LOOPS,
        "shape.rows": rows,
        "shape.columns": columns,
        "shape.depth": depth,
        "shape.row_step1": depth,
        "shape.depth_step1": 1,
        "shape.depth_step2": 1,
        "shape.column_step2": depth,
    }
    scaling = {
        "input1_offset": -node.input(0).zero_point,
        "input2_offset": -node.input(1).zero_point,
        "output_offset": node.output().zero_point,
        "output_multiplier": multiplier[0],
        "output_shift": multiplier[1],
        **clamp(node),
    }
    bound = int(np.abs(bias).max(initial=0)) + depth * 255 * 255
    constant = Constant("bias", "int32_t", bias)
    return products.lower_product(node, Matrices(shape, scaling, macs, bound, constant))


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
