"""Elements that never change, or that nothing looks at, do not set the scale of the others.

    y = (x - m) * a + b     ->      y = (x - m') * a' + b' + k

Where x never changes on the data and `a` is far larger than elsewhere, a', b' and m' are 0 and k
is what y always is there; where no layer looks at y, k is 0 too. Normalization has such an `a`: it
divides by the deviation that it saw, and by 1e-7 where a feature never changed; so have
BatchNormalization behind an input and quotients with a tiny number. One scale for all of `a`, and
one for all of y, would leave nothing of the other elements.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import drop_unused, indices
from edgeq.conversion.network import Network, Pass
from edgeq.conversion.passes.affine import fold_into, takes

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
_SHIFTS = frozenset({"ADD", "SUB"})
_SCALES = frozenset({"DIV", "MUL"})


@dataclass(frozen=True)
class Scaling:
    """A product with a constant that differs between elements.

    Attributes:
        op: MUL, or DIV.
        source, made: x and y.
        shifts: The sums with constants before it and behind it, each read by the next op alone.
        between: The tensors from x to y.
        shifted, product: What the constant is multiplied with, and the result.
        factors: `a`, in the shape of the constant.
    """

    op: Any
    shifts: tuple[Any, ...]
    between: tuple[int, ...]
    shifted: int
    product: int
    factors: Array

    @property
    def source(self) -> int:
        """The tensor x."""
        return self.between[0]

    @property
    def made(self) -> int:
        """The tensor y."""
        return self.between[-1]


@dataclass(frozen=True)
class Still:
    """Elements to be left out of a scaling.

    Attributes:
        made: Name of the tensor that the product makes.
        mask: Where they are, in the shape of the constant.
        values: What the product always is there; 0 elsewhere, and where nothing looks at it.
    """

    made: str
    mask: Mask
    values: Array


def scalings(network: Network) -> list[Scaling]:
    """The products with constants that are more than one number."""
    found = []
    for op in network.ops:
        parts = _constant_operand(network, op, _SCALES)
        if parts is None:
            continue
        shifted, constant, swapped = parts
        values = network.constant(constant).astype(np.float64)
        if values.size == 1 or (network.kind(op) == "DIV" and (swapped or not values.all())):
            continue
        factors = 1 / values if network.kind(op) == "DIV" else values
        (product,) = indices(op.outputs)
        before, after = _sums_before(network, shifted), _sums_behind(network, op, product)
        sources = [i for each in before for i in indices(each.inputs) if not network.is_constant(i)]
        results = [indices(each.outputs)[0] for each in after]
        between = (*sources, shifted, product, *results)
        found.append(Scaling(op, (*before, *after), between, shifted, product, factors))
    return found


def _sums_before(network: Network, index: int) -> list[Any]:
    """The sums with constants that make a tensor, in order."""
    found: list[Any] = []
    while (maker := network.maker(index)) is not None and _alone(network, index):
        parts = _constant_operand(network, maker, _SHIFTS)
        if parts is None or _activated(maker):
            break
        found.insert(0, maker)
        index = parts[0]
    return found


def _sums_behind(network: Network, op: Any, index: int) -> list[Any]:
    """The sums with constants that are made of what an op makes, in order."""
    found: list[Any] = []
    while not _activated(op) and _alone(network, index):
        (op,) = network.readers(index)
        if _constant_operand(network, op, _SHIFTS) is None:
            break
        found.append(op)
        (index,) = indices(op.outputs)
    return found


def _alone(network: Network, index: int) -> bool:
    """Whether one op reads a tensor, and nothing else does."""
    return len(network.readers(index)) == 1 and index not in network.outputs


def _activated(op: Any) -> bool:
    return bool(op.builtinOptions.fusedActivationFunction)


def _constant_operand(
    network: Network, op: Any, kinds: frozenset[str]
) -> tuple[int, int, bool] | None:
    """The tensor and the constant of an op of two operands, and whether the constant is first."""
    if network.kind(op) not in kinds:
        return None
    left, right = indices(op.inputs)
    swapped = network.is_constant(left)
    source, constant = (right, left) if swapped else (left, right)
    if network.is_constant(source) or not network.is_constant(constant):
        return None
    (made,) = indices(op.outputs)
    floats = network.is_float(source) and network.is_float(constant)
    return (source, constant, swapped) if floats and _same(network, source, made) else None


def _same(network: Network, source: int, made: int) -> bool:
    return network.shape(source) == network.shape(made)


def read_in_part(network: Network, starts: Iterable[int]) -> dict[int, Mask]:
    """Tensors of which some elements change nothing, and which these are.

    Args:
        network: The float network.
        starts: Where to look: these, and what sums, products and reshapes make of them.
    """
    found: dict[int, Mask] = {}
    waiting = [index for index in starts if network.is_float(index)]
    while waiting:
        index = waiting.pop()
        missed = unread(network, index)
        if index in found or missed.all() or not missed.any():
            continue
        found[index] = missed
        waiting += [
            indices(op.outputs)[0]
            for op in network.readers(index)
            if network.kind(op) in {"RESHAPE", *_SHIFTS, *_SCALES}
        ]
    return found


def unread(network: Network, index: int) -> Mask:
    """The elements of a tensor that change nothing, whatever they are."""
    shape = network.shape(index)
    readers = network.readers(index)
    found = np.full(shape, bool(readers) and index not in network.outputs)
    for op in readers:
        if not found.any():
            break
        found &= _unread_by(network, op, index)
    return found


def _unread_by(network: Network, op: Any, index: int) -> Mask:
    """The same as far as one reader is concerned."""
    kind, inputs, shape = network.kind(op), indices(op.inputs), network.shape(index)
    (made, *_) = indices(op.outputs)
    if kind == "RESHAPE":
        return unread(network, made).reshape(shape)
    parts = _constant_operand(network, op, _SHIFTS | _SCALES)
    if parts is not None:
        zeros = np.zeros(shape, bool)
        if kind == "MUL":
            zeros |= network.constant(parts[1]) == 0
        return zeros | unread(network, made)
    if inputs[0] != index or not takes(network, op, index):
        return np.zeros(shape, bool)
    nothing = network.constant(inputs[1]) == 0
    if kind == "DEPTHWISE_CONV_2D":
        by_channel = nothing.all((0, 1, 2)).reshape(shape[-1], -1).all(1)
    else:
        groups = shape[-1] // nothing.shape[-1] if kind == "CONV_2D" else 1
        by_output = nothing.all(tuple(range(1, nothing.ndim - 1)))
        by_channel = by_output.reshape(groups, -1, nothing.shape[-1]).all(1).reshape(-1)
    if kind == "FULLY_CONNECTED":
        rows = int(np.prod(shape)) // len(by_channel)
        return np.tile(by_channel, rows).reshape(shape)
    return np.broadcast_to(by_channel, shape)


def without_still(found: Sequence[Still]) -> Pass:
    """The pass that leaves some elements out.

    Args:
        found: Which.
    """

    def leave_out_still(network: Network) -> Network:
        """The float network without elements that never change, or that nothing looks at."""
        by_name = {network.name(scaling.made): scaling for scaling in scalings(network)}
        for still in found:
            _leave_out(network, by_name[still.made], still)
        drop_unused(network.model)
        return network

    return leave_out_still


def _leave_out(network: Network, scaling: Scaling, still: Still) -> None:
    factors = np.where(still.mask, 0, scaling.factors).astype(np.float32)
    constant = network.add_constant(f"{still.made}/factors", factors)
    product = network.new_op("MUL", [scaling.shifted, constant], [scaling.product], "Mul")
    options = scaling.op.builtinOptions
    product.builtinOptions.fusedActivationFunction = options.fusedActivationFunction
    for op in scaling.shifts:
        _forget_shift(network, op, still.mask)
    network.ops = [product if op is scaling.op else op for op in network.ops]
    if still.values.any() and not fold_into(network, scaling.made, still.values):
        _add_values(network, scaling.made, still)


def _add_values(network: Network, made: int, still: Still) -> None:
    """Add what the elements always are behind the op that makes all others."""
    maker = network.maker(made)
    bare = network.add_tensor(f"{still.made}/moving", network.shape(made), "float32")
    values = network.add_constant(f"{still.made}/still", still.values.astype(np.float32))
    add = network.new_op("ADD", [bare, values], [made], "Add")
    ops = network.ops
    place = next(i for i, op in enumerate(ops) if op is maker)
    ops[place].outputs = [bare]
    network.ops = [*ops[: place + 1], add, *ops[place + 1 :]]


def _forget_shift(network: Network, op: Any, mask: Mask) -> None:
    """Add nothing to elements that are left out."""
    inputs = indices(op.inputs)
    constant = next(index for index in inputs if network.is_constant(index))
    values = network.constant(constant)
    name = f"{network.name(indices(op.outputs)[0])}/shift"
    kept = network.add_constant(name, np.where(mask, 0, values).astype(np.float32))
    op.inputs = [kept if index == constant else index for index in inputs]
