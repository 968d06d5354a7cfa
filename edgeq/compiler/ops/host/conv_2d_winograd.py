"""CONV_2D of 3x3 and stride 1 for AVX2, after Winograd: 36 products for 16 outputs, or 16 for 4."""

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

# By the side of a square of outputs, the matrix that turns three weights into side + 2, scaled by
# row to integers; and what a sum of the layer then is multiplied by, the powers of two.
_TURNS = {
    2: np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]),
    4: np.array([[6, 0, 0], [-1, -1, -1], [-1, 1, -1], [1, 2, 4], [1, -2, 4], [0, 0, 6]]),
}
_MULTIPLES = {2: 4, 4: 64}
_INPUT_BYTES = {2: 1 << 14, 4: 1 << 16}


def lower_winograd(
    g: dict[str, int], node: Node, channels: Channels, clamp: dict[str, int], macs: int
) -> Call | None:
    """The kernel's call; None where it does not pay, or where multiples of sums do not fit.

    The weights take 3.6 or 8 times the memory, so that only programs of this very level have it,
    and none that are to be small.

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
    side = _side(g, int(channels.bound.max()))
    if side is None:
        return None
    padding = window_padding(g, node.input(0).zero_point)
    tiles, places = _tiles(g, side), (side + 2) ** 2
    copy_bytes = -(-(padding.bytes + SLACK_BYTES) // 64) * 64
    input_bytes = places * tiles * g["input_c"] * 2
    note = f"by 16 channels: {places} places, pairs of input channels"
    weights = Constant("weights", "int16_t", _turned(channels, g["input_c"], side), note)
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
            "side": side,
            "tiles": tiles,
            "copy_bytes": copy_bytes,
            "input_bytes": input_bytes,
            "limits": limits(channels, node.output().zero_point, clamp),
        },
        (INPUT, *constant_args(2), OUTPUT, SCRATCH),
        (weights, table(channels)),
        scratch_bytes=copy_bytes + node.isa.threads * (input_bytes + places * tiles * LANES * 4),
        overlaps=(COPIED,) if g["batches"] == 1 else (),
        macs=macs,
        kernels="avx2",
    )


def _all_tiles(g: dict[str, int], side: int) -> int:
    return -(-g["output_h"] // side) * -(-g["output_w"] // side)


def _side(g: dict[str, int], bound: int) -> int | None:
    """The side of a tile that takes the fewest products, of those that fit."""
    products = {
        side: _all_tiles(g, side) * len(turn) ** 2
        for side, turn in _TURNS.items()
        if side <= min(g["output_h"], g["output_w"]) and _MULTIPLES[side] * bound < 1 << 31
    }
    return min(products, key=lambda side: products[side], default=None)


def _tiles(g: dict[str, int], side: int) -> int:
    """How many tiles are computed together: as many as a near cache has room for.

    Or less, where fewer of them are computed twice. Registers hold the sums of four: one alone
    takes half as long again as its part of those.
    """
    tiles, tile_bytes = _all_tiles(g, side), len(_TURNS[side]) ** 2 * g["input_c"] * 2
    most = max(4, min(12, _INPUT_BYTES[side] // tile_bytes // 4 * 4))

    def work(count: int) -> tuple[float, int]:
        return -(-tiles // count) * (count + (count % 4 == 1) / 2), -count

    return min(range(min(tiles, 4), min(tiles, most) + 1), key=work)


def _turned(channels: Channels, depth: int, side: int) -> NDArray[np.int16]:
    """Weights as int16 (blocks of 16 channels, places, pairs of input channels, 16, 2)."""
    turn = _TURNS[side]
    places = len(turn) ** 2
    filters = channels.weights.reshape(channels.count, 3, 3, depth)
    turned = np.einsum("ai,oijc,bj->oabc", turn, filters, turn)
    blocks = -(-channels.count // LANES)
    padded = np.zeros((blocks * LANES, places, depth), np.int16)
    padded[: channels.count] = turned.reshape(channels.count, places, depth)
    shaped = padded.reshape(blocks, LANES, places, depth // 2, 2)
    return np.ascontiguousarray(shaped.transpose(0, 2, 3, 1, 4))
