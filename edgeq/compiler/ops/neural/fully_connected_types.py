"""FULLY_CONNECTED of types other than int8: int16 activations, and float32."""

from __future__ import annotations

from edgeq.compiler.ops.dsp.fully_connected_s16 import lower_s16
from edgeq.compiler.ops.dsp.int16_channels import why_portable_s16
from edgeq.compiler.ops.fpu.fully_connected_f32 import lower_f32
from edgeq.compiler.ops.fpu.groups import FLOAT_TYPES
from edgeq.compiler.ops.host.float32 import lower_dense_f32
from edgeq.compiler.ops.mve.fully_connected_s16 import lower_s16 as lower_mve_s16
from edgeq.compiler.ops.neural.convolution_types import weight_arguments, weight_values
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Constant,
    Node,
    constant_args,
    require,
)
from edgeq.compiler.ops.shared.float32 import float_bias, float_clamp
from edgeq.compiler.ops.shared.quantized import clamp
from edgeq.compiler.ops.shared.wide import has_int32_accumulator, requant_table


def lower_other_type(node: Node, macs: int) -> Call:
    """The kernel call of a FULLY_CONNECTED that is not int8."""
    source, weights, output = node.input(0), node.input(1), node.output()
    types = (source.dtype, weights.dtype, output.dtype)
    require(len(weights.shape) == 2, f"weights of shape {weights.shape}")
    output_c, input_c = weights.shape
    require(input_c > 0 and source.elements % input_c == 0, f"input {source.shape}")
    batches = source.elements // input_c
    require(output.elements == batches * output_c, f"output {output.shape}")
    extent = {"batches": batches, "input_c": input_c, "output_c": output_c}
    values = weight_values(node)
    if types == FLOAT_TYPES:
        fast = lower_f32(extent, node, macs) or lower_dense_f32(extent, node, macs)
        return fast or Call(
            "fully_connected_f32",
            "eq_fully_connected_f32",
            "eq_fully_connected_f32_params",
            {**extent, **float_clamp(node)},
            (INPUT, *constant_args(2), OUTPUT),
            (Constant("weights", "float", values, "output, input"), float_bias(node, 2, output_c)),
            macs=macs,
        )
    require(types == ("int16", "int8", "int16"), f"types {types}")
    narrow = has_int32_accumulator(node)
    table = requant_table(node, values, zero_point=source.zero_point, narrow=narrow)
    call = lower_mve_s16(extent, node, table, macs, narrow=narrow)
    call = call or lower_s16(extent, node, table, macs, narrow=narrow)
    if call is not None:
        return call
    arguments, constants = weight_arguments(node, "int8_t", "output, input", table)
    return Call(
        "fully_connected_s16",
        "eq_fully_connected_s16_bias32" if narrow else "eq_fully_connected_s16",
        "eq_fully_connected_s16_params",
        {
            **extent,
            "input_offset": -source.zero_point,
            "output_offset": output.zero_point,
            **clamp(node),
        },
        (INPUT, *arguments, OUTPUT),
        constants,
        macs=macs,
        why_portable=why_portable_s16(node, []),
    )
