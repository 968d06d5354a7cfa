"""DEPTHWISE_CONV_2D with int16 activations for cores with the DSP extension."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.conv_2d_s16 import in_bytes
from edgeq.compiler.ops.dsp.int16_channels import (
    WideScales,
    settled,
    why_portable_s16,
    wide_scales,
)
from edgeq.compiler.ops.dsp.layers import as_words
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
from edgeq.compiler.ops.shared.wide import requant_table

_LANES = 4


def sums_fit(weights: NDArray[np.int8]) -> bool:
    """Whether the products alone keep to 32 bits, whatever the biases; (channels, taps)."""
    return int(np.abs(weights.astype(np.int64)).sum(axis=1).max(initial=0)) < 1 << 16


def _fours(
    weights: NDArray[np.int64], bias: NDArray[np.int64], scales: WideScales, *, lifted: bool
) -> NDArray[np.int64]:
    """The stream of four channels after four."""
    count, taps = weights.shape
    lift, multiplier = scales.lift[:count], scales.multiplier[:count]
    groups = count // _LANES
    by_four = (weights & 0xFFFF).reshape(groups, _LANES, taps).transpose(0, 2, 1)
    words = by_four[..., 0::2] | by_four[..., 1::2] << 16
    # No -1 for a length: of fewer channels than four there are no groups to tell it from.
    parts = [bias.reshape(groups, _LANES), words.reshape(groups, _LANES // 2 * taps)]
    parts += [lift.reshape(groups, _LANES)] if lifted else []
    parts += [multiplier.reshape(groups, _LANES)]
    stream: NDArray[np.int64] = np.concatenate(parts, axis=1)
    return stream.reshape(-1)


def _singles(
    channels: NDArray[np.int64], weights: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The words of each of these channels, in order."""
    bias, scale = rows[channels, :1], rows[channels, 1:]
    parts = [channels[:, None], bias, bias >> 32, weights[channels], scale]
    return np.concatenate(parts, axis=1)


def lower_s16(
    g: dict[str, int], node: Node, values: NDArray[np.int8], rule: Overlap, macs: int
) -> Call | None:
    """The kernel's call; None where this layer does not suit it.

    Args:
        values: Weights as (channels, taps).
        rule: How far the input must lie behind the output when pixel after pixel is made, in
            elements.
    """
    if not node.isa.has("dsp") or node.input(1).data is None or g["depth_multiplier"] != 1:
        return None
    if not sums_fit(values):
        return None
    rows = requant_table(node, values).values
    weights, rows = settled(values.astype(np.int64), rows, clamp(node))
    scales = wide_scales(weights, rows)
    whole = len(weights) // _LANES * _LANES
    lifted = bool(scales.lift.any())
    # Channels that are computed one by one get weights of 0 among the fours.
    apart = ~scales.fits | (np.arange(len(weights)) >= whole)
    kept = np.where(apart[:, None], 0, np.concatenate([rows[:, :1], weights], axis=1))[:whole]
    stream = _fours(kept[:, 1:], kept[:, 0], scales, lifted=lifted)
    singles = _singles(np.flatnonzero(apart), weights, rows)
    words = as_words(np.concatenate([stream, singles.reshape(-1)]))
    taken = ("batches", "input_h", "input_w", "output_h", "output_w", "filter_h", "filter_w")
    steps = ("stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left")
    return Call(
        "depthwise_conv_2d_s16",
        "eq_depthwise_conv_2d_dsp_s16",
        "eq_depthwise_dsp_s16_params",
        {
            **{name: g[name] for name in (*taken, *steps)},
            "channels": g["input_c"],
            "stream_words": len(stream),
            "singles": len(singles),
            "lifted": int(lifted),
            **clamp(node),
        },
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "uint32_t", words, "channels by fours, in 16 bits"),),
        scratch_bytes=4 * g["filter_h"] * g["filter_w"] + 2 * g["input_c"],
        overlaps=(in_bytes(rule, 2),),
        macs=macs,
        kernels="dsp",
    )


def why_portable(node: Node, g: dict[str, int], values: NDArray[np.int8]) -> str:
    """The conditions that a layer misses; empty on other cores."""
    several = (g["depth_multiplier"] > 1, f"{g['depth_multiplier']} outputs of each channel")
    return why_portable_s16(node, [several, (not sums_fit(values), "sums can pass 32 bits")])
