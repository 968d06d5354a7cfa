"""Scaling and shifting of channels becomes part of the layer behind it, or before it.

    y = a x + b,  z = W y + c      ->      z = (W a) x + (c + W b)

Rescaling, Normalization, a frozen BatchNormalization and arithmetic with constants are ops of their
own, which take time and a copy of an image; folded away they cost nothing, and the model's input
keeps the units of the data.

A layer that pads with zeros pads y, so x would need -b/a there. Where that is one number for all
channels, x is shifted by it, in one op that moves nothing (`shifts.py`); where it is not, only a is
folded. Weights share one scale over their inputs, so a must not differ much between channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import drop_unused, indices
from edgeq.conversion.network import Network

Array = NDArray[np.float64]
_ARITHMETIC = frozenset({"ADD", "DIV", "MUL", "SUB"})
_SAME = 0
# Further apart than this, a of the channels would leave too few bits of some channel's weights.
_SPREAD = 4.0


@dataclass(frozen=True)
class Affine:
    """`a x + b` by channel, of the last axis of x.

    Attributes:
        source: x.
        a, b: One of each for all channels, or one for each.
        ops: How many ops it was.
    """

    source: int
    a: Array
    b: Array
    ops: int = 0


def fold_affine(network: Network) -> Network:
    """The float network with scales and shifts of channels in the layers beside them."""
    changed = True
    found = False
    while changed:
        changed = any(
            _forward(network, op) or _backward(network, op)
            for op in network.ops
            if network.kind(op) in _ARITHMETIC
        )
        found |= changed
    if found:
        drop_unused(network.model)
    return network


def _step(network: Network, op: Any) -> Affine | None:
    """What one op does to its only input that is no constant; None if it is something else."""
    kind = network.kind(op)
    if kind not in _ARITHMETIC or op.builtinOptions.fusedActivationFunction:
        return None
    left, right = indices(op.inputs)
    (made,) = indices(op.outputs)
    swapped = network.is_constant(left)
    source, constant = (right, left) if swapped else (left, right)
    if network.is_constant(source) or not network.is_constant(constant):
        return None
    floats = network.is_float(source) and network.is_float(constant)
    if not floats or network.shape(source) != network.shape(made):
        return None
    value = network.constant(constant).astype(np.float64)
    channels = network.shape(source)[-1:] or (1,)
    by_channel = value.shape[-1:] == channels and value.size == channels[0]  # (n, 1) is by row
    if value.size != 1 and not by_channel:
        return None
    value = value.reshape(-1)
    one = np.ones(1)
    if kind == "ADD":
        return Affine(source, one, value, 1)
    if kind == "SUB":
        return Affine(source, -one, value, 1) if swapped else Affine(source, one, -value, 1)
    if kind == "MUL":
        return Affine(source, value, 0 * one, 1)
    return None if swapped or not value.all() else Affine(source, 1 / value, 0 * one, 1)


def _chain(network: Network, index: int) -> Affine:
    """The longest chain of such ops that ends in a tensor, each read by the next one alone."""
    found = Affine(index, np.ones(1), np.zeros(1))
    while True:
        maker = network.maker(found.source)
        step = None if maker is None else _step(network, maker)
        if step is None or found.source in network.outputs:
            return found
        if found.ops and len(network.readers(found.source)) > 1:
            return found
        a, b = found.a * step.a, found.a * step.b + found.b
        found = Affine(step.source, a, b, found.ops + 1)


def _forward(network: Network, op: Any) -> bool:
    """Fold the chain that ends in an op into all layers that read it; False if that cannot be."""
    (index,) = indices(op.outputs)
    readers = network.readers(index)
    chain = _chain(network, index)
    if index in network.outputs or not readers or not chain.ops:
        return False
    if not all(takes(network, reader, index) for reader in readers) or not _even(chain.a):
        return False
    padded = any(_pads(network, reader) for reader in readers) and bool(chain.b.any())
    if padded:
        lost = (chain.a == 0) & (chain.b != 0)  # no shift of x gives b there
        if chain.ops < 2 or lost.any() or network.shape(chain.source)[-1:] == ():
            return False
        source = _shifted(network, index, chain.source, _shift(chain))
        chain = Affine(source, chain.a, np.zeros(1), chain.ops)
    channels = network.shape(index)[-1]
    a, b = (np.broadcast_to(value, (channels,)) for value in (chain.a, chain.b))
    for reader in readers:
        scale_inputs(network, reader, a, b)
    network.redirect({index: chain.source})
    return True


def _even(a: Array) -> bool:
    """Whether the weights of all channels keep their bits; what is multiplied by 0 needs none."""
    sizes = np.abs(a[a != 0])
    return bool(sizes.size and sizes.max() <= _SPREAD * sizes.min())


def _shift(chain: Affine) -> Array:
    """The sum that comes before the product; where x does not count, what it is elsewhere."""
    a, b = np.broadcast_arrays(chain.a, chain.b)
    counts = a != 0
    shift = np.full(a.shape, b[counts][0] / a[counts][0])
    shift[counts] = b[counts] / a[counts]
    return shift


def fold_into(network: Network, index: int, more: Array) -> bool:
    """Let all layers that read a tensor add what a constant in it gives; False if they cannot.

    Args:
        network: The float network.
        index: The tensor, of which the constant is left out.
        more: The constant: one number for each channel of the last axis, or one for all.
    """
    readers = network.readers(index)
    channels = network.shape(index)[-1:]
    if index in network.outputs or not readers or more.shape[-1:] != (more.size,):
        return False
    if (more.size,) not in (channels, (1,)):
        return False
    if not all(takes(network, op, index) and not _pads(network, op) for op in readers):
        return False
    values = np.broadcast_to(more.reshape(-1), channels)
    for reader in readers:
        scale_inputs(network, reader, np.ones(channels), values)
    return True


def _shifted(network: Network, index: int, source: int, shift: Array) -> int:
    """A tensor with a shift added: one number where it is one."""
    same = bool((shift == shift[0]).all())
    values = (shift[:1] if same else shift).astype(np.float32)
    if same:
        values = values.reshape(())
    constant = network.add_constant(f"{network.name(index)}/shift", values)
    shape = network.graph.tensors[source].shape
    made = network.add_tensor(f"{network.name(index)}/shifted", shape, "float32")
    add = network.new_op("ADD", [source, constant], [made], "Add")
    maker = network.maker(source)
    place = 0 if maker is None else network.ops.index(maker) + 1
    network.ops = [*network.ops[:place], add, *network.ops[place:]]
    return made


def takes(network: Network, op: Any, index: int) -> bool:
    """Whether a layer reads a tensor as its input, with weights that can be changed."""
    kind, inputs = network.kind(op), indices(op.inputs)
    if kind not in _LAYERS or inputs[0] != index or index in inputs[1:]:
        return False
    if network.name(inputs[1]) in network.learned_scales:
        return False
    kept = [i for i in inputs[1:3] if i >= 0]
    constant = all(network.is_constant(i) and network.is_float(i) for i in kept)
    if not constant or len(network.readers(inputs[1])) > 1:
        return False
    channels, weights = network.shape(index)[-1], network.shape(inputs[1])
    if kind == "DEPTHWISE_CONV_2D":
        return weights[3] % channels == 0
    if kind == "CONV_2D":
        return channels % weights[-1] == 0  # a part of them where channels are in groups
    return weights[-1] == channels


def _pads(network: Network, op: Any) -> bool:
    """Whether a layer adds zeros around its input."""
    options = op.builtinOptions
    if network.kind(op) == "FULLY_CONNECTED" or options.padding != _SAME:
        return False
    shape, made = network.shape(indices(op.inputs)[0]), network.shape(indices(op.outputs)[0])
    kernel = network.shape(indices(op.inputs)[1])
    for axis, stride, dilation in (
        (1, options.strideH, options.dilationHFactor),
        (2, options.strideW, options.dilationWFactor),
    ):
        if (made[axis] - 1) * stride + (kernel[axis] - 1) * dilation + 1 > shape[axis]:
            return True
    return False


def _convolution(weights: Array, a: Array, b: Array) -> tuple[Array, Array]:
    a, b = (_by_output(value, weights) for value in (a, b))
    return weights * a, (weights * b).reshape(len(weights), -1).sum(1)


def _by_output(value: Array, weights: Array) -> Array:
    """What belongs to the input channels that each output reads: those of its group."""
    own = weights.shape[-1]
    groups = value.reshape(-1, own)
    rows = np.repeat(groups, len(weights) // len(groups), axis=0)
    return rows.reshape(len(weights), *[1] * (weights.ndim - 2), own)


def _depthwise(weights: Array, a: Array, b: Array) -> tuple[Array, Array]:
    times = weights.shape[3] // len(a)
    return weights * np.repeat(a, times), (weights * np.repeat(b, times)).sum((0, 1, 2))


_LAYERS: dict[str, Callable[[Array, Array, Array], tuple[Array, Array]]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _convolution,
}
"""By the layer: new weights, and what its bias grows by, for a and b of its input channels."""


def scale_inputs(network: Network, op: Any, a: Array, b: Array) -> None:
    """Let a layer do what was done to its input."""
    weights = indices(op.inputs)[1]
    made, more = _LAYERS[network.kind(op)](network.constant(weights).astype(np.float64), a, b)
    network.fill(weights, made.astype(np.float32))
    if more.any():
        _add_bias(network, op, np.ones(1), more)


def _add_bias(network: Network, op: Any, factor: Array, more: Array) -> None:
    """Multiply a layer's bias and add to it."""
    inputs = indices(op.inputs)
    bias = inputs[2] if len(inputs) > 2 else -1
    before = np.zeros(more.shape) if bias < 0 else network.constant(bias).astype(np.float64)
    values = (before * factor + more).astype(np.float32)
    if bias >= 0 and len(network.readers(bias)) == 1:
        network.fill(bias, values)
        return
    # Converters let layers share constants that are alike.
    name = f"{network.name(inputs[1])}/own_bias"
    op.inputs = [*inputs[:2], network.add_constant(name, values)]


