"""DEPTHWISE_CONV_2D for cores with MVE: small filters on patches in a register, others plainly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    overlap_distance,
)
from edgeq.compiler.ops.shared.channels import Channels

_COLUMN_BYTES = 64  # EQ_PATCH_COLUMN_BYTES
_VECTOR = 4  # channels
_TAPS = 3  # of a patch's filter in each direction
_REACH = 1 << 16  # of the distances between outputs in a pass
_LINE_TAPS = 13  # of a filter over one line: sixteen values hold its windows of four outputs

# What layers with one function between them are told; lines only where size is all that counts:
# their functions are small, and slower by 3 % a kilobyte together.
_LINE = ("channels", "input_length", "output_length", "taps", "pad", "columns", *TOLD)
_ORIENTED = (
    *("channels", "input_bytes", "input_lines", "input_along", "input_line_pitch", "input_pitch"),
    *("output_bytes", "output_lines", "output_along", "output_line_pitch", "output_pitch"),
    *("pad_lines", "pad_along"),
)


def _oriented(g: dict[str, int], *, swap: bool) -> dict[str, int]:
    """The shape fields, with lines along the image's rows, or along its columns if swapped."""
    c = g["input_c"]
    lines, along = ("w", "h") if swap else ("h", "w")
    pitch = {"h": c * g["input_w"], "w": c}
    output_pitch = {"h": c * g["output_w"], "w": c}
    pad = {"h": g["pad_top"], "w": g["pad_left"]}
    return {
        "batches": g["batches"],
        "channels": c,
        "input_bytes": g["input_h"] * g["input_w"] * c,
        "output_bytes": g["output_h"] * g["output_w"] * c,
        "input_lines": g[f"input_{lines}"],
        "input_along": g[f"input_{along}"],
        "input_line_pitch": pitch[lines],
        "input_pitch": pitch[along],
        "output_lines": g[f"output_{lines}"],
        "output_along": g[f"output_{along}"],
        "output_line_pitch": output_pitch[lines],
        "output_pitch": output_pitch[along],
        "stride": g["stride_h"],
        "pad_lines": pad[lines],
        "pad_along": pad[along],
    }


