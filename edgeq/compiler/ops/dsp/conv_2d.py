"""CONV_2D for cores with the DSP extension: three pixels by two channels at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.layers import (
    MORE_BITS,
    as_words,
    dsp_scale,
    joined_words,
    pair_fits,
    pairs,
    pass_scale,
)
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
from edgeq.compiler.ops.shared.windows import SIZES, one_row

PIXELS = 3  # of one pass, EQ_PASS_PIXELS in eq_matmul_dsp.h
_ACROSS = 3  # taps in a row that eq_widen_across_dsp takes
_SCALE = ("scale.twice_offset_plus_1", "scale.rectified")
_SHORT_ROW = 16  # bytes; three pixels' inputs are not widened together then


def reading_order(g: dict[str, int]) -> NDArray[np.int64]:
    """Tap indices in the order in which the kernel's columns hold them, -1 for filling.

    Whole words of each filter row first, then the bytes left over at the rows' ends together. With
    three taps in a row, a stride of one and whole words of channels, the three taps of a word
    follow each other (eq_conv_2d_across_dsp).
    """
    row = g["filter_w"] * g["input_c"]
    whole = row & ~3
    taps = np.arange(g["filter_h"] * row).reshape(g["filter_h"], row)
    if g["filter_w"] == _ACROSS and g["stride_w"] == 1 and g["input_c"] % 4 == 0:
        by_word = taps.reshape(g["filter_h"], _ACROSS, -1, 4).transpose(0, 2, 1, 3)
        return np.asarray(by_word.reshape(-1), np.int64)
    order = np.concatenate([taps[:, :whole].reshape(-1), taps[:, whole:].reshape(-1)])
    return np.concatenate([order, np.full(-len(order) % 4, -1)])


def stream(channels: Channels, words: NDArray[np.int64], factors: tuple[int, int]) -> Constant:
    """The words that the kernel of 4-bit weights reads for each pair of channels a, b.

    256 * bias_a + bias_b, bias_b, the weights' words, then for a and for b the doubled multiplier
    and the right shift minus one.

    Args:
        words: (pairs, words of weights).
        factors: What the biases of a and b are multiplied with in the first word.
    """
    bias_a, bias_b = pairs(channels.bias)
    doubled_a, doubled_b = pairs(channels.multiplier * 2)
    shift_a, shift_b = pairs(channels.shift - 1)
    head = np.stack([factors[0] * bias_a + factors[1] * bias_b, bias_b], axis=1)
    tail = np.stack([doubled_a, shift_a, doubled_b, shift_b], axis=1)
    values = as_words(np.concatenate([head, words, tail], axis=1))
    return Constant("weights", "uint32_t", values, "pairs of channels, see eq_matmul_dsp.h")


def pass_stream(
    channels: Channels, words: NDArray[np.int64], scale: dict[str, int]
) -> NDArray[np.uint32]:
    """The words that a pass of eq_matmul_dsp.h reads for each pair of channels a, b.

    256 * bias_a + bias_b, bias_b, the weights' words, then for a and for b what is added, the
    multiplier and the right shift minus one.

    Args:
        words: (pairs, steps, 2).
        scale: As `pass_scale` gives it.
    """
    bias_a, bias_b = pairs(channels.bias)
    shift_a, shift_b = pairs(channels.shift - 1)
    added_a, added_b = pairs(scale["twice_offset_plus_1"] << (channels.shift - 1))
    factor_a, factor_b = pairs(channels.multiplier)
    if scale["rectified"]:
        added_a = (added_a << MORE_BITS) + (1 << (MORE_BITS - 1))
        shift_a = shift_a + MORE_BITS
    head = np.stack([256 * bias_a + bias_b, bias_b], axis=1)
    tail = np.stack([added_a, factor_a, shift_a, added_b, 2 * factor_b, shift_b], axis=1)
    return as_words(np.concatenate([head, words.reshape(len(words), -1), tail], axis=1))


def dsp_params(
    g: dict[str, int], node: Node, channels: Channels, clamp: dict[str, int]
) -> dict[str, Any] | None:
    """The fields of eq_conv_2d_dsp_params; None where this layer does not suit the DSP kernels."""
    scale = dsp_scale(channels, node.output(), clamp)
    plain = g["dilation_h"] == g["dilation_w"] == 1 and g["filter_c"] == g["input_c"]
    if scale is None or not plain:
        return None
    geometry = {k: v for k, v in g.items() if k not in ("dilation_h", "dilation_w", "filter_c")}
    geometry |= one_row(g)
    return {
        **geometry,
        "input_zero_point": node.input(0).zero_point,
        "steps": -(-channels.weights.shape[1] // 4),
        "alone": int(geometry["output_h"] * geometry["output_w"] % PIXELS == 1),
        "scale": scale,
    }


def _loops(params: dict[str, Any]) -> tuple[Loop, ...]:
    """The passes over steps in eq_matmul_dsp.h."""
    sign = "rectified" if params["scale"]["rectified"] else "signed"
    pixels = params["batches"] * params["output_h"] * params["output_w"]
    pairs, alone = -(-params["output_c"] // 2), params["alone"]
    threes = -(-(pixels - alone) // PIXELS) * pairs
    three = Loop("EQ_PASS_UNROLL", 16, f"eq_pass_{sign}_dsp", 68, 3, threes, params["steps"] - 1)
    one = Loop("EQ_SINGLE_UNROLL", 8, f"eq_pass_single_{sign}_dsp", 36, 2, pairs, params["steps"])
    return (three, one) if alone else (three,)


def lower_dsp(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    overlap: Overlap,
    macs: int,
) -> Call | None:
    """The DSP kernel's call; None where this layer's numbers do not suit it."""
    params = dsp_params(g, node, channels, clamp)
    if params is None or not pair_fits(channels):
        return None
    order = reading_order(g)
    params["scale"] = scale = pass_scale(params["scale"], channels)
    values = pass_stream(channels, joined_words(channels, order), scale)
    row = params["filter_w"] * params["input_c"]
    return Call(
        "conv_2d",
        "eq_conv_2d_dsp_s8",
        "eq_conv_2d_dsp_params",
        params,
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "uint32_t", values, "pairs of channels, see eq_matmul_dsp.h"),),
        scratch_bytes=8 * PIXELS * params["steps"],
        overlaps=(overlap,),
        macs=macs,
        kernels="dsp",
        told=(*SIZES, "input_zero_point", "steps", *_SCALE),
        alike=(row % 4 == 0, row < _SHORT_ROW, params["output_c"] % 2),
        loops=_loops(params),
    )
