"""CONV_2D with int16 activations for cores with the DSP extension."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.int16_channels import (
    WideScales,
    four_to_a_word,
    segment_values,
    settled,
    why_portable_s16,
    wide_scales,
)
from edgeq.compiler.ops.dsp.layers import as_words, pairs
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
from edgeq.compiler.ops.shared.quantized import clamp
from edgeq.compiler.ops.shared.wide import has_int32_accumulator, requant_table

PIXELS = 3  # of one pass, EQ_PASS_S16_PIXELS
_FULL = (-32768, 32767)


def reading_order(filter_h: int, row: int) -> NDArray[np.int64]:
    """Tap indices as the kernel's columns hold them, -1 for filling: pairs of rows first."""
    whole = row & ~1
    taps = np.arange(filter_h * row).reshape(filter_h, row)
    order = np.concatenate([taps[:, :whole].reshape(-1), taps[:, whole:].reshape(-1)])
    return np.concatenate([order, np.full(-len(order) % 4, -1)])


def _pair_words(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """A word of channel a and one of b for every four values: (pairs, values / 2)."""
    first, second = pairs(four_to_a_word(weights))
    return np.stack([first, second], axis=-1).reshape(len(first), -1)


def lower_s16(
    g: dict[str, int], node: Node, values: NDArray[np.int8], rule: Overlap, macs: int
) -> Call | None:
    """The kernel's call; None where this layer does not suit it.

    Args:
        values: Weights as (channels, taps).
        rule: How far the input must lie behind the output, in elements.
    """
    if g["filter_c"] != g["input_c"] or not node.isa.has("dsp") or node.input(1).data is None:
        return None
    narrow = has_int32_accumulator(node)
    table = requant_table(node, values, narrow=narrow)
    padded = np.pad(values.astype(np.int64), ((0, 0), (0, 1)))
    weights = padded[:, reading_order(g["filter_h"], g["filter_w"] * g["input_c"])]
    steps = weights.shape[1] // 4
    layer = {**{k: v for k, v in g.items() if k != "filter_c"}, "steps": steps, **clamp(node)}
    scales = None
    if not narrow:
        weights, rows = settled(weights, table.values, clamp(node))
        table = replace(table, values=rows)
        scales = wide_scales(weights, rows)
    call = Call(
        "conv_2d_s16",
        "eq_conv_2d_dsp_s16",
        "eq_conv_2d_dsp_s16_params",
        layer,
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        scratch_bytes=8 * PIXELS * steps,
        overlaps=(in_bytes(rule, 2),),
        macs=macs,
        kernels="dsp",
    )
    if scales is not None and scales.plain:
        words = pair_stream(weights, table.values[:, 0], scales)
        stream = Constant(
            "weights", "uint32_t", words, "pairs of channels, see eq_matmul_s16_dsp.h"
        )
        return replace(call, constants=(stream,))
    return replace(
        call,
        header="conv_2d_wide_s16",
        function="eq_conv_2d_wide_bias32_dsp_s16" if narrow else "eq_conv_2d_wide_dsp_s16",
        params_type="eq_conv_2d_wide_dsp_s16_params",
        params={"layer": layer, "segment_steps": segment_values(weights) // 4},
        args=(INPUT, *constant_args(2), OUTPUT, SCRATCH),
        constants=(_segments(weights), table),
    )


def in_bytes(rule: Overlap, size: int) -> Overlap:
    """A rule for elements of so many bytes."""
    return replace(rule, distance=max(rule.distance * size, -int(np.iinfo(np.int32).max)))


def pair_stream(
    weights: NDArray[np.int64], bias: NDArray[np.int64], scales: WideScales
) -> NDArray[np.uint32]:
    """The words of every pair of channels, as eq_matmul_s16_dsp.h reads them.

    Args:
        weights: (channels, values), values in reading order and a multiple of four.
    """
    head = np.stack(pairs(bias), axis=1)
    tail = np.stack(pairs(scales.multiplier), axis=1)
    return as_words(np.concatenate([head, _pair_words(weights), tail], axis=1))


def _segments(weights: NDArray[np.int64]) -> Constant:
    words = as_words(_pair_words(weights))
    return Constant("weights", "uint32_t", words, "pairs of channels")


def why_portable(node: Node, g: dict[str, int]) -> str:
    """The conditions that a layer misses; empty on other cores."""
    return why_portable_s16(node, [(g["filter_c"] != g["input_c"], "grouped")])
