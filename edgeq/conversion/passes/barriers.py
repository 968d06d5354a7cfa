"""Ops that give back what they are given are taken out.

GELU, MAXIMUM(lowest float), RELU     ->     GELU, RELU     `conversion/gated.py` puts these in
CAST to float16, CAST to float32      ->                    models that were trained in 16 bits
"""

from __future__ import annotations

from typing import Any

from edgeq.conversion.flatbuffer import drop_unused, indices
from edgeq.conversion.gated import LOWEST
from edgeq.conversion.layer_kinds import HALF
from edgeq.conversion.network import Network


def drop_barriers(network: Network) -> Network:
    """The float network without maxima that change nothing, and casts to 16 bits and back."""
    same: dict[int, int] = {}
    for op in network.ops:
        source = _passed(network, op)
        if source is not None:
            same[indices(op.outputs)[0]] = same.get(source, source)
    if same:
        network.redirect(same)
        drop_unused(network.model)
    return network


def _passed(network: Network, op: Any) -> int | None:
    """What an op gives back as it is; None if it does something."""
    if network.outputs.count(indices(op.outputs)[0]):
        return None
    if network.kind(op) == "CAST" and network.is_float(indices(op.outputs)[0]):
        half = network.maker(indices(op.inputs)[0])
        narrowed = half is not None and network.kind(half) == "CAST"
        source = indices(half.inputs)[0] if half is not None and narrowed else -1
        short = network.dtype_of(indices(op.inputs)[0]) in HALF
        return source if source >= 0 and short and network.is_float(source) else None
    if network.kind(op) != "MAXIMUM":
        return None
    for source, bound in (indices(op.inputs), indices(op.inputs)[::-1]):
        if (
            network.is_constant(bound)
            and network.is_float(bound)
            and network.shape(source) == network.shape(indices(op.outputs)[0])
            and (network.constant(bound) <= LOWEST).all()
        ):
            return source
    return None
