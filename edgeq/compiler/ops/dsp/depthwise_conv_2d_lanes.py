"""DEPTHWISE_CONV_2D for cores with the DSP extension: four channels of a pixel, tap by tap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.layers import as_words, dsp_scale
from edgeq.compiler.ops.dsp.merged import MERGED_ALL, merged_addend, merged_bits
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Loop,
    Node,
    Overlap,
    constant_args,
)
from edgeq.compiler.ops.shared.channels import Channels

_LANES = 4
_INSIDE = 3  # filters that eq_lanes_inside_dsp takes are so high and wide
_TOLD = (
    *("input_h", "input_w", "output_h", "output_w", "channels", "pad_top", "pad_left"),
    *("input_zero_point", "stream_words", "scale.twice_offset_plus_1", "scale.rectified"),
)


def _pack(
    channels: Channels, zero_point: int, bits: NDArray[np.int64], *, merged: bool
) -> NDArray[np.uint32]:
    """The stream that eq_depthwise_lanes_dsp_s8 reads, four channels after four.

    Args:
        bits: As `merged_bits` gives them.
    """
    count, taps = channels.weights.shape
    up = bits if merged else 0 * bits
    weights = channels.weights << up[:, np.newaxis]
    by_four = (weights & 0xFFFF).reshape(-1, _LANES, taps).transpose(0, 2, 1)
    words = np.stack(
        [by_four[..., 0] | by_four[..., 2] << 16, by_four[..., 1] | by_four[..., 3] << 16], axis=-1
    )
    if merged:
        scale = np.stack([channels.multiplier, merged_addend(zero_point, bits)], axis=-1)
    else:
        rounding = (2 * zero_point + 1) << (channels.shift - 1)
        scale = np.stack([channels.multiplier * 2, rounding, channels.shift - 1], axis=-1)
    groups = count // _LANES
    parts = [(channels.bias << up).reshape(groups, -1), words.reshape(groups, -1)]
    return as_words(np.concatenate([*parts, scale.reshape(groups, -1)], axis=1))


def _loops(g: dict[str, int], *, merged: bool) -> tuple[Loop, ...]:
    """The taps of a pixel that are read through a list of addresses."""
    taps = g["filter_h"] * g["filter_w"]
    pixels = g["batches"] * g["output_h"] * g["output_w"]
    if merged and g["filter_h"] == g["filter_w"] == _INSIDE:  # only those at the border
        pixels -= g["batches"] * _inside(g, "h") * _inside(g, "w")
    function = "eq_lanes_merged_dsp" if merged else "eq_lanes_of_pixel_dsp"
    groups = g["input_c"] // _LANES
    return (Loop("EQ_LANES_UNROLL", 9, function, 36, 2, pixels * groups, taps),)


def _inside(g: dict[str, int], axis: str) -> int:
    """Outputs along an axis whose taps are all inside the image."""
    reach = (g[f"filter_{axis}"] - 1) * g[f"dilation_{axis}"]
    pad = g["pad_top" if axis == "h" else "pad_left"]
    starts = np.arange(g[f"output_{axis}"]) * g[f"stride_{axis}"] - pad
    return int(((starts >= 0) & (starts + reach < g[f"input_{axis}"])).sum())


def lower_lanes(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    rule: Overlap,
    macs: int,
) -> Call | None:
    """The kernel's call; None where this layer does not suit it.

    Args:
        rule: How far the input must lie behind the output when pixel after pixel is made.
    """
    scale = dsp_scale(channels, node.output(), clamp)
    if scale is None or g["depth_multiplier"] != 1 or g["input_c"] % _LANES != 0:
        return None
    bits, how = merged_bits(channels, scale)
    merged = how == MERGED_ALL
    stream = _pack(channels, node.output().zero_point, bits, merged=merged)
    taken = ("batches", "input_h", "input_w", "output_h", "output_w", "filter_h", "filter_w")
    steps = ("stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left")
    return Call(
        "depthwise_conv_2d_lanes",
        "eq_depthwise_lanes_dsp_s8",
        "eq_depthwise_lanes_dsp_params",
        {
            **{name: g[name] for name in (*taken, *steps)},
            "channels": g["input_c"],
            "input_zero_point": node.input(0).zero_point,
            "stream_words": len(stream),
            "merged": int(merged),
            "scale": scale,
        },
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "uint32_t", stream, "channels by fours, in lanes"),),
        scratch_bytes=4 * g["filter_h"] * g["filter_w"] + g["input_c"],
        overlaps=(rule,),
        macs=macs,
        kernels="dsp",
        told=_TOLD,
        loops=_loops(g, merged=merged),
    )
