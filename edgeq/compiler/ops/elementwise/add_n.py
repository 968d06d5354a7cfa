"""ADD_N: the sum of any number of inputs."""

from __future__ import annotations

from edgeq.compiler.ops.elementwise.arithmetic import SUFFIXES
from edgeq.compiler.ops.shared.base import (
    OUTPUT,
    Arg,
    Call,
    Node,
    OpKind,
    Overlap,
    ParamValue,
    require,
)
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import require_quantized
from edgeq.model.fixedpoint import dtype_range, quantize_multiplier

LEFT_SHIFT = 20


def sum_scaling(node: Node) -> dict[str, ParamValue]:
    """The fields that bring int8 terms of one scale to a common one and the sum to the output's.

    Source: TFLM add_n.cc and cumsum.cc, `CalculateOpData`.
    """
    source, output = node.input(0), node.output()
    require_quantized(source, output)
    real = 2 * source.scale / ((1 << LEFT_SHIFT) * output.scale)
    require(real < 1, f"an output scale of {output.scale} is too small for the inputs'")
    input_multiplier, input_shift = quantize_multiplier(0.5)
    multiplier, shift = quantize_multiplier(real)
    low, high = dtype_range(output.dtype)
    return {
        "input_offset": -source.zero_point,
        "left_shift": LEFT_SHIFT,
        "input_multiplier": input_multiplier,
        "input_shift": input_shift,
        "output_offset": output.zero_point,
        "output_multiplier": multiplier,
        "output_shift": shift,
        "activation_min": low,
        "activation_max": high,
    }


def lower(node: Node) -> Call:
    """The kernel call for one ADD_N."""
    output = node.output()
    sources = [node.input(k) for k in range(len(node.op.inputs))]
    require_same_type(*sources, output)
    require(output.dtype in ("int8", "float32"), f"{output.dtype} values")
    require(all(s.shape == output.shape for s in sources), "the inputs have different shapes")
    params: dict[str, ParamValue] = {"inputs": len(sources), "size": output.elements}
    if output.dtype == "int8":
        one = {(s.scale, s.zero_point) for s in sources}
        require(len(one) == 1, "the inputs have different scales or zero points")
        params = {**params, **sum_scaling(node)}
    places = tuple(Arg("input", k) for k in range(len(sources)))
    return Call(
        "add_n",
        f"eq_add_n_{SUFFIXES[output.dtype]}",
        "eq_add_n_params",
        params,
        (*places, OUTPUT),
        overlaps=tuple(Overlap(k) for k in range(len(sources))),
        grouped="input",
    )


ADD_N = OpKind("ADD_N", lower, ("int8", "float32"))
