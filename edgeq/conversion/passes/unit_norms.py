"""Vectors brought to length 1: x * min(rsqrt(sum(x^2)), limit), or with max(sum, limit) inside.

A vector of zeros, which padding makes, has the reciprocal 1e12: no range holds that beside those of
other vectors. It does not have to, since zeros stay zeros whatever they are multiplied with.

- 8 bits have L2_NORMALIZATION, which sums up squares exactly. It takes the last axis; others are
  brought there.
- 16 bits do not have it, and squares of small vectors are nothing in steps of those of large ones:
  x is divided by its largest value first, so that all vectors are alike then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import drop_unused, indices
from edgeq.conversion.moves import reshape, transpose
from edgeq.conversion.network import Network

# Vectors whose largest value is less than this share of all values' are not brought to length 1.
_LEAST = 1 / 4096
_ROOM = 1.1
# The float kernel of L2_NORMALIZATION divides by 1e-6 at least.
_FADED = 1e-4


@dataclass(frozen=True)
class _Norm:
    """One normalization: the ops that make its divisor and its product, and the axes."""

    square: Any
    total: Any
    inverse: Any
    limit: Any
    product: Any
    axes: tuple[int, ...]


def guard_norms(network: Network) -> Network:
    """The float network with the limit of a norm in front of its RSQRT: nothing is infinite."""
    for found in _norms(network):
        if network.kind(found.limit) != "MINIMUM":
            continue
        (most,) = (i for i in indices(found.limit.inputs) if network.is_constant(i))
        least = np.float32(1 / np.square(network.constant(most).reshape(-1)[0], dtype=np.float64))
        if least < np.finfo(np.float32).tiny:
            continue
        (total,), (result,) = indices(found.total.outputs), indices(found.limit.outputs)
        (between,) = indices(found.inverse.outputs)
        bound = network.add_constant(f"{network.name(between)}/least", np.array([least]))
        limit = network.new_op("MAXIMUM", [total, bound], [between], "MaximumMinimum")
        inverse = network.new_op("RSQRT", [between], [result])
        swapped = {id(found.inverse): limit, id(found.limit): inverse}
        network.ops = [swapped.get(id(op), op) for op in network.ops]
    return network


def spell_norms(network: Network) -> Network:
    """The float network with norms in ops that integers compute well."""
    changed = False
    for found in _norms(network):
        source, (result,) = indices(found.square.inputs)[0], indices(found.product.outputs)
        low, high = network.range(source)
        if 0 < max(-low, high) < _FADED or _shortens(network, found, max(-low, high)):
            continue
        made = _fused if network.dtype == "int8" else _spelled
        ops = made(network, source, result, found.axes)
        network.ops = [new for op in network.ops for new in (ops if op is found.product else [op])]
        changed = True
    if changed:
        drop_unused(network.model)
    return network


def _shortens(network: Network, found: _Norm, largest: float) -> bool:
    """Whether the limit leaves vectors shorter than 1 that have more than a step per element."""
    bounds = [network.constant(i) for i in indices(found.limit.inputs) if network.is_constant(i)]
    least = float(bounds[0].max()) if network.kind(found.limit) == "MAXIMUM" else 0.0
    shape = network.shape(indices(found.square.inputs)[0])
    step = largest * (_LEAST if network.dtype == "int16" else 1 / 127)
    noise = step**2 * int(np.prod([shape[axis] for axis in found.axes]))
    return least > noise and network.range(indices(found.total.outputs)[0])[0] < least


def _norms(network: Network) -> list[_Norm]:
    """The normalizations of a float network."""
    found = []
    for product in network.ops:
        if network.kind(product) != "MUL" or product.builtinOptions.fusedActivationFunction:
            continue
        inputs = indices(product.inputs)
        for source, divisor in (inputs, inputs[::-1]):
            norm = _norm(network, product, source, divisor)
            if norm is not None:
                found.append(norm)
    return found


def _norm(network: Network, product: Any, source: int, divisor: int) -> _Norm | None:
    """The normalization that ends in a product; None if it is none."""
    last = network.maker(divisor)
    first = None if last is None else _single(network, last)
    if last is None or first is None:
        return None
    kinds = (network.kind(first), network.kind(last))
    if kinds == ("MAXIMUM", "RSQRT"):
        limit, inverse = first, last
    elif kinds == ("RSQRT", "MINIMUM"):
        inverse, limit = first, last
    else:
        return None
    total = _single(network, first)
    square = None if total is None or network.kind(total) != "SUM" else _maker_of(network, total)
    if total is None or square is None or not total.builtinOptions.keepDims:
        return None
    squared = indices(square.inputs)
    same = network.kind(square) == "SQUARE" or (network.kind(square) == "MUL" and len(squared) == 2)
    if not same or set(squared) != {source} or not network.is_constant(indices(total.inputs)[1]):
        return None
    raw = network.model.buffers[network.graph.tensors[indices(total.inputs)[1]].buffer].data
    rank = len(network.shape(source))
    axes = tuple(sorted(int(axis) % rank for axis in np.frombuffer(bytes(raw), np.int32)))
    return _Norm(square, total, inverse, limit, product, axes)


def _single(network: Network, op: Any) -> Any | None:
    """What makes the one value that an op reads beside constants, if only that op reads it."""
    values = [i for i in indices(op.inputs) if not network.is_constant(i)]
    if len(values) != 1 or len(network.readers(values[0])) != 1 or values[0] in network.outputs:
        return None
    return network.maker(values[0])


def _maker_of(network: Network, op: Any) -> Any | None:
    return network.maker(indices(op.inputs)[0])


def _fused(network: Network, source: int, result: int, axes: tuple[int, ...]) -> list[Any]:
    """L2_NORMALIZATION, with the axes brought to the end where they are not there."""
    shape, name = network.shape(source), network.name(result)
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    order = (*kept, *axes)
    size = int(np.prod([shape[axis] for axis in axes]))

    def tensor(part: str, sizes: Any, like: int) -> int:
        full = f"{name}/{part}"
        network.ranges[full] = network.range(like)
        return network.add_tensor(full, list(sizes), "float32")

    if order == tuple(range(len(shape))) and len(axes) == 1 and len(shape) <= 4:
        return [_l2(network, source, result)]
    turned = [shape[axis] for axis in order]
    ops: list[Any] = []
    value = source
    if order != tuple(range(len(shape))):
        value = tensor("turned", turned, source)
        ops.append(transpose(network, source, value, order))
    rows = tensor("rows", (int(np.prod(shape)) // size, size), source)
    unit = tensor("unit", network.shape(rows), result)
    back = result if value == source else tensor("back", turned, result)
    ops += [reshape(network, value, rows), _l2(network, rows, unit), reshape(network, unit, back)]
    if back != result:
        ops.append(transpose(network, back, result, tuple(int(i) for i in np.argsort(order))))
    return ops


def _l2(network: Network, source: int, result: int) -> Any:
    network.ranges[network.name(result)] = (-1.0, 127 / 128)  # its kernels know no other
    return network.new_op("L2_NORMALIZATION", [source], [result], "L2Norm")


def _spelled(network: Network, source: int, result: int, axes: tuple[int, ...]) -> list[Any]:
    """The vectors by their largest value, then by the root of the squares' sum, 1 at least."""
    shape, name = network.shape(source), network.name(result)
    one = [1 if axis in axes else size for axis, size in enumerate(shape)]
    count = int(np.prod([shape[axis] for axis in axes]))
    largest = max(*(abs(end) for end in network.range(source)), 1e-30)
    least = largest * _LEAST

    def tensor(part: str, sizes: Any, low: float, high: float) -> int:
        full = f"{name}/{part}"
        network.ranges[full] = (low, high)
        return network.add_tensor(full, list(sizes), "float32")

    def number(part: str, value: float) -> int:
        return network.add_constant(f"{name}/{part}", np.array([value], np.float32))

    places = network.add_constant(f"{name}/axes", np.array(axes, np.int32))
    sizes, most = tensor("sizes", shape, 0.0, largest), tensor("most", one, 0.0, largest)
    bound = tensor("bound", one, least, largest)
    share = tensor("share", one, 1 / largest, 1 / least)
    even = tensor("even", shape, -_ROOM, _ROOM)
    squares = tensor("squares", shape, 0.0, _ROOM**2)
    mean = tensor("mean", one, 0.0, _ROOM**2)
    total = tensor("total", one, 0.0, count * _ROOM**2)
    whole = tensor("whole", one, 1 / _ROOM**2, count * _ROOM**2)
    inverse = tensor("inverse", one, 0.0, _ROOM)
    keep = {"keepDims": True}
    return [
        network.new_op("ABS", [source], [sizes]),
        network.new_op("REDUCE_MAX", [sizes, places], [most], "Reducer", **keep),
        network.new_op("MAXIMUM", [most, number("least", least)], [bound], "MaximumMinimum"),
        network.new_op("DIV", [number("one", 1.0), bound], [share], "Div"),
        network.new_op("MUL", [source, share], [even], "Mul"),
        network.new_op("MUL", [even, even], [squares], "Mul"),
        # LiteRT's reference kernel for SUM is wrong in 16 bits; the one for MEAN is right.
        network.new_op("MEAN", [squares, places], [mean], "Reducer", **keep),
        network.new_op("MUL", [mean, number("count", float(count))], [total], "Mul"),
        network.new_op("MAXIMUM", [total, number("unit", 1 / _ROOM**2)], [whole], "MaximumMinimum"),
        network.new_op("RSQRT", [whole], [inverse]),
        network.new_op("MUL", [even, inverse], [result], "Mul"),
    ]
