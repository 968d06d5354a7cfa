"""CONV_2D of 3x3 and stride 1 for AVX2, after Winograd: 16 products for four outputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.host.lanes import COPIED, LANES, SLACK_BYTES, fits, limits, table
from edgeq.compiler.ops.host.padded import window_padding
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Node,
    constant_args,
)
from edgeq.compiler.ops.shared.channels import Channels

_PLACES = 16
_INPUT_BYTES = 1 << 14
# Twice the matrix that turns three weights into four: the sums then are four times as large.
_TWICE_G = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]])


def lower_winograd(
    g: dict[str, int], node: Node, channels: Channels, clamp: dict[str, int], macs: int
) -> Call | None:
    """The kernel's call; None where it does not pay, or where four times a sum does not fit.

    The weights take 3.6 times the memory, so that only programs of this very level have it, and
    none that are to be small.

    Args:
        g: The geometry of a CONV_2D.
        node: The layer.
        channels: Its weights, taps in the order of OHWI.
        clamp: activation_min and activation_max.
        macs: Multiply-accumulates of one call.
    """
    ones = ("stride_h", "stride_w", "dilation_h", "dilation_w")
    plain = all(g[key] == 1 for key in ones) and g["filter_h"] == g["filter_w"] == 3
    if node.isa.kernels[0] != "avx2" or node.optimize not in ("balanced", "speed") or not plain:
        return None
    if g["input_c"] % LANES or g["filter_c"] != g["input_c"] or g["output_c"] < LANES:
        return None
    if min(g["output_h"], g["output_w"]) < 2 or g["pad_top"] < 0 or not fits(channels):
        return None
    if 4 * int(channels.bound.max()) >= 1 << 31:
        return None
    padding = window_padding(g, node.input(0).zero_point)
    tiles = _tiles(g)
    copy_bytes = -(-(padding.bytes + SLACK_BYTES) // 64) * 64
    input_bytes = _PLACES * tiles * g["input_c"] * 2
    note = "by 16 channels: 16 places, pairs of input channels"
    return Call(
        "conv_2d_winograd",
        "eq_conv_2d_winograd_avx2_s8",
        "eq_conv_2d_winograd_avx2_params",
        {
            "batches": g["batches"],
            "image_bytes": g["input_h"] * g["input_w"] * g["input_c"],
            "padding": padding.fields,
            "output_h": g["output_h"],
            "output_w": g["output_w"],
            "output_c": g["output_c"],
            "input_c": g["input_c"],
            "tiles": tiles,
            "copy_bytes": copy_bytes,
            "input_bytes": input_bytes,
            "limits": limits(channels, node.output().zero_point, clamp),
        },
        (INPUT, *constant_args(2), OUTPUT, SCRATCH),
        (Constant("weights", "int16_t", _turned(channels, g["input_c"]), note), table(channels)),
        scratch_bytes=copy_bytes + node.isa.threads * (input_bytes + _PLACES * tiles * LANES * 4),
        overlaps=(COPIED,) if g["batches"] == 1 else (),
        macs=macs,
        kernels="avx2",
    )


def _tiles(g: dict[str, int]) -> int:
    """How many tiles are computed together: by fours, their inputs in half of a first cache."""
    tiles = -(-g["output_h"] // 2) * -(-g["output_w"] // 2)
    most = max(4, min(16, _INPUT_BYTES // (_PLACES * g["input_c"] * 2) // 4 * 4))
    return min(tiles // 4 * 4, most) if tiles >= 4 else tiles


def _turned(channels: Channels, depth: int) -> NDArray[np.int16]:
    """Weights as int16 (blocks of 16 channels, places, pairs of input channels, 16, 2)."""
    filters = channels.weights.reshape(channels.count, 3, 3, depth)
    turned = np.einsum("ai,oijc,bj->oabc", _TWICE_G, filters, _TWICE_G)
    blocks = -(-channels.count // LANES)
    padded = np.zeros((blocks * LANES, _PLACES, depth), np.int16)
    padded[: channels.count] = turned.reshape(channels.count, _PLACES, depth)
    shaped = padded.reshape(blocks, LANES, _PLACES, depth // 2, 2)
    return np.ascontiguousarray(shaped.transpose(0, 2, 3, 1, 4))
