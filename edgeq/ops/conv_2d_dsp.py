"""CONV_2D for cores with the DSP extension: three pixels by two channels at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.ops.base import INPUT, OUTPUT, SCRATCH, Call, Constant, Node, Overlap, constant_args
from edgeq.ops.channels import Channels
from edgeq.ops.dsp import (
    as_words,
    dsp_scale,
    int4_fits,
    int4_words,
    joined_words,
    pair_fits,
    pairs,
)

PIXELS = 3  # of one pass, EQ_PASS_PIXELS in eq_matmul_dsp.h


def reading_order(filter_h: int, filter_w: int, channels: int) -> NDArray[np.int64]:
    """Tap indices in the order in which the kernel's columns hold them, -1 for filling.

    Whole words of each filter row first, then the bytes left over at the rows' ends together.
    """
    row = filter_w * channels
    whole = row & ~3
    taps = np.arange(filter_h * row).reshape(filter_h, row)
    order = np.concatenate([taps[:, :whole].reshape(-1), taps[:, whole:].reshape(-1)])
    return np.concatenate([order, np.full(-len(order) % 4, -1)])


def pack(channels: Channels, order: NDArray[np.int64], *, int4: bool = False) -> NDArray[np.uint32]:
    """The stream of words that the kernel reads for each pair of channels.

    256 * bias_a + bias_b, bias_b, two words per four taps, then for a and for b the doubled
    multiplier and the right shift minus one. With int4 16 * bias_a + bias_b, and one word per four
    taps.
    """
    words = int4_words(channels, order) if int4 else joined_words(channels, order)
    bias_a, bias_b = pairs(channels.bias)
    doubled_a, doubled_b = pairs(channels.multiplier * 2)
    shift_a, shift_b = pairs(channels.shift - 1)
    head = np.stack([(16 if int4 else 256) * bias_a + bias_b, bias_b], axis=1)
    tail = np.stack([doubled_a, shift_a, doubled_b, shift_b], axis=1)
    return as_words(np.concatenate([head, words.reshape(len(words), -1), tail], axis=1))


def lower_dsp(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    overlap: Overlap,
    macs: int,
    *,
    int4: bool = False,
) -> Call | None:
    """The DSP kernel's call; None where this layer's numbers do not suit it.

    Args:
        int4: Whether the weights are to be kept as int4.
    """
    scale = dsp_scale(channels, node.output(), clamp)
    plain = g["dilation_h"] == g["dilation_w"] == 1 and g["filter_c"] == g["input_c"]
    if scale is None or not plain or not (int4_fits if int4 else pair_fits)(channels):
        return None
    order = reading_order(g["filter_h"], g["filter_w"], g["input_c"])
    steps = len(order) // 4
    geometry = {k: v for k, v in g.items() if k not in ("dilation_h", "dilation_w", "filter_c")}
    params = {
        **geometry,
        "input_zero_point": node.input(0).zero_point,
        "steps": steps,
        "scale": scale,
    }
    stream = pack(channels, order, int4=int4)
    note = "pairs of channels, see eq_matmul_dsp.h"
    if int4:
        note = "packed: two int4 to a byte, pairs of channels, see eq_matmul_int4_dsp.h"
    return Call(
        f"conv_2d{'_int4' * int4}",
        f"eq_conv_2d{'_int4' * int4}_dsp_s8",
        "eq_conv_2d_dsp_params",
        params,
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "uint32_t", stream, note),),
        scratch_bytes=8 * PIXELS * steps,
        overlaps=(overlap,),
        macs=macs,
        kernels="dsp",
        packed=int4,
    )
