"""AVERAGE_POOL_2D: int8, int16 and float32."""

from __future__ import annotations

from dataclasses import replace

from edgeq.compiler.ops.neural import conv_2d
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, OpKind, Overlap, require
from edgeq.compiler.ops.shared.float32 import float_clamp
from edgeq.compiler.ops.shared.quantized import clamp
from edgeq.compiler.ops.shared.windows import image_shape, padding_before

_HOST_WINDOW = 1 << 23
_MVE_WINDOW = 5770  # 129 times its square is below 2^32, see eq_average_pool_2d_mve.h


def geometry(node: Node) -> dict[str, int]:
    """The shape fields of eq_average_pool_2d_params."""
    batches, input_h, input_w, channels = image_shape(node.input(0))
    output_batches, output_h, output_w, output_c = image_shape(node.output())
    same = (batches, channels) == (output_batches, output_c)
    require(same, f"input {node.input(0).shape} does not give {node.output().shape}")
    filter_h, filter_w = node.option("filter_height"), node.option("filter_width")
    stride_h, stride_w = node.option("stride_h"), node.option("stride_w")
    require(min(filter_h, filter_w, stride_h, stride_w) > 0, "window and strides must be positive")
    return {
        "batches": batches,
        "input_h": input_h,
        "input_w": input_w,
        "channels": channels,
        "output_h": output_h,
        "output_w": output_w,
        "filter_h": filter_h,
        "filter_w": filter_w,
        "stride_h": stride_h,
        "stride_w": stride_w,
        "pad_top": padding_before(node, input_h, output_h, filter_h, stride_h, 1),
        "pad_left": padding_before(node, input_w, output_w, filter_w, stride_w, 1),
    }


def _other_type(node: Node, g: dict[str, int], behind: Overlap) -> Call:
    """The kernel call of an int16 or float32 AVERAGE_POOL_2D; `behind` holds for int8."""
    types = (node.input(0).dtype, node.output().dtype)
    require(types in (("int16", "int16"), ("float32", "float32")), f"types {types}")
    is_float = types[0] == "float32"
    require(g["filter_h"] * g["filter_w"] < 1 << 15, "the window is too large")
    return Call(
        "average_pool_2d_types",
        "eq_average_pool_2d_f32" if is_float else "eq_average_pool_2d_s16",
        "eq_average_pool_2d_f32_params" if is_float else "eq_average_pool_2d_params",
        {**g, **(float_clamp(node) if is_float else clamp(node))},
        (INPUT, OUTPUT),
        overlaps=(replace(behind, distance=behind.distance * (4 if is_float else 2)),),
    )


def lower(node: Node) -> Call:
    """The kernel call for one AVERAGE_POOL_2D."""
    types = (node.input(0).dtype, node.output().dtype)
    g = geometry(node)
    window = {**g, "input_c": g["channels"], "output_c": g["channels"]}
    behind = conv_2d.overlap(window, 1, buffered=False)
    if types != ("int8", "int8"):
        return _other_type(node, g, behind)
    mve = node.isa.has("mve") and g["filter_h"] * g["filter_w"] < _MVE_WINDOW
    # Sums of a window in 32 bits.
    host = node.isa.has("host") and g["filter_h"] * g["filter_w"] < _HOST_WINDOW
    core = "mve" if mve else "host" if host else "portable"
    return Call(
        "average_pool_2d",
        f"eq_average_pool_2d{'' if core == 'portable' else f'_{core}'}_s8",
        "eq_average_pool_2d_params",
        {**g, **clamp(node)},
        (INPUT, OUTPUT),
        overlaps=(behind,),
        kernels=core,
    )


AVERAGE_POOL_2D = OpKind("AVERAGE_POOL_2D", lower, ("int8", "int16", "float32"))
