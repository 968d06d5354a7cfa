"""DEPTHWISE_CONV_2D with int16 activations for cores with MVE: eight channels at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.conv_2d_s16 import in_bytes
from edgeq.compiler.ops.dsp.depthwise_conv_2d_s16 import sums_fit
from edgeq.compiler.ops.dsp.int16_channels import settled, wide_scales
from edgeq.compiler.ops.mve.layers import as_bytes
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Constant,
    Node,
    Overlap,
    constant_args,
)
from edgeq.compiler.ops.shared.quantized import clamp
from edgeq.compiler.ops.shared.wide import requant_table

_LANES = 8  # int16 values in a vector register
_FIELDS = ("batches", "input_h", "input_w", "output_h", "output_w", "filter_h", "filter_w")
_STEPS = ("stride_h", "stride_w", "pad_top", "pad_left")


def _suits(g: dict[str, int], node: Node, values: NDArray[np.int8]) -> bool:
    plain = g["dilation_h"] == g["dilation_w"] == g["depth_multiplier"] == 1
    whole = g["input_c"] % _LANES == 0 and node.input(1).data is not None
    return node.isa.has("mve") and plain and whole and sums_fit(values)


def lower_s16(
    g: dict[str, int], node: Node, values: NDArray[np.int8], rule: Overlap, macs: int
) -> Call | None:
    """The kernel's call; None where this layer does not suit it.

    Args:
        values: Weights as (channels, taps).
        rule: How far the input must lie behind the output when pixel after pixel is made, in
            elements.
    """
    if not _suits(g, node, values):
        return None
    limits = clamp(node)
    weights, rows = settled(values.astype(np.int64), requant_table(node, values).values, limits)
    scales = wide_scales(weights, rows)
    if not scales.fits.all():
        return None
    lifted = bool(scales.lift.any())
    words = [rows[:, 0], scales.multiplier, *([scales.lift] if lifted else [])]
    # Products stand in two registers, those of the even channels and those of the odd ones.
    by_eight = np.stack(words).reshape(len(words), -1, _LANES // 2, 2).swapaxes(2, 3)
    stream = np.concatenate([as_bytes(by_eight.reshape(-1)), weights.T.reshape(-1).astype(np.int8)])
    return Call(
        "depthwise_conv_2d_s16",
        "eq_depthwise_conv_2d_mve_s16",
        "eq_depthwise_conv_2d_s16_mve_params",
        {
            **{name: g[name] for name in (*_FIELDS, *_STEPS)},
            "channels": g["input_c"],
            "lifted": int(lifted),
            **limits,
        },
        (INPUT, *constant_args(1), OUTPUT),
        (Constant("weights", "int8_t", stream, "biases, scales; filter (1HWC)"),),
        overlaps=(in_bytes(rule, 2),),
        macs=macs,
        kernels="mve",
    )
