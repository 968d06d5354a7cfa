"""FULLY_CONNECTED with int16 activations for cores with the DSP extension."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.fully_connected import scratch_bytes
from edgeq.compiler.ops.dsp.int16_channels import dense_rows, segment_values, settled, wide_scales
from edgeq.compiler.ops.dsp.layers import as_words
from edgeq.compiler.ops.dsp.rows import rows_s16
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
from edgeq.compiler.ops.shared.quantized import clamp

_NOTE = "outputs by fours, see eq_rows_dsp.h"


def _channels(weights: NDArray[np.int64], bias: NDArray[np.int64]) -> Channels:
    nothing = np.zeros(len(bias), np.int64)
    return Channels(weights, bias, nothing, nothing, nothing)


def lower_s16(
    extent: dict[str, int], node: Node, table: Constant, macs: int, *, narrow: bool
) -> Call | None:
    """The kernel's call; None where this layer does not suit it.

    Args:
        extent: batches, input_c, output_c.
        table: Bias, multiplier and right shift of every output.
        narrow: Whether the reference adds up in 32 bits.
    """
    if not node.isa.has("dsp") or node.input(1).data is None:
        return None
    weights, rows = dense_rows(node, table)
    scales = None
    if not narrow:
        weights, rows = settled(weights, rows, clamp(node), node.output().zero_point)
        scales = wide_scales(weights, rows)
    params = {**extent, "segments": 1, "segment_c": extent["input_c"]}
    params |= {"output_offset": node.output().zero_point, **clamp(node)}
    call = Call(
        "fully_connected_s16",
        "eq_fully_connected_dsp_s16",
        "eq_fully_connected_dsp_s16_params",
        params,
        (INPUT, *constant_args(2), OUTPUT, SCRATCH),
        scratch_bytes=2 * scratch_bytes(extent["input_c"]),
        macs=macs,
        kernels="dsp",
    )
    if scales is not None and scales.plain:
        stream = rows_s16(_channels(weights, rows[:, 0]))
        multipliers = scales.multiplier.astype(np.int32)
        return replace(
            call,
            constants=(
                Constant("weights", "uint32_t", stream, _NOTE),
                Constant("requant", "int32_t", multipliers, "multipliers of SMMULR"),
            ),
        )
    if narrow and bool(np.any(np.abs(rows[:, 0]) >= 1 << 31)):
        return None
    length = segment_values(weights)
    parts = [weights[:, at : at + length] for at in range(0, weights.shape[1], length)]
    none = np.zeros(len(weights), np.int64)
    stream = np.concatenate([rows_s16(_channels(part, none)) for part in parts])
    kind = "bias32" if narrow else "wide"
    return replace(
        call,
        function=f"eq_fully_connected_{kind}_dsp_s16",
        params={**params, "segments": len(parts), "segment_c": length},
        constants=(
            Constant("weights", "uint32_t", as_words(stream), _NOTE),
            replace(table, values=rows),
        ),
    )
