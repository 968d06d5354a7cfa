"""FULLY_CONNECTED whose weights are kept as 4-bit codes."""

from __future__ import annotations

from collections.abc import Mapping

from edgeq.ops.base import INPUT, OUTPUT, Call, Constant, Node, constant_args
from edgeq.ops.channels import Channels
from edgeq.ops.fully_connected_dsp import lower_dsp
from edgeq.ops.packed import codes_of, packed_rows, value_table


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
        call = lower_dsp(shape, node, channels, clamp, macs, int4=True)
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
