"""TRANSPOSE_CONV for cores with the DSP extension: a convolution for each phase of the strides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.conv_2d import PIXELS, pass_stream
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
    weights, bias, bound = rows
    multiplier, left = quantize_multipliers(np.array(scales))
    channels = Channels(weights.astype(np.int64), bias, multiplier, -left, bound)
    scale = dsp_scale(channels, node.output(), clamp)
    sides = [(g["stride_h"], g["filter_h"]), (g["stride_w"], g["filter_w"])]
    narrow = all(stride <= min(taps, _PHASES) for stride, taps in sides)
    if scale is None or not narrow or g["input_c"] % 4 or not pair_fits(channels):
        return None
    scale = pass_scale(scale, channels)
    zero_point = node.input(source).zero_point
    parts: list[NDArray[np.uint32]] = []
    starts, most = [0] * (_PHASES * _PHASES), 0
    for number, taps in enumerate(_phases(g)):
        folded = bias - zero_point * channels.weights[:, taps].sum(axis=1)
        words = joined_words(channels, taps)
        starts[number] = sum([len(part) for part in parts])
        parts.append(pass_stream(replace(channels, bias=folded), words, scale))
        most = max(most, len(taps) // 4)
    params = {name: value for name, value in g.items() if name != "batches"}
    return Call(
        "transpose_conv",
        "eq_transpose_conv_dsp_s8",
        "eq_transpose_conv_dsp_params",
        {
            "batches": g["batches"],
            **params,
            "input_zero_point": zero_point,
            "stream": starts,
            "scale": scale,
        },
        (Arg("input", source), *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "uint32_t", np.concatenate(parts), "phases, pairs of channels"),),
        scratch_bytes=8 * PIXELS * most,
        macs=macs,
        kernels="dsp",
    )
