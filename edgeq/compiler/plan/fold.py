"""What can be computed when compiling: ops whose inputs are known, and the shapes of tensors.

Only results that are exact whatever computes them are folded: movement of data, integer
arithmetic without scales, and conversions. The rest of the ops run on their constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.plan.decode import decoded
from edgeq.compiler.plan.flatten import Flat, Mark
from edgeq.model.graph import Op, Tensor, numpy_dtype

Array = NDArray[Any]

# A table made when compiling goes to flash; larger ones are better computed, unless they only
# unpack a constant that is as large already.
MAX_ELEMENTS = 1 << 16
_DECODE = "TFLM_DECODE"
_INTEGERS = ("int32", "int64")


def fold(flat: Flat) -> Flat:
    """The model with everything folded that can be; ops stay in order."""
    tensors = list(flat.subgraph.tensors)
    items: list[Op | Mark] = []
    for item in flat.items:
        values = None if isinstance(item, Mark) else _evaluate(item, tensors)
        if values is None or isinstance(item, Mark):
            items.append(item)
            continue
        for index, value in zip(item.outputs, values, strict=True):
            tensors[index] = replace(tensors[index], data=value, shape=value.shape, dynamic_axes=())
    subgraph = replace(flat.subgraph, tensors=tuple(tensors))
    return Flat(subgraph, tuple(items), flat.fills)


def _evaluate(op: Op, tensors: Sequence[Tensor]) -> list[Array] | None:
    """The values of all outputs; None if they are not known."""
    rule = _RULES.get(op.custom_name or op.name)
    outputs = [tensors[index] for index in op.outputs]
    if rule is None or not outputs or any(t.is_variable for t in outputs):
        return None
    inputs = [tensors[index] if index >= 0 else None for index in op.inputs]
    if op.name not in _SHAPE_ONLY and any(t is None or t.data is None for t in inputs):
        return None
    try:
        with np.errstate(all="ignore"):
            values = rule(_Known(op, [t for t in inputs if t is not None], outputs))
        largest = max(
            (t.elements for t in inputs if t is not None and t.data is not None), default=0
        )
        limit = max(MAX_ELEMENTS, largest)
        if op.custom_name == _DECODE:  # nothing else gives its values
            limit = max(tensor.elements for tensor in outputs)
        return values if values is not None and _fit(values, outputs, limit) else None
    except (ValueError, LookupError, TypeError, ArithmeticError):
        return None  # what is wrong with it is for the op itself to say


def _fit(values: Sequence[Array], outputs: Sequence[Tensor], limit: int) -> bool:
    for value, tensor in zip(values, outputs, strict=True):
        open_shape = bool(tensor.dynamic_axes)
        if value.size > limit or value.dtype != numpy_dtype(tensor.dtype):
            return False
        if not open_shape and value.shape != tensor.shape:
            return False
    return True


@dataclass(frozen=True, eq=False)
class _Known:
    """An op whose k.inputs are known."""

    op: Op
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]


Rule = Callable[[_Known], "list[Array] | None"]


def _data(tensor: Tensor) -> Array:
    assert tensor.data is not None
    return tensor.data


def _shape(k: _Known) -> list[Array] | None:
    if any(axis != 0 or k.inputs[0].shape[0] != 1 for axis in k.inputs[0].dynamic_axes):
        return None
    return [np.asarray(k.inputs[0].shape, numpy_dtype(k.outputs[0].dtype))]


def _rank(k: _Known) -> list[Array]:
    return [np.asarray(len(k.inputs[0].shape), np.int32)]


def _zeros_like(k: _Known) -> list[Array] | None:
    if k.outputs[0].elements > MAX_ELEMENTS:
        return None
    return [np.zeros(k.outputs[0].shape, numpy_dtype(k.outputs[0].dtype))]


def _reshape(k: _Known) -> list[Array]:
    shape = k.outputs[0].shape
    if k.outputs[0].dynamic_axes and k.op.name == "RESHAPE" and len(k.inputs) > 1:
        shape = tuple(_data(k.inputs[1]).tolist())
    return [_data(k.inputs[0]).reshape(shape)]


def _pack(k: _Known) -> list[Array]:
    return [np.stack([_data(t) for t in k.inputs], k.op.options["axis"])]


def _unpack(k: _Known) -> list[Array]:
    axis = k.op.options["axis"]
    return [np.take(_data(k.inputs[0]), i, axis) for i in range(len(k.outputs))]


def _concatenation(k: _Known) -> list[Array] | None:
    # With a scale, or a fused activation, values change on the way.
    if k.op.options["fused_activation_function"] or any(t.quantization for t in k.inputs):
        return None
    return [np.concatenate([_data(t) for t in k.inputs], k.op.options["axis"])]


def _gather(k: _Known) -> list[Array] | None:
    if k.op.options["batch_dims"] or _data(k.inputs[1]).min(initial=0) < 0:
        return None
    return [np.take(_data(k.inputs[0]), _data(k.inputs[1]), k.op.options["axis"])]


def _slice(k: _Known) -> list[Array] | None:
    begin, size = (_data(t).tolist() for t in k.inputs[1:3])
    source = _data(k.inputs[0])
    ends = [
        length if n == -1 else b + n for b, n, length in zip(begin, size, source.shape, strict=True)
    ]
    if any(not 0 <= b <= e <= n for b, e, n in zip(begin, ends, source.shape, strict=True)):
        return None
    return [source[tuple(slice(b, e) for b, e in zip(begin, ends, strict=True))]]


def _strided_slice(k: _Known) -> list[Array] | None:
    if k.op.options["ellipsis_mask"] or k.op.options["new_axis_mask"] or k.op.options.get("offset"):
        return None
    begin, end, strides = (_data(t).tolist() for t in k.inputs[1:4])
    source = _data(k.inputs[0])
    picks: list[slice | int] = []
    for axis, (b, e, s) in enumerate(zip(begin, end, strides, strict=True)):
        bit = 1 << axis
        if k.op.options["shrink_axis_mask"] & bit:
            first = 0 if s > 0 else -1
            picks.append(first if k.op.options["begin_mask"] & bit else b)
            continue
        picks.append(
            slice(
                None if k.op.options["begin_mask"] & bit else b,
                None if k.op.options["end_mask"] & bit else e,
                s,
            )
        )
    return [np.asarray(source[tuple(picks)])]


def _transpose(k: _Known) -> list[Array]:
    return [np.transpose(_data(k.inputs[0]), _data(k.inputs[1]).tolist())]


def _fill(k: _Known) -> list[Array] | None:
    shape = tuple(_data(k.inputs[0]).reshape(-1).tolist())
    if any(n < 0 for n in shape) or np.prod(shape, dtype=object) > MAX_ELEMENTS:
        return None
    return [np.full(shape, _data(k.inputs[1]).reshape(()))]


def _broadcast_to(k: _Known) -> list[Array] | None:
    shape = tuple(_data(k.inputs[1]).reshape(-1).tolist())
    if any(n < 0 for n in shape) or np.prod(shape, dtype=object) > MAX_ELEMENTS:
        return None
    return [np.ascontiguousarray(np.broadcast_to(_data(k.inputs[0]), shape))]


def _broadcast_args(k: _Known) -> list[Array]:
    shapes = [tuple(_data(t).tolist()) for t in k.inputs[:2]]
    return [np.asarray(np.broadcast_shapes(*shapes), numpy_dtype(k.outputs[0].dtype))]


def _range(k: _Known) -> list[Array] | None:
    start, limit, delta = (_data(t).reshape(()) for t in k.inputs[:3])
    if k.outputs[0].dtype not in _INTEGERS or abs((int(limit) - int(start)) // int(delta)) > (
        MAX_ELEMENTS
    ):
        return None
    return [np.arange(start, limit, delta, numpy_dtype(k.outputs[0].dtype))]


def _cast(k: _Known) -> list[Array] | None:
    """The same number in another type; bfloat16 is the upper half of a float32."""
    exact = {"bool", "int8", "uint8", "int16", "int32", "int64"}
    if k.inputs[0].dtype == "bfloat16" and k.outputs[0].dtype == "float32":
        return [(_data(k.inputs[0]).astype(np.uint32) << 16).view(np.float32)]
    if k.inputs[0].dtype not in exact or k.outputs[0].dtype not in {*exact, "float32"}:
        return None
    return [_data(k.inputs[0]).astype(numpy_dtype(k.outputs[0].dtype))]


def _dequantize(k: _Known) -> list[Array] | None:
    """Source: TFLite reference_ops `Dequantize`, its float16 form, and `PerChannelDequantize`.

    TFLM would take the first channel's scale for all.
    """
    source = k.inputs[0]
    if k.outputs[0].dtype != "float32":
        return None
    if source.dtype == "float16":
        return [_data(source).astype(np.float32)]
    quantization = source.quantization
    if quantization is None:
        return None
    if quantization.per_channel:
        along = [1] * len(source.shape)
        along[quantization.quantized_dimension] = -1
        centred = _data(source) - quantization.zero_point.reshape(along)
        return [quantization.scale.reshape(along) * centred.astype(np.float32)]
    centred = _data(source).astype(np.int64) - source.zero_point
    return [(np.float64(source.scale) * centred).astype(np.float32)]


def _arithmetic(function: Callable[[Array, Array], Array]) -> Rule:
    def rule(k: _Known) -> list[Array] | None:
        if any(t.dtype not in _INTEGERS for t in (*k.inputs, *k.outputs)):
            return None
        if k.op.options.get("fused_activation_function"):
            return None
        a, b = (_data(t) for t in k.inputs)
        return [np.asarray(function(a, b), numpy_dtype(k.outputs[0].dtype))]

    return rule


def _floor_divide(a: Array, b: Array) -> Array:
    if not np.all(b):
        raise ZeroDivisionError
    return np.asarray(np.floor_divide(a, b))


def _truncating_divide(a: Array, b: Array) -> Array:
    if not np.all(b):
        raise ZeroDivisionError
    down = np.floor_divide(a, b)
    return np.asarray(down + ((down < 0) & (down * b != a)))


def _reduction(function: Callable[..., Array]) -> Rule:
    def rule(k: _Known) -> list[Array] | None:
        if k.inputs[0].dtype not in _INTEGERS:
            return None
        axes = tuple(_data(k.inputs[1]).reshape(-1).tolist())
        result = function(_data(k.inputs[0]), axis=axes, keepdims=k.op.options["keep_dims"])
        return [np.asarray(result, numpy_dtype(k.outputs[0].dtype))]

    return rule


def _decode(k: _Known) -> list[Array] | None:
    if len(k.inputs) != 2 * len(k.outputs):
        return None
    pairs = zip(k.inputs[::2], k.inputs[1::2], k.outputs, strict=True)
    values = [decoded(packed, about, output) for packed, about, output in pairs]
    return [value for value in values if value is not None]


_SHAPE_ONLY = ("SHAPE", "RANK", "ZEROS_LIKE")
_RULES: dict[str, Rule] = {
    "ADD": _arithmetic(np.add),
    "BROADCAST_ARGS": _broadcast_args,
    "BROADCAST_TO": _broadcast_to,
    "CAST": _cast,
    "CONCATENATION": _concatenation,
    "DEQUANTIZE": _dequantize,
    "DIV": _arithmetic(_truncating_divide),
    "EXPAND_DIMS": _reshape,
    "FILL": _fill,
    "FLOOR_DIV": _arithmetic(_floor_divide),
    "GATHER": _gather,
    "MAXIMUM": _arithmetic(np.maximum),
    "MINIMUM": _arithmetic(np.minimum),
    "MUL": _arithmetic(np.multiply),
    "PACK": _pack,
    "RANGE": _range,
    "RANK": _rank,
    "REDUCE_MAX": _reduction(np.max),
    "REDUCE_MIN": _reduction(np.min),
    "REDUCE_PROD": _reduction(np.prod),
    "RESHAPE": _reshape,
    "SHAPE": _shape,
    _DECODE: _decode,
    "SLICE": _slice,
    "SQUEEZE": _reshape,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _arithmetic(np.subtract),
    "SUM": _reduction(np.sum),
    "TRANSPOSE": _transpose,
    "UNPACK": _unpack,
    "ZEROS_LIKE": _zeros_like,
}
