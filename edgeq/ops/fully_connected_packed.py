"""FULLY_CONNECTED whose weights are kept as 4-bit codes."""

from __future__ import annotations

from collections.abc import Mapping

from edgeq.ops.base import INPUT, OUTPUT, Call, Constant, Node, constant_args
from edgeq.ops.packed import codes_of, packed_rows, value_table


def lower_packed(node: Node, params: Mapping[str, int], table: Constant, macs: int) -> Call | None:
    """The call of a kernel that unpacks; None where the layer had better not be packed.

    Args:
        params: Of the portable kernel.
        table: Biases, or eq_requant rows where the scales are per channel.
    """
    found = codes_of(node.constant(1))
    if found is None or node.optimize != "size" or node.isa.has("mve"):
        return None
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
