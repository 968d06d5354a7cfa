"""MAX_POOL_2D: int8, int16 and float32."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.elementwise.arithmetic import SUFFIXES, plain_clamp
from edgeq.compiler.ops.neural import average_pool_2d
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Node,
    OpKind,
    Overlap,
    ParamValue,
    overlap_distance,
    require,
)
from edgeq.compiler.ops.shared.movement import element_bytes, require_same_type
from edgeq.compiler.ops.shared.quantized import clamp, require_quantized

_TYPES = ("int8", "int16", "float32")


def _overlap(g: dict[str, int], size: int) -> Overlap:
    """How far the input must lie behind the output; each value is made from its own channel."""
    row, image = g["input_w"], g["input_h"] * g["input_w"]
    y = np.maximum(np.arange(g["output_h"]) * g["stride_h"] - g["pad_top"], 0) * row
    x = np.maximum(np.arange(g["output_w"]) * g["stride_w"] - g["pad_left"], 0)
    pixels = np.arange(g["batches"])[:, None, None] * image + y[:, None] + x
    reads = (pixels.reshape(-1, 1) * g["channels"] + np.arange(g["channels"])).reshape(-1)
    ends = np.arange(1, len(reads) + 1)
    return Overlap(0, overlap_distance(reads * size, ends * size, buffered=True))


def lower(node: Node) -> Call:
    """The kernel call for one MAX_POOL_2D."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    require(source.dtype in _TYPES, f"{source.dtype} values")
    is_float = source.dtype == "float32"
    g = average_pool_2d.geometry(node)
    limits: dict[str, ParamValue]
    if is_float:
        limits = {**plain_clamp(node)}
    else:
        require_quantized(output)
        limits = {**clamp(node)}
    return Call(
        "max_pool_2d",
        f"eq_max_pool_2d_{SUFFIXES[source.dtype]}",
        f"eq_max_pool_2d{'_f32' if is_float else ''}_params",
        {**g, **limits},
        (INPUT, OUTPUT),
        overlaps=(_overlap(g, element_bytes(source)),),
    )


MAX_POOL_2D = OpKind("MAX_POOL_2D", lower, _TYPES)
