"""QUANTIZE and DEQUANTIZE: between scales, and between integers and floats."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.elementwise.arithmetic import SUFFIXES
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, OpKind, ParamValue, require
from edgeq.compiler.ops.shared.broadcast import in_place
from edgeq.compiler.ops.shared.lookup import BYTES, every_value, lookup_call, saturated
from edgeq.compiler.ops.shared.quantized import require_divisor, require_quantized
from edgeq.model.fixedpoint import (
    dtype_range,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    wrap_int32,
)

_PAIRS = (
    ("int8", "int16"),
    ("int8", "int32"),
    ("int16", "int8"),
    ("int16", "int16"),
    ("int16", "int32"),
    ("int32", "int8"),
    ("int32", "int16"),
)
_FLOAT_PARTNERS = ("int8", "uint8", "int16")


def lower_quantize(node: Node) -> Call | None:
    """The kernel call for one QUANTIZE; None where neither scale nor zero point changes."""
    source, output = node.input(0), node.output()
    require_quantized(output)
    require(source.elements == output.elements, f"shapes {source.shape} and {output.shape}")
    if source.dtype == "float32":
        require(output.dtype in _FLOAT_PARTNERS, f"float32 to {output.dtype}")
        require_divisor(output)
        return _float_call(node, f"eq_quantize_{SUFFIXES[output.dtype]}")
    require_quantized(source)
    multiplier, shift = quantize_multiplier(source.scale / output.scale)
    if source.dtype in BYTES and output.dtype in BYTES:
        if (source.dtype, source.scale, source.zero_point) == (
            output.dtype,
            output.scale,
            output.zero_point,
        ):
            return None
        x = every_value(source) - source.zero_point
        y = multiply_by_quantized_multiplier(x, multiplier, shift) + output.zero_point
        return lookup_call(node, saturated(y, output), "requantized bytes")
    types = (source.dtype, output.dtype)
    require(types in _PAIRS, f"{source.dtype} to {output.dtype}")
    low, high = dtype_range(output.dtype)
    params: dict[str, ParamValue] = {
        "size": output.elements,
        "input_offset": int(wrap_int32(np.int64(-source.zero_point))),
        "output_offset": output.zero_point,
        "output_multiplier": multiplier,
        "output_shift": shift,
        "activation_min": low,
        "activation_max": high,
    }
    function = f"eq_requantize_{SUFFIXES[source.dtype]}_{SUFFIXES[output.dtype]}"
    return _call(node, function, "eq_requantize_params", params)


def lower_dequantize(node: Node) -> Call:
    """The kernel call for one DEQUANTIZE."""
    source, output = node.input(0), node.output()
    require_quantized(source)
    per_channel = source.quantization is not None and source.quantization.per_channel
    require(not per_channel, "activations with a scale per channel")
    require(source.elements == output.elements, f"shapes {source.shape} and {output.shape}")
    types = (source.dtype, output.dtype)
    require(source.dtype in _FLOAT_PARTNERS and types[1] == "float32", f"types {types}")
    return _float_call(node, f"eq_dequantize_{SUFFIXES[source.dtype]}")


def _float_call(node: Node, function: str) -> Call:
    """The kernel call between an integer tensor and a float one."""
    integer = node.output() if node.input(0).dtype == "float32" else node.input(0)
    low, high = dtype_range(integer.dtype)
    params: dict[str, ParamValue] = {
        "size": integer.elements,
        "scale": integer.scale,
        "zero_point": integer.zero_point,
        "activation_min": low,
        "activation_max": high,
    }
    return _call(node, function, "eq_quantize_params", params)


def _call(node: Node, function: str, kind: str, params: dict[str, ParamValue]) -> Call:
    return Call("quantize", function, kind, params, (INPUT, OUTPUT), overlaps=in_place(node, 0))


QUANTIZE = OpKind("QUANTIZE", lower_quantize, ("int8", "uint8", "int16", "int32", "float32"))
DEQUANTIZE = OpKind("DEQUANTIZE", lower_dequantize, ("int8", "uint8", "int16"))
