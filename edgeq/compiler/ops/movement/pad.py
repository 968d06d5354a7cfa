"""PAD and PADV2: a constant around the input."""

from __future__ import annotations

import math

import numpy as np

from edgeq.compiler.ops.shared.base import (
    C_TYPES,
    INPUT,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    Overlap,
    ParamValue,
    require,
)
from edgeq.compiler.ops.shared.movement import (
    ANY_TYPE,
    element_bytes,
    offsets,
    pairs,
    require_same_type,
)
from edgeq.model.graph import Tensor, numpy_dtype

_LOOPS = 5


def _axes(source: Tensor, pads: list[tuple[int, int]]) -> list[list[int]]:
    """(size, before, after) per axis, unpadded axes merged with the one in front, in elements."""
    axes = [[1, 0, 0]]
    for size, (before, after) in zip(source.shape, pads, strict=True):
        outer = axes[-1]
        if before == after == 0:
            # Its elements move together: they are a longer step of the axis in front.
            axes[-1] = [value * size for value in outer]
        else:
            axes.append([size, before, after])
    axes = [axis for axis in axes if axis != [1, 0, 0]] or [[1, 0, 0]]
    require(len(axes) <= _LOOPS, f"{len(axes)} padded axes; the kernel takes {_LOOPS}")
    return [[1, 0, 0]] * (_LOOPS - len(axes)) + axes


def _paddings(node: Node) -> list[tuple[int, int]]:
    source, output = node.input(0), node.output()
    pads = pairs(node.integers(1))
    require(len(pads) == len(source.shape), f"{len(pads)} paddings for shape {source.shape}")
    require(all(min(pair) >= 0 for pair in pads), "a padding is negative")
    shape = tuple(n + sum(pair) for n, pair in zip(source.shape, pads, strict=True))
    require(shape == output.shape, f"output {output.shape} should be {shape}")
    return pads


def _overlap(axes: list[list[int]], steps: list[int], size: int) -> Overlap:
    """How far the input must lie behind the output: all that stands before a run is written."""
    turns = [axis[0] for axis in axes[:-1]]
    reads = np.arange(math.prod(turns), dtype=np.int64) * axes[-1][0]
    start = sum(axis[1] * step for axis, step in zip(axes, steps, strict=True))
    writes = offsets(turns, steps[:-1]) + start
    return Overlap(0, int((writes - reads).max(initial=0)) * size)


def lower(node: Node) -> Call | None:
    """The kernel call for one PAD or PADV2: what they get is input 2, else what stands for 0.

    Source: TFLM `PadEval`, which is both.
    """
    output = node.output()
    if node.has_input(2):
        value = node.input(2)
        require_same_type(value, output)
        require(value.elements == 1, f"a value of shape {value.shape}")
        return _call(node, Arg("input", 2))
    quantized = output.dtype in ("int8", "uint8") and output.quantization is not None
    zero = np.full(1, output.zero_point if quantized else 0, numpy_dtype(output.dtype))
    return _call(node, Arg("constant"), (Constant("value", C_TYPES[output.dtype], zero),))


def _call(node: Node, value: Arg, constants: tuple[Constant, ...] = ()) -> Call | None:
    source = node.input(0)
    require_same_type(source, node.output())
    pads = _paddings(node)
    if not any(sum(pair) for pair in pads):
        return None
    axes = _axes(source, pads)
    lengths = [sum(axis) for axis in axes]
    steps = [math.prod(lengths[k + 1 :]) for k in range(_LOOPS)]
    size = element_bytes(source)
    params: dict[str, ParamValue] = {
        "size": [axis[0] for axis in axes],
        "before": [axis[1] for axis in axes],
        "after": [axis[2] for axis in axes],
        "element_bytes": size,
        "output_step": steps,
    }
    return Call(
        "pad",
        "eq_pad",
        "eq_pad_params",
        params,
        (INPUT, value, OUTPUT),
        constants,
        overlaps=(_overlap(axes, steps, size),),
    )


PAD = OpKind("PAD", lower, ANY_TYPE)
PADV2 = OpKind("PADV2", lower, ANY_TYPE)
