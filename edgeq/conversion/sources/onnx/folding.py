"""Ops whose inputs are known are computed while the file is read: shapes, masks, weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from edgeq.conversion.constant_room import MOST_NUMBERS
from edgeq.conversion.sources.onnx.graph import Graph, Node
from edgeq.errors import EdgeqError
from edgeq.support.array import Array
from edgeq.support.reasons import reason_of

MOST_ELEMENTS = 1 << 26
_MOST_RANK = 8
"""Largest array that is computed: a few numbers in a file may ask for any size."""

_MOST_PRODUCTS = 1 << 36  # some seconds of a product of matrices of floats

_UNREAD = ("Shape", "Size")  # of their inputs only the shape is looked at
_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
    10: "float32", 11: "float64", 12: "uint32", 13: "uint64", 16: "float32",
}  # fmt: skip


def numpy_type(number: int) -> str:
    """Numpy's name of an ONNX type; "" for what has none here."""
    return _TYPES.get(number, "")


class Room:
    """How many numbers may still be read and made while a file is read.

    Many ops of a small file may each make the largest array, or read it.
    """

    def __init__(self) -> None:
        self.left = MOST_NUMBERS

    def take(self, node: Node, arrays: Sequence[Array | None]) -> None:
        """Count arrays that a node reads or makes.

        Raises:
            ValueError: There is no room left.
        """
        if node.op not in _UNREAD:
            self.left -= sum(array.size for array in arrays if array is not None)
        if self.left < 0:
            raise ValueError(f"more than {MOST_NUMBERS:,} numbers for all such ops")


def fold(
    node: Node, inputs: Sequence[Array | None], graph: Graph, room: Room
) -> list[Array] | None:
    """The node's outputs; None for an op that is not computed here.

    Args:
        node: The op.
        inputs: What it reads; None for what is left out.
        graph: For errors.
        room: What may still be computed.

    Raises:
        EdgeqError: The inputs do not fit the op, or the result would be too large.
    """
    known = _FOLDED.get(node.op)
    if known is None or not inputs:
        return None
    try:
        room.take(node, inputs)
        with np.errstate(all="ignore"):
            made = known(node, [np.asarray([]) if x is None else x for x in inputs])
        several = [np.asarray(array) for array in (made if isinstance(made, list) else [made])]
        room.take(node, several)
    except (LookupError, TypeError, ValueError, ArithmeticError, MemoryError) as error:
        raise EdgeqError(
            f"{node.where} cannot be computed: {reason_of(error)}.", graph.source
        ) from error
    return several


