"""CONV_2D whose weights are kept as 4-bit codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgeq.compiler.ops.dsp.conv_2d import PIXELS, dsp_params, reading_order, stream
from edgeq.compiler.ops.dsp.packed import PAIRS_BYTES, pair_words
from edgeq.compiler.ops.scalar.cores import LANE_BYTES, Core, column_requant, column_scale, core_of
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
from edgeq.compiler.ops.shared.packed import codes_of, packed_rows, value_table


def lower_packed(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    requant: Constant,
    clamp: dict[str, int],
    overlap: Callable[..., Overlap],
    macs: int,
) -> Call | None:
    """The call of a kernel that unpacks; None where the layer had better not be packed.

    Args:
        g: Geometry.
        channels: Folded, for the fast kernels.
        requant: For the portable kernel.
        overlap: `conv_2d.overlap` of this geometry.
    """
    core = core_of(node.isa)
    if node.isa.has("mve"):
        return None
    call = None
    if node.isa.has("dsp"):
        rule = overlap(PIXELS, buffered=True)
        call = _lower_dsp(g, node, channels, clamp, rule, macs)
    if call is not None or node.optimize != "size":
        return call
    if core is not None:
        rule = overlap(core.pixels, buffered=True)
        call = _lower_columns(g, node, core, channels, clamp, rule, macs)
    return call or _lower_portable(g, node, requant, clamp, overlap(1, buffered=False), macs)


def _lower_dsp(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    overlap: Overlap,
    macs: int,
) -> Call | None:
    """With DSP instructions: int4 by arithmetic, other values out of a table of pairs."""
    params = dsp_params(g, node, channels, clamp)
    found = codes_of(channels.weights)
    if params is None or found is None or not (found.int4 or node.optimize == "size"):
        return None
    if found.int4 and np.any(channels.bound[0::2] >= 1 << 27):
        return None
    words = pair_words(found, reading_order(g))
    weights = stream(channels, words, (16, 1) if found.int4 else (1, 0))
    weights = replace(weights, note=f"packed: {found.kind}, see eq_matmul_packed_dsp.h")
    tables = (weights,) if found.int4 else (weights, value_table(found.values))
    return Call(
        "conv_2d_packed",
        f"eq_conv_2d_{found.kind}_dsp_s8",
        "eq_conv_2d_dsp_params",
        params,
        (INPUT, *constant_args(len(tables)), OUTPUT, SCRATCH),
        tables,
        scratch_bytes=8 * PIXELS * params["steps"] + (0 if found.int4 else PAIRS_BYTES),
        overlaps=(overlap,),
        macs=macs,
        kernels="dsp",
        packed=True,
    )


def _lower_columns(
    g: dict[str, int],
    node: Node,
    core: Core,
    channels: Channels,
    clamp: dict[str, int],
    overlap: Overlap,
    macs: int,
) -> Call | None:
    """On cores without SIMD: a channel's weights become bytes for the core's inner product."""
    scale = column_scale(core, channels, node.output(), clamp)
    plain = g["dilation_h"] == g["dilation_w"] == 1 and g["filter_c"] == g["input_c"]
    found = codes_of(channels.weights)
    if scale is None or not plain or found is None:
        return None
    taps = channels.weights.shape[1]
    return Call(
        "conv_2d_packed_columns",
        "eq_conv_2d_packed_columns_s8",
        "eq_conv_2d_columns_params",
        {
            **{k: v for k, v in g.items() if k not in ("dilation_h", "dilation_w", "filter_c")},
            "input_zero_point": node.input(0).zero_point,
            "scale": scale,
        },
        (INPUT, *constant_args(3), OUTPUT, SCRATCH),
        (
            packed_rows(found.codes, "OHWI"),
            value_table(core.weights(found.values)),
            column_requant(channels),
        ),
        scratch_bytes=LANE_BYTES * core.pixels * taps + taps + taps % 2,
        overlaps=(overlap,),
        macs=macs,
        packed=True,
    )


def _lower_portable(
    g: dict[str, int],
    node: Node,
    requant: Constant,
    clamp: dict[str, int],
    overlap: Overlap,
    macs: int,
) -> Call | None:
    found = codes_of(node.constant(1))
    if found is None:
        return None
    return Call(
        "conv_2d_packed",
        "eq_conv_2d_packed_s8",
        "eq_conv_2d_params",
        {
            **g,
            "input_offset": -node.input(0).zero_point,
            "output_offset": node.output().zero_point,
            **clamp,
        },
        (INPUT, *constant_args(3), OUTPUT),
        (packed_rows(found.codes, "OHWI"), value_table(found.values), requant),
        overlaps=(overlap,),
        macs=macs,
        packed=True,
    )
