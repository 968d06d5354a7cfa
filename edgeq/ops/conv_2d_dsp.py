"""CONV_2D for cores with the DSP extension: three pixels by two channels at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.graph import Tensor
from edgeq.ops.base import INPUT, OUTPUT, SCRATCH, Call, Constant, Node, Overlap, constant_args
from edgeq.ops.channels import Channels

PIXELS = 3  # of one pass, EQ_PASS_PIXELS in eq_matmul_dsp.h


def dsp_scale(channels: Channels, output: Tensor, clamp: dict[str, int]) -> dict[str, int] | None:
    """The fields of eq_scale_dsp, or None where its arithmetic would not be exact.

    The kernel adds (2 * zero_point + 1) * 2^(s-1) to the product's high half before it shifts by
    s; both must fit 32 bits. It has no left shift and needs s >= 1.
    """
    shift, zero_point = channels.shift, output.zero_point
    if np.any(shift < 1) or np.any(shift > 31) or np.any(channels.multiplier < 1 << 30):
        return None
    rounding = abs(2 * zero_point + 1) * (1 << (shift - 1))
    if np.any(channels.bound + 1 + rounding >= 1 << 31):
        return None
    return {
        "twice_offset_plus_1": 2 * zero_point + 1,
        "rectified": int(clamp["activation_min"] >= zero_point),
        **clamp,
    }


def pair_fits(channels: Channels) -> bool:
    """Whether two channels can share a word: see eq_matmul_dsp.h."""
    first, second = _pairs(channels.weights)
    joined = 256 * first + second
    halves = bool(np.all(joined >= -(1 << 15)) and np.all(joined < 1 << 15))
    return halves and bool(np.all(channels.bound[0::2] < 1 << 23))


def _pairs(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Even and odd channels; an odd count is filled up with zeros."""
    if len(values) % 2:
        values = np.concatenate([values, np.zeros_like(values[:1])])
    return values[0::2], values[1::2]


def reading_order(filter_h: int, filter_w: int, channels: int) -> NDArray[np.int64]:
    """Tap indices in the order in which the kernel's columns hold them, -1 for filling.

    Whole words of each filter row first, then the bytes left over at the rows' ends together.
    """
    row = filter_w * channels
    whole = row & ~3
    taps = np.arange(filter_h * row).reshape(filter_h, row)
    order = np.concatenate([taps[:, :whole].reshape(-1), taps[:, whole:].reshape(-1)])
    return np.concatenate([order, np.full(-len(order) % 4, -1)])


def pack_pairs(channels: Channels, order: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The stream of words that the kernel reads for each pair of channels.

    256 * bias_a + bias_b, bias_b, two words per four taps, then for a and for b the doubled
    multiplier and the right shift minus one.
    """
    padded = np.concatenate([channels.weights, np.zeros((channels.count, 1), np.int64)], axis=1)
    first, second = _pairs(padded[:, order])
    joined = (256 * first + second) & 0xFFFF
    quads = joined.reshape(len(joined), -1, 4)
    words = np.stack(
        [quads[..., 0] | quads[..., 2] << 16, quads[..., 1] | quads[..., 3] << 16], axis=-1
    )
    bias_a, bias_b = _pairs(channels.bias)
    doubled = _pairs(channels.multiplier * 2)
    shift = _pairs(channels.shift - 1)
    columns = [
        256 * bias_a + bias_b,
        bias_b,
        *words.reshape(len(words), -1).T,
        doubled[0],
        shift[0],
        doubled[1],
        shift[1],
    ]
    stream = np.stack(columns, axis=1).reshape(-1)
    return (stream & 0xFFFFFFFF).astype(np.uint32)


def lower_dsp(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    overlap: Overlap,
    macs: int,
) -> Call | None:
    """The DSP kernel's call; None where this layer's numbers do not suit it."""
    scale = dsp_scale(channels, node.output(), clamp)
    plain = g["dilation_h"] == g["dilation_w"] == 1 and g["filter_c"] == g["input_c"]
    if scale is None or not plain or not pair_fits(channels):
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
    stream = pack_pairs(channels, order)
    return Call(
        "conv_2d",
        "eq_conv_2d_dsp_s8",
        "eq_conv_2d_dsp_params",
        params,
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "uint32_t", stream, "pairs of channels, see eq_matmul_dsp.h"),),
        scratch_bytes=8 * PIXELS * steps,
        overlaps=(overlap,),
        macs=macs,
        kernels="dsp",
    )
