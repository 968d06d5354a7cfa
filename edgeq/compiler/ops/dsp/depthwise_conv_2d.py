"""DEPTHWISE_CONV_2D for cores with the DSP extension: a channel at a time, two taps at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.layers import as_words, dsp_scale
from edgeq.compiler.ops.dsp.merged import merged_bits
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Node,
    Overlap,
    constant_args,
    overlap_distance,
)
from edgeq.compiler.ops.shared.channels import Channels

MAX_TAP_WORDS = 8  # EQ_DEPTHWISE_MAX_TAP_WORDS
_MERGED = 256  # EQ_DEPTHWISE_MERGED
_BAND = 2  # output lines made at once where the output may not be the input's memory

# What `oriented` gives that layers with one function between them are told.
SIZES = (
    *("channels", "input_bytes", "input_lines", "input_along", "input_line_pitch", "input_pitch"),
    *("output_bytes", "output_lines", "output_along", "output_line_pitch", "output_pitch"),
    *("pad_lines", "pad_along", "band", "input_zero_point", "scale.twice_offset_plus_1"),
)


def oriented(g: dict[str, int]) -> tuple[dict[str, int], bool]:
    """Lines along rows, or along columns where that wastes fewer outputs."""
    c = g["input_c"]
    along_w, along_h = g["output_w"], g["output_h"]
    # An odd line's last output has no partner; a filter three taps long has the fastest kernel.
    waste_w = (along_w % 2) * g["output_h"] + 4 * (g["filter_w"] != 3) * g["output_h"] * along_w
    waste_h = (along_h % 2) * g["output_w"] + 4 * (g["filter_h"] != 3) * g["output_w"] * along_h
    swap = waste_h < waste_w or (g["filter_w"] == 1 and g["filter_h"] > 1)
    lines, along = ("w", "h") if swap else ("h", "w")
    pitch = {"h": c * g["input_w"], "w": c}
    output_pitch = {"h": c * g["output_w"], "w": c}
    pad = {"h": g["pad_top"], "w": g["pad_left"]}
    return {
        "batches": g["batches"],
        "channels": c,
        "input_bytes": g["input_h"] * g["input_w"] * c,
        "output_bytes": g["output_h"] * g["output_w"] * c,
        "input_lines": g[f"input_{lines}"],
        "input_along": g[f"input_{along}"],
        "input_line_pitch": pitch[lines],
        "input_pitch": pitch[along],
        "output_lines": g[f"output_{lines}"],
        "output_along": g[f"output_{along}"],
        "output_line_pitch": output_pitch[lines],
        "output_pitch": output_pitch[along],
        "filter_lines": g[f"filter_{lines}"],
        "filter_along": g[f"filter_{along}"],
        "stride": g["stride_h"],
        "pad_lines": pad[lines],
        "pad_along": pad[along],
    }, swap


def _pack(
    channels: Channels, filters: NDArray[np.int64], bits: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """The stream that eq_depthwise_channel_dsp reads, the taps of each line four bytes a word.

    Args:
        filters: (channels, filter_lines, filter_along).
        bits: As `merged_bits` gives them.
    """
    along = filters.shape[2]
    if along == 3:
        # Even bytes give (w0, w1), odd ones (w1, w2).
        taps = filters[:, :, [0, 1, 1, 2]]
    else:
        taps = np.pad(filters, ((0, 0), (0, 0), (0, -along % 4)))
        # Even bytes give the first two taps of four, odd ones the last two.
        taps = taps.reshape(*filters.shape[:2], -1, 4)[..., [0, 2, 1, 3]]
    taps = taps.reshape(len(filters), -1, 4) & 0xFF
    words = taps[..., 0] | taps[..., 1] << 8 | taps[..., 2] << 16 | taps[..., 3] << 24
    how = np.where(bits > 0, _MERGED + (1 << bits), channels.shift - 1)
    head = np.stack([channels.bias << np.maximum(bits, 1), channels.multiplier, how], axis=1)
    stream = np.concatenate([head, words], axis=1).reshape(-1)
    return as_words(stream)


def _is_paired(params: dict[str, int], clamp: dict[str, int]) -> bool:
    """Whether lines are computed by the assembly for filters of 3x3."""
    small = params["filter_lines"] == params["filter_along"] == 3
    return small and params["output_along"] >= 2 and tuple(clamp.values()) == (-128, 127)


def band_overlap(
    params: dict[str, int], g: dict[str, int], swapped: bool
) -> tuple[Overlap | None, int]:
    """The overlap rule, if there is one, and the number of lines of a band."""
    lines = params["output_lines"]
    same = params["input_line_pitch"] == params["output_line_pitch"] or lines == 1
    if same and params["input_pitch"] == params["output_pitch"] and g["stride_h"] == 1:
        return (Overlap(0, exact=True) if g["batches"] == 1 else None), lines
    if swapped or g["batches"] != 1:
        return None, lines
    starts = np.arange(0, lines, _BAND)
    first = np.maximum(starts * params["stride"] - params["pad_lines"], 0)
    ends = np.minimum(starts + _BAND, lines)
    distance = overlap_distance(
        first * params["input_line_pitch"], ends * params["output_line_pitch"], buffered=False
    )
    return Overlap(0, distance), _BAND


def lower_dsp(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    macs: int,
) -> Call | None:
    """The DSP kernel's call; None where this layer does not suit it."""
    scale = dsp_scale(channels, node.output(), clamp)
    strides = (g["stride_h"], g["stride_w"])
    plain = g["dilation_h"] == g["dilation_w"] == g["depth_multiplier"] == 1
    if scale is None or channels.bound.max(initial=0) >= 1 << 30:
        return None
    if not plain or strides not in ((1, 1), (2, 2)):
        return None
    params, swapped = oriented(g)
    along = params["filter_along"]
    tap_words = params["filter_lines"] * (1 if along == 3 else -(-along // 4))
    if tap_words > MAX_TAP_WORDS or (params["stride"] == 2 and along != 3):
        return None
    rule, band = band_overlap(params, g, swapped)
    # Every word that the last pair of outputs of a line reads.
    pairs = -(-params["output_along"] // 2)
    reach = pairs * params["stride"] + max((along + 1) // 2, params["stride"])
    line_words = max(reach, -(-(params["pad_along"] + params["input_along"]) // 2))
    filters = channels.weights.reshape(-1, g["filter_h"], g["filter_w"])
    if swapped:
        filters = filters.transpose(0, 2, 1)
    bits, merged = merged_bits(channels, scale)
    plane_lines = (band - 1) * params["stride"] + params["filter_lines"]
    return Call(
        "depthwise_conv_2d",
        "eq_depthwise_conv_2d_dsp_s8",
        "eq_depthwise_conv_2d_dsp_params",
        {
            **params,
            "line_words": line_words,
            "band": band,
            "input_zero_point": node.input(0).zero_point,
            "merged": merged,
            "paired": int(_is_paired(params, clamp)),
            "scale": scale,
        },
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "uint32_t", _pack(channels, filters, bits), "channel by channel"),),
        scratch_bytes=4 * line_words * plane_lines,
        overlaps=(rule,) if rule is not None else (),
        macs=macs,
        kernels="dsp",
        told=(*SIZES, "line_words", "merged", "scale.rectified"),
    )
