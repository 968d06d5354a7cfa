"""A number added to a whole tensor is a change of its zero point, and moves nothing.

Integers q stand for s (q - z). Adding n s to all of them gives s (q - (z - n)): the same integers
with another zero point. `align_shifts` makes the number a multiple of s, before the quantizer, and
has the layers behind make up for the rest; `shift_scales` puts a RESHAPE to the same shape in place
of the sum, whose two tensors are one memory in C.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.moves import reshape
from edgeq.conversion.network import LIMITS, Network, Scale
from edgeq.conversion.passes.affine import scale_inputs, takes

_LAYERS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})
_ALIKE = 1e-5


def align_shifts(network: Network) -> Network:
    """The float network with shifts in front of convolutions by whole steps of the scale."""
    if network.symmetric:
        return network
    for op in network.ops:
        if not _is_shift(network, op):
            continue
        source, constant = indices(op.inputs)
        (made,) = indices(op.outputs)
        readers = network.readers(made)
        if made in network.outputs or not all(_takes(network, r, made) for r in readers):
            continue
        scale, zero_point = network.scale_for(*network.range(source))
        shift = float(network.constant(constant).reshape(-1)[0])
        steps = round(shift / scale)
        least, most = LIMITS[network.dtype]
        if not least <= zero_point - steps <= most:
            continue
        rest = shift - steps * scale
        network.fill(constant, np.array(steps * scale, np.float32).reshape(network.shape(constant)))
        for reader in readers:
            channels = network.shape(made)[-1]
            scale_inputs(network, reader, np.ones(channels), np.full(channels, rest))
            _note_bias(network, reader)
        moved = zero_point - steps
        network.ranges[network.name(made)] = ((least - moved) * scale, (most - moved) * scale)
        network.ranges[network.name(source)] = (
            (least - zero_point) * scale,
            (most - zero_point) * scale,
        )
    return network


def _takes(network: Network, op: Any, index: int) -> bool:
    """Whether a layer can make up for a part of a shift."""
    return network.kind(op) in _LAYERS and takes(network, op, index)


def _note_bias(network: Network, op: Any) -> None:
    """Let later passes know the bias that a layer has now, if it has one."""
    bias = (*indices(op.inputs), -1)[2]
    if bias < 0:
        return
    network.floats = {**network.floats, network.name(bias): network.constant(bias)}


def _is_shift(network: Network, op: Any) -> bool:
    """Whether an op adds one number to a tensor."""
    if network.kind(op) != "ADD" or op.builtinOptions.fusedActivationFunction:
        return False
    source, constant = indices(op.inputs)
    one = network.shape(constant) in ((), (1,)) and network.is_constant(constant)
    return one and not network.is_constant(source)


def shift_scales(network: Network) -> Network:
    """The integer network with new zero points in place of sums with one number."""
    ops = []
    for op in network.ops:
        source, made = indices(op.inputs)[0], indices(op.outputs)[0]
        types = {network.dtype_of(source), network.dtype_of(made)}
        known = types == {"int8"} and _is_shift(network, op) and made not in network.outputs
        if known and _same_steps(network, network.scale(source), op):
            if all(network.kind(reader) in _LAYERS for reader in network.readers(made)):
                # Other ops may need the very scale that they have.
                tensor = network.graph.tensors[made]
                tensor.quantization.scale = np.array([network.scale(source)[0]], np.float32)
            op = reshape(network, source, made)
        ops.append(op)
    network.ops = ops
    return network


def _same_steps(network: Network, before: Scale, op: Any) -> bool:
    """Whether a sum leaves the integers as they are."""
    (scale, zero_point), (made,) = before, indices(op.outputs)
    after, moved = network.scale(made)
    shift = float(network.dequantized(indices(op.inputs)[1]).reshape(-1)[0])
    alike = abs(after / scale - 1) < _ALIKE
    return alike and abs(shift / scale - (zero_point - moved)) < 0.25
