"""TRANSPOSE_CONV for cores with the DSP extension: a convolution for each phase of the strides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp import int16_channels, reasons
from edgeq.compiler.ops.dsp.conv_2d import PIXELS, pass_stream
from edgeq.compiler.ops.dsp.conv_2d_s16 import pair_stream
from edgeq.compiler.ops.dsp.int16_channels import settled, wide_scales
from edgeq.compiler.ops.dsp.layers import dsp_scale, joined_words, pair_fits, pass_scale
from edgeq.compiler.ops.shared.base import (
    OUTPUT,
    SCRATCH,
    Arg,
    Call,
    Constant,
    Node,
    constant_args,
)
from edgeq.compiler.ops.shared.channels import Channels
from edgeq.model.fixedpoint import quantize_multipliers

_PHASES = 4  # EQ_PHASES


def _phases(g: dict[str, int]) -> list[NDArray[np.int64]]:
    """The taps of each phase in the order in which the kernel's columns hold their inputs."""
    taps = np.arange(g["filter_h"] * g["filter_w"] * g["input_c"])
    image = taps.reshape(g["filter_h"], g["filter_w"], g["input_c"])
    return [
        image[y :: g["stride_h"], x :: g["stride_w"]].reshape(-1)
        for y in range(g["stride_h"])
        for x in range(g["stride_w"])
    ]


def _shape_problems(g: dict[str, int]) -> list[str]:
    """What keeps a shape from these kernels, in words: phases without taps, or too many of them."""
    sides = [(g["stride_h"], g["filter_h"]), (g["stride_w"], g["filter_w"])]
    found = []
    if any(stride > min(taps, _PHASES) for stride, taps in sides):
        found.append(f"a stride above {_PHASES} or above the filter's size")
    if g["input_c"] % 4:
        found.append(f"{g['input_c']} channels are not a multiple of four")
    return found


def _channels(
    rows: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]], scales: Sequence[float]
) -> Channels:
    weights, bias, bound = rows
    multiplier, left = quantize_multipliers(np.array(scales))
    return Channels(weights.astype(np.int64), bias, multiplier, -left, bound)


def why_portable(
    node: Node,
    g: dict[str, int],
    rows: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    scales: Sequence[float],
) -> str:
    """The conditions that an int8 layer misses; empty on other cores.

    Args:
        rows: Weights (channels, taps), biases and bounds on the accumulators.
        scales: Of every channel's accumulator to the output.
    """
    if not node.isa.has("dsp"):
        return ""
    others = reasons.why_portable(node, _channels(rows, scales), {}, paired=True)
    return "; ".join(part for part in (*_shape_problems(g), others) if part)


def why_portable_s16(node: Node, g: dict[str, int]) -> str:
    """The conditions that a layer with int16 activations misses; empty on other cores."""
    shape = [(True, problem) for problem in _shape_problems(g)]
    wide = (not shape, "a channel's sum or scale needs more than 32 bits")
    return int16_channels.why_portable_s16(node, [*shape, wide])


def lower_dsp(
    g: dict[str, int],
    node: Node,
    rows: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    scales: Sequence[float],
    clamp: dict[str, int],
    macs: int,
    *,
    source: int,
) -> Call | None:
    """The DSP kernel's call; None where this layer does not suit it.

    Args:
        rows: Weights (channels, taps), biases and bounds on the accumulators.
        scales: Of every channel's accumulator to the output.
        source: Position of the input.
    """
    channels, bias = _channels(rows, scales), rows[1]
    scale = dsp_scale(channels, node.output(), clamp)
    if scale is None or _shape_problems(g) or not pair_fits(channels):
        return None
    scale = pass_scale(scale, channels)
    zero_point = node.input(source).zero_point
    parts: list[NDArray[np.uint32]] = []
    for taps in _phases(g):
        folded = bias - zero_point * channels.weights[:, taps].sum(axis=1)
        words = joined_words(channels, taps)
        parts.append(pass_stream(replace(channels, bias=folded), words, scale))
    params = {"input_zero_point": zero_point, "stream": _starts(parts), "scale": scale}
    return Call(
        "transpose_conv",
        "eq_transpose_conv_dsp_s8",
        "eq_transpose_conv_dsp_params",
        {**g, **params},
        (Arg("input", source), *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "uint32_t", np.concatenate(parts), "phases, pairs of channels"),),
        scratch_bytes=_columns_bytes(g),
        macs=macs,
        kernels="dsp",
    )


def _starts(parts: Sequence[NDArray[np.uint32]]) -> list[int]:
    """Where the words of each phase start; 0 for phases that there are not."""
    starts = [0] * (_PHASES * _PHASES)
    for number in range(len(parts)):
        starts[number] = sum(part.size for part in parts[:number])
    return starts


def _columns_bytes(g: dict[str, int]) -> int:
    return 8 * PIXELS * max(len(taps) // 4 for taps in _phases(g))


def lower_dsp_s16(
    g: dict[str, int],
    weights: NDArray[np.int8],
    rows: Constant,
    clamp: dict[str, int],
    macs: int,
    *,
    source: int,
) -> Call | None:
    """The call of the kernel for int16 activations; None where this layer does not suit it.

    Args:
        weights: (channels, taps).
        rows: Bias, reduced multiplier and right shift of every channel.
        source: Position of the input.
    """
    if _shape_problems(g):
        return None
    values, table = settled(weights.astype(np.int64), rows.values, clamp)
    scales = wide_scales(values, table)
    if not scales.plain:
        return None
    parts = [pair_stream(values[:, taps], table[:, 0], scales) for taps in _phases(g)]
    words = np.concatenate([part.reshape(-1) for part in parts])
    return Call(
        "transpose_conv_s16",
        "eq_transpose_conv_dsp_s16",
        "eq_transpose_conv_dsp_s16_params",
        {**g, "stream": _starts(parts), **clamp},
        (Arg("input", source), *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "uint32_t", words, "phases, pairs of channels"),),
        scratch_bytes=_columns_bytes(g),
        macs=macs,
        kernels="dsp",
    )
