"""Ops of one byte as a table of 256 results, all through one kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Constant, Node, Overlap, require
from edgeq.compiler.ops.shared.quantized import require_divisor, require_quantized
from edgeq.model.fixedpoint import dtype_range, round_half_away
from edgeq.model.graph import Tensor

BYTES = ("int8", "uint8")
Pairwise = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]


def every_value(tensor: Tensor) -> NDArray[np.int64]:
    """All values that an 8-bit tensor can hold, in rising order."""
    low, high = dtype_range(tensor.dtype)
    return np.arange(low, high + 1, dtype=np.int64)


def saturated(values: NDArray[np.int64], tensor: Tensor) -> NDArray[np.int64]:
    """Values clamped to the range of a tensor's type."""
    low, high = dtype_range(tensor.dtype)
    return np.clip(values, low, high)


def saturated_to(limits: Mapping[str, int], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Values clamped to activation_min and activation_max."""
    return np.clip(values, limits["activation_min"], limits["activation_max"])


def lookup_call(node: Node, results: NDArray[np.int64], note: str, position: int = 0) -> Call:
    """The kernel call for an op whose result depends on one byte.

    Args:
        results: For every input value in rising order; within the output's range.
        note: What the table holds, for the reader of the C.
        position: Of the input that is looked up.
    """
    source, output = node.input(position), node.output()
    require(source.elements == output.elements, f"shapes {source.shape} and {output.shape}")
    table = np.zeros(256, np.int8)
    table[every_value(source) & 255] = results.astype(np.uint8).view(np.int8)
    host = node.isa.has("host")
    return Call(
        "lookup",
        "eq_lookup_host_s8" if host else "eq_lookup_s8",
        "eq_lookup_params",
        {"size": output.elements},
        (Arg("input", position), Arg("constant"), OUTPUT),
        (Constant("table", "int8_t", table, note),),
        overlaps=(Overlap(position),),
        kernels="host" if host else "portable",
    )


def scalar_lookup(node: Node, compute: Pairwise) -> Call | None:
    """The kernel call for an int8 op of two inputs, one of them a single constant.

    Args:
        compute: The op's results, within the output's range, for values of inputs 0 and 1.

    Returns:
        None where there is no such constant, or where 256 bytes of flash are too many.
    """
    output = node.output()
    if output.dtype != "int8" or node.optimize == "size":
        return None
    for free, fixed in ((0, 1), (1, 0)):
        source, constant = node.input(free), node.input(fixed)
        if constant.data is None or constant.elements != 1:
            continue
        if source.dtype != "int8" or source.elements != output.elements:
            continue
        x = every_value(source)
        c = np.full_like(x, int(constant.data.reshape(-1)[0]))
        results = compute(x, c) if free == 0 else compute(c, x)
        return lookup_call(node, results, f"{node.op.name} of every input", free)
    return None


def transformed(node: Node, function: Callable[[float], float]) -> NDArray[np.int64]:
    """Results of an op that is defined on reals, computed as TFLite fills its tables.

    Args:
        function: Of a float32 value; its result is rounded to float32.

    Source: TFLM elu.cc `PopulateLookupTable`, TFLite `LUTPopulate`.
    """
    source, output = node.input(0), node.output()
    require_quantized(source, output)
    require_divisor(output)
    scale, inverse = np.float32(source.scale), np.float32(1) / np.float32(output.scale)
    low, high = dtype_range(output.dtype)
    results = []
    for value in every_value(source):
        real = np.float32(function(float(scale * np.float32(value - source.zero_point))))
        with np.errstate(over="ignore"):  # infinity is clipped as well
            rescaled = float(np.clip(real * inverse, np.float32(-1e9), np.float32(1e9)))
        results.append(min(max(round_half_away(rescaled) + output.zero_point, low), high))
    return np.asarray(results, np.int64)
