"""FULLY_CONNECTED whose weights are kept as 4-bit codes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeq.compiler.ops.dsp.fully_connected import dsp_params, group_tables, scratch_bytes
from edgeq.compiler.ops.dsp.layers import as_words
from edgeq.compiler.ops.dsp.packed import PAIRS_BYTES, group_codes
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
from edgeq.compiler.ops.shared.packed import codes_of, packed_rows, value_table


def lower_packed(
    shape: dict[str, int],
    node: Node,
    channels: Channels,
    portable: tuple[Mapping[str, int], Constant],
    clamp: dict[str, int],
    macs: int,
) -> Call | None:
    """The call of a kernel that unpacks; None where the layer had better not be packed.

    Args:
        shape: batches, input_c and output_c.
        channels: Folded, for the fast kernels.
        portable: Parameters of the portable kernel; its table of biases, or of eq_requant rows
            where the scales are per channel.
    """
    if node.isa.has("mve"):
        return None
    call = None
    if node.isa.has("dsp"):
        call = _lower_dsp(shape, node, channels, clamp, macs)
    found = codes_of(node.constant(1))
    if call is not None or node.optimize != "size" or found is None:
        return call
    params, table = portable
    per_channel = "_per_channel" if table.ctype == "eq_requant" else ""
    return Call(
        "fully_connected_packed",
        f"eq_fully_connected_packed{per_channel}_s8",
        "eq_fully_connected_params",
        params,
        (INPUT, *constant_args(3), OUTPUT),
        (packed_rows(found.codes, "output, input"), value_table(found.values), table),
        macs=macs,
        packed=True,
    )


def _lower_dsp(
    shape: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    macs: int,
) -> Call | None:
    """With DSP instructions: int4 by arithmetic, other values out of a table of pairs."""
    params = dsp_params(shape, node, channels, clamp)
    found = codes_of(channels.weights)
    if params is None or found is None or not (found.int4 or node.optimize == "size"):
        return None
    # The int4 kernel takes 8 * sum(x) off the bias before it adds products of weights up to 15.
    reach = np.abs(channels.bias).max(initial=0) + 23 * 128 * shape["input_c"]
    if found.int4 and reach >= 1 << 31:
        return None
    per_channel = bool(params["per_channel"])
    bias, scale = group_tables(channels, per_channel=per_channel)
    weights = Constant(
        "weights",
        "uint32_t",
        as_words(np.concatenate([bias, group_codes(found), scale], axis=1)),
        f"packed: {found.kind}, see eq_fully_connected_packed_dsp.h",
    )
    tables = (weights,) if found.int4 else (weights, value_table(found.values))
    return Call(
        "fully_connected_packed",
        f"eq_fully_connected_{found.kind}_dsp_s8",
        "eq_fully_connected_dsp_params",
        params,
        (INPUT, *constant_args(len(tables)), OUTPUT, SCRATCH),
        tables,
        scratch_bytes=scratch_bytes(shape["input_c"]) + (0 if found.int4 else PAIRS_BYTES),
        macs=macs,
        kernels="dsp",
        packed=True,
    )
