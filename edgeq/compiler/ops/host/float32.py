"""CONV_2D, FULLY_CONNECTED and DEPTHWISE_CONV_2D in float32 for hosts, 16 channels at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.host.conv_2d import dense_geometry, walk_of
from edgeq.compiler.ops.host.lanes import COPIED, LANES
from edgeq.compiler.ops.host.padded import Padding, window_padding
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Node,
    constant_args,
)
from edgeq.compiler.ops.shared.float32 import float_bias, float_clamp

_FLOAT_BYTES = 4


def lower_f32(g: dict[str, int], node: Node, macs: int) -> Call | None:
    """The call of a CONV_2D; None for grouped ones, and where weights are computed or infinite.

    Args:
        g: The geometry of a CONV_2D.
        node: The layer.
        macs: Multiply-accumulates of one call.
    """
    if not _suits(node) or g["filter_c"] != g["input_c"] or g["pad_top"] < 0:
        return None
    padding = window_padding(g, 0)
    walk = dict(walk_of(g, padding))
    params = {
        "batches": g["batches"],
        "image_size": g["input_h"] * g["input_w"] * g["input_c"],
        "padding": _in_bytes(padding),
        **walk,
        "output_c": g["output_c"],
        **float_clamp(node),
    }
    weights = node.constant(1).reshape(g["output_c"], -1)
    return _call("conv_2d", params, padding, node, weights, macs)


def lower_dense_f32(extent: dict[str, int], node: Node, macs: int) -> Call | None:
    """The call of a FULLY_CONNECTED: pixels are the rows of its input."""
    return lower_f32(dense_geometry(extent), node, macs)


def lower_depthwise_f32(g: dict[str, int], node: Node, macs: int) -> Call | None:
    """The call of a DEPTHWISE_CONV_2D; None for depth multipliers above 1 and as above."""
    if not _suits(node) or g["depth_multiplier"] != 1 or g["pad_top"] < 0:
        return None
    padding = window_padding(g, 0)
    depth, row = g["input_c"], padding.padded_row_bytes
    params = {
        "batches": g["batches"],
        "image_size": g["input_h"] * g["input_w"] * depth,
        "padding": _in_bytes(padding),
        "output_h": g["output_h"],
        "output_w": g["output_w"],
        "channels": depth,
        "row_step": g["stride_h"] * row,
        "column_step": g["stride_w"] * depth,
        "filter_h": g["filter_h"],
        "filter_w": g["filter_w"],
        "tap_row_step": g["dilation_h"] * row,
        "tap_column_step": g["dilation_w"] * depth,
        **float_clamp(node),
    }
    weights = node.constant(1).reshape(-1, depth).T
    return _call("depthwise_conv_2d", params, padding, node, weights, macs)


def _suits(node: Node) -> bool:
    """Whether the layer has a form: padding is multiplied, and infinity times zero is none."""
    data = node.input(1).data
    return node.isa.has("host") and data is not None and bool(np.isfinite(data).all())


def _in_bytes(padding: Padding) -> dict[str, int]:
    """The fields of eq_padding for float32."""
    wide = {name: _FLOAT_BYTES * getattr(padding, name) for name in ("row_bytes", "left")}
    row = _FLOAT_BYTES * padding.padded_row_bytes
    return {**replace(padding, **wide, padded_row_bytes=row).fields, "slack": 0}


def _call(
    name: str,
    params: dict[str, object],
    padding: Padding,
    node: Node,
    weights: NDArray[np.float32],
    macs: int,
) -> Call:
    """The call, with weights (channels, taps) by blocks of 16 channels."""
    channels, taps = weights.shape
    blocks = -(-channels // LANES)
    padded = np.zeros((blocks * LANES, taps), np.float32)
    padded[:channels] = weights
    table = np.ascontiguousarray(padded.reshape(blocks, LANES, taps).transpose(0, 2, 1))
    bias = float_bias(node, 2, channels)
    bias = replace(bias, values=np.pad(bias.values, (0, blocks * LANES - channels)))
    copied = padding.needed
    return Call(
        f"{name}_f32",
        f"eq_{name}{'_copied' * copied}_host_f32",
        f"eq_{name}_f32_host_params",
        params,
        (INPUT, *constant_args(2), OUTPUT, *(SCRATCH,) * copied),
        (Constant("weights", "float", table.reshape(-1), "by 16 channels"), bias),
        scratch_bytes=_FLOAT_BYTES * padding.bytes if copied else 0,
        overlaps=(COPIED,) if copied and params["batches"] == 1 else (),
        macs=macs,
        kernels="host",
    )
