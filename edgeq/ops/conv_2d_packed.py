"""CONV_2D whose weights are kept as 4-bit codes."""

from __future__ import annotations

from collections.abc import Callable

from edgeq.ops.base import INPUT, OUTPUT, SCRATCH, Call, Constant, Node, Overlap, constant_args
from edgeq.ops.channels import Channels
from edgeq.ops.conv_2d_dsp import PIXELS, lower_dsp
from edgeq.ops.cores import LANE_BYTES, Core, column_requant, column_scale, core_of
from edgeq.ops.packed import codes_of, packed_rows, value_table


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
        call = lower_dsp(g, node, channels, clamp, rule, macs, int4=True)
    if call is not None or node.optimize != "size":
        return call
    if core is not None:
        rule = overlap(core.pixels, buffered=True)
        call = _lower_columns(g, node, core, channels, clamp, rule, macs)
    return call or _lower_portable(g, node, requant, clamp, overlap(1, buffered=False), macs)


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
