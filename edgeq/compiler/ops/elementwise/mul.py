"""MUL: quantized or of plain numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.elementwise.arithmetic import PAIR, SUFFIXES, plain_call
from edgeq.compiler.ops.elementwise.logistic import lower_logistic
from edgeq.compiler.ops.shared.base import Call, Node, OpKind
from edgeq.compiler.ops.shared.broadcast import in_place, pair_shape
from edgeq.compiler.ops.shared.lookup import (
    Pairwise,
    every_value,
    lookup_call,
    saturated_to,
    scalar_lookup,
)
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.pairs import host_product, lower_product, mve_product
from edgeq.compiler.ops.shared.quantized import clamp, require_quantized
from edgeq.model.fixedpoint import multiply_by_quantized_multiplier, quantize_multiplier


def _of_its_own_sigmoid(node: Node, compute: Pairwise) -> Call | None:
    """The look-up that x * LOGISTIC(x) is; None where the op is none, or for firmware.

    Nothing reads what LOGISTIC gives then, unless another op does.
    """
    if not node.isa.has("host") or node.output().dtype != "int8":
        return None
    for position, other in ((0, 1), (1, 0)):
        x, index = node.input(position), node.op.inputs[other]
        makers = [op for op in node.subgraph.ops if index in op.outputs]
        if len(makers) != 1 or makers[0].name != "LOGISTIC" or makers[0].inputs[0] != x.index:
            continue
        writers = sum(x.index in op.outputs for op in node.subgraph.ops)
        if x.is_variable or writers > 1 or node.input(other).is_variable:
            continue
        curve = lower_logistic(replace(node, op=makers[0]))
        y = curve.constants[0].values.astype(np.int64)
        values = every_value(x)
        curved = y[values & 255]
        results = compute(values, curved) if position == 0 else compute(curved, values)
        return lookup_call(node, results, "x * logistic(x) of every input x", position)
    return None


def _lower_fast(
    node: Node, scale: tuple[int, int], compute: Pairwise, limits: dict[str, int]
) -> Call | None:
    """The call of the kernel for this core; None where it has none for this layer."""
    call = None
    if node.isa.has("mve"):
        call = mve_product(node, scale, limits)
    if node.output().dtype != "int8":
        return call
    if call is None and node.isa.has("dsp"):
        call = lower_product(node, scale, compute, limits)
    if node.isa.has("host"):
        call = host_product(node, scale, limits)
    return call


def lower(node: Node) -> Call:
    """The kernel call for one MUL."""
    a, b, output = node.input(0), node.input(1), node.output()
    if output.dtype not in ("int8", "int16"):
        return plain_call(node, "mul", ("int32", "int64", "float32"))
    require_same_type(a, b, output)
    require_quantized(a, b, output)
    multiplier, shift = quantize_multiplier(a.scale * b.scale / output.scale)
    limits = clamp(node)

    def unlimited(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
        exact = (x - a.zero_point) * (y - b.zero_point)
        raw = multiply_by_quantized_multiplier(exact, multiplier, shift)
        return raw + output.zero_point

    table = scalar_lookup(node, lambda x, y: saturated_to(limits, unlimited(x, y)))
    if table is None:
        table = _of_its_own_sigmoid(node, lambda x, y: saturated_to(limits, unlimited(x, y)))
    if table is not None:
        return table
    call = _lower_fast(node, (multiplier, shift), unlimited, limits)
    if call is not None:
        return call
    params = {
        **pair_shape(node),
        "input1_offset": -a.zero_point,
        "input2_offset": -b.zero_point,
        "output_offset": output.zero_point,
        "output_multiplier": multiplier,
        "output_shift": shift,
        **limits,
    }
    return Call(
        "scaled_product",
        f"eq_scaled_product_{SUFFIXES[output.dtype]}",
        "eq_scaled_product_params",
        params,
        PAIR,
        overlaps=in_place(node, 0, 1),
    )


MUL = OpKind("MUL", lower, ("int8", "int16", "int32", "int64", "float32"))
