"""CONV_2D for cores with MVE: four pixels by two channels at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.mve import conv_2d_3x3
from edgeq.compiler.ops.mve.fully_connected import dense_call
from edgeq.compiler.ops.mve.layers import LANES, TOLD, as_bytes, mve_scale, padded
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
from edgeq.compiler.ops.shared.channels import Channels
from edgeq.compiler.ops.shared.windows import SIZES, one_row

PIXELS = 4  # of one tile, EQ_TILE_PIXELS in eq_matmul_mve.h
_SHORT = 8  # steps of columns that have a pass of their own, see eq_matmul_passes_mve.h
_WHERE = "pairs of channels, see eq_matmul_mve.h"
MAX_CHANNELS = (1 << 16) // PIXELS - 1  # offsets of a tile's outputs are 16 bits wide


def by_pairs(count: int) -> NDArray[np.int64]:
    """The channels of each pair; an odd number has the last but one again in its last pair."""
    first = np.arange(0, count, 2)
    order = np.stack([first, first + 1], axis=1)
    if count % 2:
        order[-1] = max(count - 2, 0), count - 1
    return order


def pack(channels: Channels) -> NDArray[np.int8]:
    """The stream of bytes that the kernel reads for each pair of channels a, b.

    16 weights of a, 16 of b, for all taps; then words: bias, multiplier and negative right shift,
    each of a and of b.
    """
    count = channels.count
    order = by_pairs(count)
    weights = padded(channels.weights, LANES).reshape(count, -1, LANES)[order]
    taps = weights.transpose(0, 2, 1, 3).reshape(len(order), -1).astype(np.int8)
    scale = np.stack([channels.bias, channels.multiplier, -channels.shift])[:, order]
    words = scale.transpose(1, 0, 2).reshape(len(order), -1)
    stream: NDArray[np.int8] = np.concatenate([taps, as_bytes(words)], axis=1)
    return stream.reshape(-1)


def _is_dense(g: dict[str, int]) -> bool:
    """Whether the filter sees the whole image and makes one pixel: a dense layer."""
    one = g["output_h"] == g["output_w"] == 1 and g["pad_top"] == g["pad_left"] == 0
    return one and (g["input_h"], g["input_w"]) == (g["filter_h"], g["filter_w"])


def lower_mve(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    overlap: Overlap,
    macs: int,
) -> Call | None:
    """The MVE kernel's call; None where this layer's numbers do not suit it."""
    scale = mve_scale(channels, node.output(), clamp)
    plain = g["dilation_h"] == g["dilation_w"] == 1 and g["filter_c"] == g["input_c"]
    if scale is None or not plain or g["output_c"] > MAX_CHANNELS:
        return None
    if _is_dense(g):
        shape = {"batches": g["batches"], "input_c": channels.weights.shape[1]}
        shape["output_c"] = g["output_c"]
        return dense_call(shape, channels, scale, macs, per_channel=True)
    if conv_2d_3x3.suits(g) and node.optimize != "size":
        stream = Constant("weights", "int8_t", pack(conv_2d_3x3.in_order(g, channels)), _WHERE)
        return conv_2d_3x3.lower_3x3(g, node, channels, clamp, stream, overlap, macs)
    steps = -(-channels.weights.shape[1] // LANES)
    short = steps <= _SHORT and node.optimize != "size"
    geometry = {k: v for k, v in g.items() if k not in ("dilation_h", "dilation_w", "filter_c")}
    return Call(
        "conv_2d",
        "eq_conv_2d_mve_s8",
        "eq_conv_2d_mve_params",
        {
            **geometry,
            **one_row(g),
            "input_zero_point": node.input(0).zero_point,
            "steps": steps,
            "short_columns": int(short),
            "scale": scale,
        },
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "int8_t", pack(channels), _WHERE),),
        scratch_bytes=PIXELS * LANES * steps,
        overlaps=(overlap,),
        macs=macs,
        kernels="mve",
        told=(*SIZES, *TOLD) if short else (*SIZES, "steps", *TOLD),
    )
