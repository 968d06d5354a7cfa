"""CONV_2D of 3x3, stride 1, for cores with MVE: four pixels of a line share their inputs."""

from __future__ import annotations

from dataclasses import replace

from edgeq.compiler.ops.mve.layers import LANES, TOLD, mve_scale
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
from edgeq.compiler.ops.shared.windows import SIZES

_PIXELS = 4  # of one tile, EQ_TILE_PIXELS in eq_tile_mve.h
_TAPS = 3
_COLUMNS = _PIXELS + _TAPS - 1  # that a tile sees
_FIELDS = ("batches", "input_h", "input_w", "input_c", "output_h", "output_w", "output_c")


def suits(g: dict[str, int]) -> bool:
    """Whether a convolution that the common kernel takes has the shape for this one."""
    shape = (g["filter_h"], g["filter_w"], g["stride_h"], g["stride_w"])
    return shape == (_TAPS, _TAPS, 1, 1) and g["input_c"] % LANES == g["output_w"] % _PIXELS == 0


def in_order(g: dict[str, int], channels: Channels) -> Channels:
    """The channels with their taps as the window is read.

    Line by line; sixteen input channels after the other; then along the line.
    """
    count = channels.count
    taps = channels.weights.reshape(count, _TAPS, _TAPS, g["input_c"] // LANES, LANES)
    return replace(channels, weights=taps.transpose(0, 1, 3, 2, 4).reshape(count, -1))


def lower_3x3(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    stream: Constant,
    overlap: Overlap,
    macs: int,
) -> Call:
    """The call for a layer that suits.

    Args:
        stream: The weights of pairs of channels, made of those in_order.
    """
    return Call(
        "conv_2d_3x3",
        "eq_conv_2d_3x3_mve_s8",
        "eq_conv_2d_3x3_mve_params",
        {
            **{field: g[field] for field in (*_FIELDS, "pad_top", "pad_left")},
            "input_zero_point": node.input(0).zero_point,
            "scale": mve_scale(channels, node.output(), clamp),
        },
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (stream,),
        scratch_bytes=_TAPS * _COLUMNS * g["input_c"],
        overlaps=(overlap,),
        macs=macs,
        kernels="mve",
        told=(*SIZES, *TOLD),
    )
