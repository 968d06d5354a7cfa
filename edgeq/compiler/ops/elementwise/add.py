"""ADD: int8 of the same shape by its own kernel, everything else by the common ones."""

from __future__ import annotations

from edgeq.compiler.ops.dsp.add import lower_dsp
from edgeq.compiler.ops.elementwise import scaled_sum
from edgeq.compiler.ops.elementwise.arithmetic import plain_call
from edgeq.compiler.ops.host.add import lower_host
from edgeq.compiler.ops.mve.add import lower_factors, lower_mve
from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Node, OpKind, Overlap
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import clamp, require_quantized
from edgeq.model.fixedpoint import quantize_multiplier
from edgeq.model.graph import Tensor

_LEFT_SHIFT = 20


def scaling(a: Tensor, b: Tensor, output: Tensor) -> dict[str, int]:
    """The offset, multiplier and shift fields of eq_add_params.

    Source: TFLM `CalculateOpDataAdd`.
    """
    twice_max = 2 * max(a.scale, b.scale)
    m1, s1 = quantize_multiplier(a.scale / twice_max)
    m2, s2 = quantize_multiplier(b.scale / twice_max)
    mo, so = quantize_multiplier(twice_max / ((1 << _LEFT_SHIFT) * output.scale))
    return {
        "input1_offset": -a.zero_point,
        "input1_multiplier": m1,
        "input1_shift": s1,
        "input2_offset": -b.zero_point,
        "input2_multiplier": m2,
        "input2_shift": s2,
        "left_shift": _LEFT_SHIFT,
        "output_offset": output.zero_point,
        "output_multiplier": mo,
        "output_shift": so,
    }


def lower(node: Node) -> Call:
    """The kernel call for one ADD."""
    a, b, output = node.input(0), node.input(1), node.output()
    if not scaled_sum.is_scaled(node):
        return plain_call(node, "add", ("int32", "int64", "float32"))
    if output.dtype != "int8" or not a.shape == b.shape == output.shape:
        return scaled_sum.lower(node, 1)
    require_same_type(a, b, output)
    require_quantized(a, b, output)
    scales = scaling(a, b, output)
    if node.isa.has("mve"):
        call = lower_factors(node, scaled_sum.results(node), clamp(node))
        if call is None:
            call = lower_mve(node, scales, clamp(node))
        if call is not None:
            return call
    call = scaled_sum.lower_pairs(node, 1)
    if call is None and node.isa.has("host"):
        call = lower_host(node, scales, clamp(node))
    if call is None and node.isa.has("dsp"):
        call = lower_dsp(node, scales, clamp(node))
    if call is not None:
        return call
    return Call(
        "add",
        "eq_add_s8",
        "eq_add_params",
        {"size": output.elements, **scales, **clamp(node)},
        (Arg("input", 0), Arg("input", 1), OUTPUT),
        overlaps=(Overlap(0), Overlap(1)),
    )


ADD = OpKind("ADD", lower, ("int8", "int16", "int32", "int64", "float32"))