def _effort(params: dict[str, int]) -> int:
    """Roughly the instructions for one channel."""
    lines, along = (2, 2) if params["stride"] == 1 else (1, 4)
    tiles = -(-params["output_along"] // along)
    return -(-params["output_lines"] // lines) * (17 * tiles + 35)


def _prefers_columns(g: dict[str, int], optimize: str) -> bool:
    """Whether lines should run along the image's columns: with less scratch, or in less time."""
    if optimize == "ram":
        return g["output_h"] < g["output_w"]
    return _effort(_oriented(g, swap=True)) < _effort(_oriented(g, swap=False))


def _pack(channels: Channels, filters: NDArray[np.int64]) -> NDArray[np.int8]:
    """Per channel the words bias, multiplier and negative right shift, then the patch's columns.

    Each of the three columns has three taps and a zero.

    Args:
        filters: (channels, lines, along), up to 3 x 3.
    """
    count, lines, along = filters.shape
    missing = [(0, 0), (0, _TAPS + 1 - lines), (0, _TAPS - along)]
    taps = np.pad(filters, missing).swapaxes(1, 2).reshape(count, -1)
    words = as_bytes(np.stack([channels.bias, channels.multiplier, -channels.shift], axis=1))
    stream: NDArray[np.int8] = np.concatenate([words, taps.astype(np.int8)], axis=1)
    return stream.reshape(-1)


def _line_rule(params: dict[str, int]) -> Overlap:
    """How far the input must lie behind the output when whole lines are made one after another."""
    lines = 2 if params["stride"] == 1 else 1
    starts = np.arange(0, params["output_lines"], lines)
    first = np.maximum(starts * params["stride"] - params["pad_lines"], 0)
    ends = np.minimum(starts + lines, params["output_lines"])
    distance = overlap_distance(
        first * params["input_line_pitch"], ends * params["output_line_pitch"], buffered=False
    )
    return Overlap(0, distance)


def lower_mve(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    overlap: Overlap,
    macs: int,
) -> Call | None:
    """An MVE kernel's call; None where this layer does not suit them.

    Args:
        overlap: The rule for one pixel after another.
    """
    scale = mve_scale(channels, node.output(), clamp)
    if scale is None or g["depth_multiplier"] != 1:
        return None
    shared = {"input_zero_point": node.input(0).zero_point, "scale": scale}
    if g["dilation_h"] == g["dilation_w"] == 1:
        if _is_line(g, "h", "w") or _is_line(g, "w", "h"):
            return _lower_line(g, node.optimize, channels, shared, macs)
        small = 1 < max(g["filter_h"], g["filter_w"]) <= _TAPS
        if small and (g["stride_h"], g["stride_w"]) in ((1, 1), (2, 2)):
            return _lower_3x3(g, node.optimize, channels, shared, macs)
    return _lower_any(g, channels, shared, overlap, macs)


def _is_line(g: dict[str, int], along: str, across: str) -> bool:
    """Whether the layer is a short filter over one line of values."""
    flat = g[f"input_{across}"] == g[f"output_{across}"] == g[f"filter_{across}"] == 1
    return flat and g[f"stride_{along}"] == 1 and 1 < g[f"filter_{along}"] <= _LINE_TAPS


def _lower_line(
    g: dict[str, int], optimize: str, channels: Channels, shared: Mapping[str, Any], macs: int
) -> Call:
    """The call of the kernel for one line of values."""
    words = as_bytes(np.stack([channels.bias, channels.multiplier, -channels.shift], axis=1))
    stream = np.concatenate([words.reshape(-1), channels.weights.reshape(-1).astype(np.int8)])
    output_length = g["output_h"] * g["output_w"]
    columns = -(-output_length // _VECTOR) + 3
    return Call(
        "depthwise_conv_1d",
        "eq_depthwise_conv_1d_mve_s8",
        "eq_depthwise_conv_1d_mve_params",
        {
            "batches": g["batches"],
            "channels": g["input_c"],
            "input_length": g["input_h"] * g["input_w"],
            "output_length": output_length,
            "taps": channels.weights.shape[1],
            "pad": g["pad_top"] + g["pad_left"],
            "columns": columns,
            "by_eight": int(output_length > _VECTOR and 7 * g["input_c"] < _REACH),
            **shared,
        },
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "int8_t", stream, "scales, then taps, channel by channel"),),
        scratch_bytes=_COLUMN_BYTES * columns + 16,
        overlaps=(Overlap(0, exact=True),) if g["batches"] == 1 else (),
        macs=macs,
        kernels="mve",
        told=_LINE if optimize == "size" else (),
    )


def _lower_any(
    g: dict[str, int],
    channels: Channels,
    shared: Mapping[str, Any],
    overlap: Overlap,
    macs: int,
) -> Call:
    """The call of the kernel for all filters."""
    geometry = {k: v for k, v in g.items() if k not in ("input_c", "depth_multiplier")}
    scale = np.stack([channels.bias, channels.multiplier, -channels.shift])
    weights = channels.weights
    sixteen = channels.count % LANES == 0 and bool(np.all(weights > np.iinfo(np.int8).min))
    if sixteen:
        # Sums of sixteen channels stand in four registers: every fourth, first the even ones.
        scale = scale.reshape(3, -1, LANES // _VECTOR, _VECTOR)[..., (0, 2, 1, 3)]
        scale = scale.swapaxes(2, 3).reshape(3, -1)
        weights = padded(weights, 2)
    head = as_bytes(padded(scale, _VECTOR)).reshape(-1)
    stream = np.concatenate([head, weights.T.reshape(-1).astype(np.int8)])
    form = "depthwise_conv_2d" + ("_sixteen" if sixteen else "")
    return Call(
        form,
        f"eq_{form}_mve_s8",
        "eq_depthwise_conv_2d_mve_params",
        {**geometry, "channels": g["input_c"], **shared},
        (INPUT, *constant_args(1), OUTPUT),
        (Constant("weights", "int8_t", stream, "bias, multiplier, -shift; filter (1HWC)"),),
        overlaps=(overlap,),
        macs=macs,
        kernels="mve",
    )


def _lower_3x3(
    g: dict[str, int], optimize: str, channels: Channels, shared: Mapping[str, Any], macs: int
) -> Call:
    """The call of the kernel for filters up to 3 x 3, stride 1 or 2."""
    strides = (g["stride_h"], g["stride_w"])
    same = (g["input_h"], g["input_w"]) == (g["output_h"], g["output_w"])
    in_place = strides == (1, 1) and same and g["batches"] == 1
    # Lines along columns are scattered in memory: that is only good for working in place.
    swap = in_place and _prefers_columns(g, optimize)
    params = _oriented(g, swap=swap)
    filters = channels.weights.reshape(-1, g["filter_h"], g["filter_w"])
    if swap:
        filters = filters.transpose(0, 2, 1)
    # The patches of the last outputs of a line have four columns.
    columns = max((params["output_along"] - 1) * params["stride"] + 4, params["pad_along"] + 1)
    if params["stride"] == 1 and params["output_along"] > 1:
        columns -= 1
    pitch, line_pitch = params["output_pitch"], params["output_line_pitch"]
    by_eight = params["stride"] == 1 and params["output_along"] >= 4
    by_eight &= max(line_pitch + 3 * pitch, 7 * pitch) < _REACH
    rules = [Overlap(0, exact=True)] if in_place else []
    if not in_place and g["batches"] == 1:
        rules.append(_line_rule(params))
    return Call(
        "depthwise_conv_2d_3x3",
        "eq_depthwise_conv_2d_3x3_mve_s8",
        "eq_depthwise_conv_2d_3x3_mve_params",
        {
            **params,
            "columns": columns,
            "in_place": int(in_place),
            "by_eight": int(by_eight),
            "lone": int(by_eight and params["output_lines"] % 2 and params["output_along"] >= 8),
            **shared,
        },
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "int8_t", _pack(channels, filters), "channel by channel"),),
        scratch_bytes=_COLUMN_BYTES * columns + 16,
        overlaps=tuple(rules),
        macs=macs,
        kernels="mve",
        told=(*_ORIENTED, "columns", *TOLD),
    )
