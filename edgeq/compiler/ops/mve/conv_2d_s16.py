"""CONV_2D with int16 activations for cores with MVE: four pixels by two channels at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.conv_2d_s16 import in_bytes
from edgeq.compiler.ops.dsp.int16_channels import WideScales, settled, wide_scales
from edgeq.compiler.ops.mve.conv_2d import MAX_CHANNELS, PIXELS, by_pairs
from edgeq.compiler.ops.mve.layers import as_bytes, padded
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Node,
    Overlap,
    constant_args,
)
from edgeq.compiler.ops.shared.quantized import clamp
from edgeq.compiler.ops.shared.wide import has_int32_accumulator, requant_table

_LANES = 8  # int16 values in a vector register


def _suits(g: dict[str, int], node: Node) -> bool:
    plain = g["dilation_h"] == g["dilation_w"] == 1 and g["filter_c"] == g["input_c"]
    known = node.input(1).data is not None and not has_int32_accumulator(node)
    return node.isa.has("mve") and plain and known and g["output_c"] <= MAX_CHANNELS


def lower_s16(
    g: dict[str, int], node: Node, values: NDArray[np.int8], rule: Overlap, macs: int
) -> Call | None:
    """The kernel's call; None where this layer does not suit it.

    Args:
        values: Weights as (channels, taps).
        rule: How far the input must lie behind the output, in elements.
    """
    if not _suits(g, node):
        return None
    limits = clamp(node)
    table = requant_table(node, values, narrow=False)
    weights, rows = settled(values.astype(np.int64), table.values, limits)
    scales = wide_scales(weights, rows)
    if not scales.plain or np.any(scales.multiplier % 2):
        return None
    steps = -(-weights.shape[1] // _LANES)
    layer = {k: v for k, v in g.items() if k not in ("dilation_h", "dilation_w", "filter_c")}
    layer |= {"input_c": 2 * g["input_c"], "input_zero_point": 0, "steps": steps}
    return Call(
        "conv_2d_s16",
        "eq_conv_2d_mve_s16",
        "eq_conv_2d_s16_mve_params",
        {"bytes": {**layer, "short_columns": 0}, **limits},
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (_stream(weights, rows[:, 0], scales),),
        scratch_bytes=PIXELS * 2 * _LANES * steps,
        overlaps=(in_bytes(rule, 2),),
        macs=macs,
        kernels="mve",
    )


def _stream(weights: NDArray[np.int64], bias: NDArray[np.int64], scales: WideScales) -> Constant:
    """Eight weights of a channel, eight of the other, for all taps; then both channels' words."""
    order = by_pairs(len(bias))
    taps = padded(weights, _LANES).reshape(len(bias), -1, _LANES)[order]
    taps = taps.transpose(0, 2, 1, 3).reshape(len(order), -1).astype(np.int8)
    words = np.concatenate([bias[order], scales.multiplier[order] // 2], axis=1)
    stream = np.concatenate([taps, as_bytes(words)], axis=1).reshape(-1)
    return Constant("weights", "int8_t", stream, "pairs of channels, see eq_conv_2d_s16_mve.h")
