"""1x1 CONV_2D on eight input channels for cores with the DSP extension."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeq.compiler.ops.dsp.layers import as_words, dsp_scale
from edgeq.compiler.ops.dsp.merged import MERGED_ALL, merged_addend, merged_bits
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Constant,
    Node,
    Overlap,
    constant_args,
)
from edgeq.compiler.ops.shared.channels import Channels

_INPUTS = 8
_PIXELS = 2  # at once where both roundings are one
_ORDER = [0, 2, 1, 3, 4, 6, 5, 7]
_FULL = (-128, 127)


def lower_eight(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    overlap: Callable[[int], Overlap],
    macs: int,
) -> Call | None:
    """The kernel's call; None where the layer is another one.

    Args:
        overlap: How far the input must lie behind the output when so many pixels are made at once,
            all read before the first is written.
    """
    scale = dsp_scale(channels, node.output(), clamp)
    ones = ("filter_h", "filter_w", "stride_h", "stride_w")
    plain = g["input_c"] == g["filter_c"] == _INPUTS and all(g[name] == 1 for name in ones)
    full = (clamp["activation_min"], clamp["activation_max"]) == _FULL
    if scale is None or not plain or not full or g["output_c"] % 2 or node.optimize == "size":
        return None
    if channels.bound.max() >= 1 << 30:
        return None
    bits, how = merged_bits(channels, scale)
    merged = how == MERGED_ALL and g["output_h"] * g["output_w"] % _PIXELS == 0
    bits = bits if merged else bits * 0 + 1
    taps = (channels.weights[:, _ORDER] << bits[:, np.newaxis]) & 0xFFFF
    words, bias = taps[:, 0::2] | taps[:, 1::2] << 16, (channels.bias << bits)[:, np.newaxis]
    if merged:
        tail = [channels.multiplier, merged_addend(node.output().zero_point, bits)]
        parts = [bias, words, np.stack(tail, 1)]
    else:
        rounding = scale["twice_offset_plus_1"] << (channels.shift - 1)
        parts = [words, bias, np.stack([channels.multiplier, rounding, channels.shift - 1], 1)]
    stream = as_words(np.concatenate(parts, axis=1))
    return Call(
        "conv_2d_eight",
        "eq_conv_2d_eight_dsp_s8",
        "eq_conv_2d_eight_dsp_params",
        {
            "pixels": g["batches"] * g["output_h"] * g["output_w"],
            "output_c": g["output_c"],
            "merged": int(merged),
        },
        (INPUT, *constant_args(1), OUTPUT),
        (Constant("weights", "uint32_t", stream, "channel by channel, 16 bits"),),
        overlaps=(overlap(_PIXELS if merged else 1),),
        macs=macs,
        kernels="dsp",
    )