def bounded(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape that may be filled.

    Raises:
        ValueError: It is none, or too large.
    """
    if not all(math.isfinite(n) for n in shape):
        raise ValueError("a result of a size that is not finite")
    found = tuple(int(n) for n in shape)
    if len(found) > _MOST_RANK or min(found, default=0) < 0 or math.prod(found) > MOST_ELEMENTS:
        raise ValueError(f"a result of shape {found}")
    return found


def axes_of(node: Node, inputs: Sequence[Array | None], rank: int) -> tuple[int, ...] | None:
    """The axes of a reduction, squeeze or the like: an attribute once, the second input today."""
    given = node.get("axes")
    if given is None and len(inputs) > 1 and inputs[1] is not None and inputs[1].size:
        given = inputs[1].ravel().tolist()
    if given is None:
        return None
    for axis in given:
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} of {rank}")
    return tuple(int(axis) % rank for axis in given)


def target_shape(node: Node, shape: Sequence[int], wanted: Sequence[int]) -> tuple[int, ...]:
    """The shape that a Reshape asks for, zeros and -1 filled in."""
    keep = not node.get("allowzero", 0)
    if len(wanted) > _MOST_RANK:
        raise ValueError(f"a result of {len(wanted):,} axes")
    found = [shape[i] if n == 0 and keep else int(n) for i, n in enumerate(wanted)]
    if found.count(-1) == 1:
        rest = -math.prod(found)
        found[found.index(-1)] = math.prod(shape) // rest if rest else -1
    if math.prod(found) != math.prod(shape) or min(found, default=1) < 1:
        raise ValueError(f"{list(shape)} as {list(wanted)}")
    return bounded(found)


def slices(node: Node, inputs: Sequence[Array | None], rank: int) -> tuple[slice, ...]:
    """What a Slice takes of each axis."""
    if "starts" in node.attributes:  # before opset 10
        starts, ends = node.get("starts"), node.get("ends")
        axes, steps = node.get("axes"), None
    else:
        lists = [None if x is None or not x.size else x.ravel().tolist() for x in inputs[1:]]
        starts, ends, axes, steps = (*lists, None, None)[:4]
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    found = [slice(None)] * rank
    for axis, step in zip(axes, steps, strict=True):
        if not -rank <= axis < rank or not step:
            raise ValueError(f"a step of {step} on axis {axis} of {rank}")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        whole = step < 0 and end < -(1 << 30)
        found[axis] = slice(start, None if whole or (step > 0 and end > (1 << 30)) else end, step)
    return tuple(found)


def _binary(function: Callable[..., Any]) -> Callable[[Node, list[Array]], Any]:
    def call(_node: Node, inputs: list[Array]) -> Any:
        bounded(np.broadcast_shapes(*(x.shape for x in inputs)))
        return function(*inputs).astype(inputs[0].dtype)

    return call


def _test(function: Callable[..., Any]) -> Callable[[Node, list[Array]], Any]:
    def call(_node: Node, inputs: list[Array]) -> Any:
        bounded(np.broadcast_shapes(*(x.shape for x in inputs)))
        return function(*inputs)

    return call


def _unary(function: Callable[..., Any]) -> Callable[[Node, list[Array]], Any]:
    return lambda _node, inputs: function(inputs[0]).astype(inputs[0].dtype)


def _reduce(function: Callable[..., Any]) -> Callable[[Node, list[Array]], Any]:
    def call(node: Node, inputs: list[Array]) -> Any:
        axes = axes_of(node, inputs, inputs[0].ndim)
        if axes is None and node.get("noop_with_empty_axes", 0):
            axes = ()  # a ReduceL2 takes absolute values all the same
        found = function(inputs[0], axis=axes, keepdims=bool(node.get("keepdims", 1)))
        return np.asarray(found).astype(inputs[0].dtype)

    return call


def _divide(left: Array, right: Array) -> Array:
    if left.dtype.kind in "iu":
        return np.where(right == 0, 0, np.trunc(left / np.where(right == 0, 1, right)))
    return np.divide(left, right)


def _shape(node: Node, inputs: list[Array]) -> Array:
    return np.array(inputs[0].shape[node.get("start", 0) : node.get("end")], np.int64)


def _gather(node: Node, inputs: list[Array]) -> Array:
    axis = node.get("axis", 0)
    rest = [n for i, n in enumerate(inputs[0].shape) if i != axis % inputs[0].ndim]
    bounded((*rest, *inputs[1].shape)[:8])
    return np.take(inputs[0], inputs[1], axis=axis)


def _concat(node: Node, inputs: list[Array]) -> Array:
    return np.concatenate(inputs, axis=node.get("axis", 1))


def _unsqueeze(node: Node, inputs: list[Array]) -> Array:
    count = len(node.get("axes") or inputs[1].ravel())
    return np.expand_dims(inputs[0], axes_of(node, inputs, inputs[0].ndim + count) or ())


def _squeeze(node: Node, inputs: list[Array]) -> Array:
    return np.squeeze(inputs[0], axes_of(node, inputs, inputs[0].ndim))


def _filled(node: Node, inputs: list[Array]) -> Array:
    value = node.get("value")
    value = np.zeros(1, np.float32) if value is None else np.asarray(value)
    return np.full(bounded(inputs[0].ravel().tolist()), value.ravel()[0], value.dtype)


def _range(_node: Node, inputs: list[Array]) -> Array:
    start, limit, step = (x.ravel()[0] for x in inputs)
    if not step or not all(math.isfinite(n) for n in (start, limit, step)):
        raise ValueError(f"from {start} to {limit} in steps of {step}")
    bounded((max(0, math.ceil((float(limit) - float(start)) / float(step))),))
    return np.arange(start, limit, step, dtype=inputs[0].dtype)


def _expand(_node: Node, inputs: list[Array]) -> Array:
    shape = bounded(np.broadcast_shapes(inputs[0].shape, bounded(inputs[1].ravel().tolist())))
    made: Array = np.broadcast_to(inputs[0], shape).copy()
    return made


def _tile(_node: Node, inputs: list[Array]) -> Array:
    repeats = inputs[1].ravel().tolist()
    bounded([n * many for n, many in zip(inputs[0].shape, repeats, strict=True)])
    return np.tile(inputs[0], repeats)


def _where(_node: Node, inputs: list[Array]) -> Array:
    bounded(np.broadcast_shapes(*(x.shape for x in inputs)))
    return np.where(inputs[0], inputs[1], inputs[2])


def _cast(node: Node, inputs: list[Array]) -> Array:
    name = numpy_type(node.get("to", 0))
    if not name:
        raise ValueError(f"type {node.get('to')}")
    return inputs[0].astype(name)


def _flatten(node: Node, inputs: list[Array]) -> Array:
    axis = node.get("axis", 1)
    axis = axis + inputs[0].ndim if axis < 0 else axis
    return inputs[0].reshape(math.prod(inputs[0].shape[:axis]), -1)


def _reshape(node: Node, inputs: list[Array]) -> Array:
    wanted = inputs[1].ravel().tolist() if len(inputs) > 1 else node.get("shape", ())
    return inputs[0].reshape(target_shape(node, inputs[0].shape, wanted))


def _split(node: Node, inputs: list[Array]) -> list[Array]:
    axis = node.get("axis", 0)
    sizes = node.get("split") or (inputs[1].ravel().tolist() if len(inputs) > 1 else None)
    if not sizes:
        each = -(-inputs[0].shape[axis] // len(node.outputs))  # the last one is shorter
        return np.split(inputs[0], range(each, inputs[0].shape[axis], each), axis)
    return np.split(inputs[0], np.cumsum(sizes)[:-1], axis)


def _dequantize(node: Node, inputs: list[Array]) -> Array:
    if node.get("block_size", 0):
        raise ValueError("weights in blocks")
    values, scale = inputs[0].astype(np.float32), inputs[1]
    zero = inputs[2].astype(np.float32) if len(inputs) > 2 and inputs[2].size else np.float32(0)
    shape = [1] * values.ndim
    if scale.ndim:
        shape[node.get("axis", 1)] = scale.size
    return (values - zero.reshape(shape if zero.ndim else ())) * (
        scale.reshape(shape) if scale.ndim else scale
    )


def _matmul(_node: Node, inputs: list[Array]) -> Array:
    left, right = inputs
    rows, columns = left.shape[-2:-1], right.shape[-1:] if right.ndim > 1 else ()
    shape = bounded((*np.broadcast_shapes(left.shape[:-2], right.shape[:-2]), *rows, *columns))
    most = _MOST_PRODUCTS if left.dtype.kind == "f" else _MOST_PRODUCTS >> 8  # without BLAS
    if math.prod(shape) * left.shape[-1] > most:
        raise ValueError(f"a product of {left.shape} and {right.shape}")
    product: Array = np.matmul(left, right)
    return product


_FOLDED: dict[str, Callable[[Node, list[Array]], Any]] = {
    "Abs": _unary(np.abs),
    "Add": _binary(np.add),
    "And": _test(np.logical_and),
    "Cast": _cast,
    "Ceil": _unary(np.ceil),
    "Concat": _concat,
    "ConstantOfShape": _filled,
    "Cos": _unary(np.cos),
    "DequantizeLinear": _dequantize,
    "Div": _binary(_divide),
    "Dropout": _unary(np.asarray),
    "Equal": _test(np.equal),
    "Exp": _unary(np.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Floor": _unary(np.floor),
    "Gather": _gather,
    "Greater": _test(np.greater),
    "GreaterOrEqual": _test(np.greater_equal),
    "Identity": _unary(np.asarray),
    "Less": _test(np.less),
    "LessOrEqual": _test(np.less_equal),
    "Log": _unary(np.log),
    "MatMul": _matmul,
    "Mean": _binary(lambda *xs: np.mean(np.broadcast_arrays(*xs), axis=0, dtype=xs[0].dtype)),
    "Max": _binary(lambda *xs: np.maximum.reduce(np.broadcast_arrays(*xs))),
    "Min": _binary(lambda *xs: np.minimum.reduce(np.broadcast_arrays(*xs))),
    "Mod": _binary(np.mod),
    "Mul": _binary(np.multiply),
    "Neg": _unary(np.negative),
    "Not": lambda _node, inputs: np.logical_not(inputs[0]),
    "Or": _test(np.logical_or),
    "Pow": _binary(np.power),
    "Range": _range,
    "Reciprocal": _unary(np.reciprocal),
    "ReduceL2": _reduce(lambda x, **how: np.sqrt(np.sum(np.square(x), **how))),
    "ReduceMax": _reduce(np.max),
    "ReduceMean": _reduce(np.mean),
    "ReduceMin": _reduce(np.min),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "Reshape": _reshape,
    "Round": _unary(np.round),
    "Shape": _shape,
    "Sin": _unary(np.sin),
    "Size": lambda _node, inputs: np.array(inputs[0].size, np.int64),
    "Slice": lambda node, inputs: inputs[0][slices(node, inputs, inputs[0].ndim)],
    "Split": _split,
    "Sqrt": _unary(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _binary(np.subtract),
    "Sum": _binary(lambda *xs: reduce(np.add, xs)),
    "Tile": _tile,
    "Transpose": lambda node, inputs: np.transpose(inputs[0], node.get("perm")),
    "Trilu": lambda node, xs: (np.triu if node.get("upper", 1) else np.tril)(
        xs[0], int(xs[1].ravel()[0]) if len(xs) > 1 and xs[1].size else 0
    ),
    "Unsqueeze": _unsqueeze,
    "Where": _where,
    "Xor": _test(np.logical_xor),
}
