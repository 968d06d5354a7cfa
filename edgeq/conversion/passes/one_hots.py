"""ONE_HOT, which no integer kernel computes, is a look-up of rows of the unit matrix.

    ONE_HOT(places, depth, on, off)   ->   GATHER(rows, places cut to -1 .. depth, plus 1)

The first and the last row are those of places beyond the matrix, which have nothing but `off`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import drop_unused, indices
from edgeq.conversion.network import Network

_PLACES = ("int32", "int64")


def look_up_one_hots(network: Network) -> Network:
    """The float network with look-ups in place of ONE_HOT."""
    ops: list[Any] = []
    for op in network.ops:
        ops += _looked_up(network, op) or [op]
    if len(ops) != len(network.ops):
        network.ops = ops
        drop_unused(network.model)
    return network


def _looked_up(network: Network, op: Any) -> list[Any] | None:
    """The ops that look up; None for an op that is something else."""
    if network.kind(op) != "ONE_HOT":
        return None
    (places, *settings), (result,) = indices(op.inputs), indices(op.outputs)
    cast = network.maker(places)
    if cast is not None and network.kind(cast) == "CAST":
        # Keras makes int64 of int32, which fewer runtimes have.
        (given,) = indices(cast.inputs)
        places = given if network.dtype_of(given) == "int32" else places
    shape, dtype = network.shape(result), network.dtype_of(places)
    last = int(op.builtinOptions.axis) in (-1, len(shape) - 1)
    known = all(network.is_constant(index) for index in settings)
    if not (last and known and dtype in _PLACES and network.is_float(result)):
        return None
    depth = shape[-1]
    on, off = (float(network.constant(index).reshape(-1)[0]) for index in settings[1:])
    rows = np.full((depth + 2, depth), off, np.float32)
    rows[np.arange(1, depth + 1), np.arange(depth)] = on
    name = network.name(result)
    made = [
        network.add_tensor(f"{name}/{part}", network.shape(places), dtype)
        for part in ("below", "within", "row")
    ]
    most, least, one = (
        network.add_constant(f"{name}/{part}", np.array(value, dtype))
        for part, value in (("most", depth), ("least", -1), ("one", 1))
    )
    table = network.add_constant(f"{name}/rows", rows)
    return [
        network.new_op("MINIMUM", [places, most], [made[0]], "MaximumMinimum"),
        network.new_op("MAXIMUM", [made[0], least], [made[1]], "MaximumMinimum"),
        network.new_op("ADD", [made[1], one], [made[2]], "Add"),
        network.new_op("GATHER", [table, made[2]], [result], "Gather", axis=0),
    ]