def _backward(network: Network, op: Any) -> bool:
    """Fold an op into the layer before it; False if that cannot be."""
    step = _step(network, op)
    maker = None if step is None else network.maker(step.source)
    if step is None or maker is None or network.kind(maker) not in _LAYERS:
        return False
    inputs = indices(maker.inputs)
    alone = len(network.readers(step.source)) == 1 and step.source not in network.outputs
    if not alone or maker.builtinOptions.fusedActivationFunction or not step.a.all():
        return False
    kept = [i for i in inputs[1:3] if i >= 0]
    if not all(network.is_constant(i) for i in kept) or len(network.readers(inputs[1])) > 1:
        return False
    if network.name(inputs[1]) in network.learned_scales:
        return False
    channels = network.shape(step.source)[-1]
    a, b = (np.broadcast_to(value, (channels,)) for value in (step.a, step.b))
    weights = network.constant(inputs[1]).astype(np.float64)
    by_channel = (
        a
        if network.kind(maker) == "DEPTHWISE_CONV_2D"
        else a.reshape(-1, *[1] * (weights.ndim - 1))
    )
    network.fill(inputs[1], (weights * by_channel).astype(np.float32))
    if len(kept) > 1 or b.any():
        _add_bias(network, maker, a, b)
    (made,) = indices(op.outputs)
    maker.outputs = [made]
    network.ops = [other for other in network.ops if other is not op]
    return True
