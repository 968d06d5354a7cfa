"""Ops that give back what they are given, which `conversion/gated.py` puts in, are taken out.

GELU, MAXIMUM(lowest float), RELU     ->     GELU, RELU
"""

from __future__ import annotations

from typing import Any

from edgeq.conversion.flatbuffer import drop_unused, indices
from edgeq.conversion.gated import LOWEST
from edgeq.conversion.network import Network


def drop_barriers(network: Network) -> Network:
    """The float network without maxima with a number that nothing is below."""
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
    if network.kind(op) != "MAXIMUM" or network.outputs.count(indices(op.outputs)[0]):
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
