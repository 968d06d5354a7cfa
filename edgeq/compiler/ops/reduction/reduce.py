"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_ALL and REDUCE_ANY over any axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgeq.compiler.ops.elementwise.arithmetic import SUFFIXES
from edgeq.compiler.ops.host.reduce import lower_host
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Node,
    OpKind,
    Overlap,
    ParamValue,
    overlap_distance,
    require,
)
from edgeq.compiler.ops.shared.movement import (
    contiguous_steps,
    element_bytes,
    offsets,
    require_same_type,
)
from edgeq.compiler.ops.shared.quantized import require_quantized
from edgeq.model.fixedpoint import dtype_range, quantize_multiplier, wrap_int32

_LOOPS = 4


@dataclass(frozen=True)
class _Loops:
    """Loops over the kept or the reduced axes: sizes and steps in elements."""

    sizes: tuple[int, ...]
    steps: tuple[int, ...]

    def fields(self, name: str) -> dict[str, ParamValue]:
        missing = _LOOPS - len(self.sizes)
        require(missing >= 0, f"{len(self.sizes)} groups of axes; the kernel has {_LOOPS}")
        return {
            f"shape.{name}_size": [1] * missing + list(self.sizes),
            f"shape.{name}_step": [0] * missing + list(self.steps),
        }


def _axes(node: Node) -> set[int]:
    rank = len(node.input(0).shape)
    axes = node.integers(1)
    require(all(-rank <= axis < rank for axis in axes), f"axes {axes} of {rank}")
    return {axis % rank for axis in axes}


def _loops(shape: tuple[int, ...], axes: set[int]) -> _Loops:
    """Loops over these axes, neighbours merged."""
    steps = contiguous_steps(shape, 1)
    loops: list[tuple[int, int]] = []
    for axis in sorted(axes):
        if shape[axis] == 1:
            continue
        if loops and loops[-1][1] == shape[axis] * steps[axis]:
            loops[-1] = (loops[-1][0] * shape[axis], steps[axis])
        else:
            loops.append((shape[axis], steps[axis]))
    return _Loops(tuple(size for size, _ in loops), tuple(step for _, step in loops))


def _call(
    node: Node, function: str, kind: str = "", fields: dict[str, ParamValue] | None = None
) -> Call:
    """The kernel call for one reduction.

    Args:
        function: "sum", "max", ...
        kind: Params struct, if it is not the common one.
        fields: Its further fields.
    """
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    axes = _axes(node)
    kept = _loops(source.shape, set(range(len(source.shape))) - axes)
    reduced = _loops(source.shape, axes)
    require(source.elements > 0, "the input has no elements")
    require(output.elements == math.prod(kept.sizes), f"output {output.shape} does not fit")
    size = element_bytes(source)
    first = offsets(kept.sizes, kept.steps)
    ends = np.arange(1, len(first) + 1)
    return Call(
        "reduce",
        f"eq_reduce_{function}_{SUFFIXES[source.dtype]}",
        kind or "eq_reduce_params",
        {**kept.fields("kept"), **reduced.fields("reduced"), **(fields or {})},
        (INPUT, OUTPUT),
        overlaps=(Overlap(0, overlap_distance(first * size, ends * size, buffered=True)),),
    )


def _mean_scaling(multiplier: int, shift: int, count: int) -> tuple[int, int]:
    """The requantization that divides by the number of elements as well.

    Source: TFLM `QuantizedMeanOrSum`.
    """
    move = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << move) // count, shift - move


def _lower_sum(node: Node, *, mean: bool) -> Call:
    source, output = node.input(0), node.output()
    count = math.prod(source.shape[axis] for axis in _axes(node))
    if source.dtype == "float32":
        divisor = {"divisor": float(count if mean else 1)}
        return _call(node, "sum", "eq_reduce_sum_f32_params", {**divisor})
    if source.dtype == "int32" and not mean:
        return _call(node, "sum")
    require(source.dtype in ("int8", "int16"), f"{source.dtype} values")
    require_quantized(source, output)
    low, high = dtype_range(source.dtype)
    multiplier, shift = quantize_multiplier(source.scale / output.scale)
    if mean:
        multiplier, shift = _mean_scaling(multiplier, shift, count)
    fields: dict[str, ParamValue] = {
        "total_offset": int(wrap_int32(np.int64(-source.zero_point * count))),
        "output_offset": output.zero_point,
        "output_multiplier": multiplier,
        "output_shift": shift,
        "activation_min": low,
        "activation_max": high,
    }
    if node.isa.has("host"):
        axes, shape = _axes(node), source.shape
        kept = _loops(shape, set(range(len(shape))) - axes)
        call = lower_host(node, kept.steps, _loops(shape, axes).steps, fields)
        if call is not None:
            return call
    return _call(node, "sum", "eq_reduce_sum_params", fields)


_MOST_TYPES = ("int8", "int16", "int32", "int64", "float32")


def _lower_extreme(function: str, node: Node) -> Call:
    require(node.input(0).dtype in _MOST_TYPES, f"{node.input(0).dtype} values")
    return _call(node, function)


def _lower_logical(function: str, node: Node) -> Call:
    require(node.input(0).dtype == "bool", f"{node.input(0).dtype} values")
    return _call(node, function)


MEAN = OpKind("MEAN", partial(_lower_sum, mean=True), ("int8", "int16", "float32"))
SUM = OpKind("SUM", partial(_lower_sum, mean=False), ("int8", "int16", "int32", "float32"))
REDUCE_MAX = OpKind("REDUCE_MAX", partial(_lower_extreme, "max"), _MOST_TYPES)
REDUCE_MIN = OpKind("REDUCE_MIN", partial(_lower_extreme, "min"), _MOST_TYPES)
REDUCE_ALL = OpKind("REDUCE_ALL", partial(_lower_logical, "all"), ("bool",))
REDUCE_ANY = OpKind("REDUCE_ANY", partial(_lower_logical, "any"), ("bool",))
