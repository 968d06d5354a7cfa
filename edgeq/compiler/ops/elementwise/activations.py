"""RELU, RELU6, RELU_N1_TO_1, LEAKY_RELU, ELU, GELU and HARD_SWISH as ops of their own."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.elementwise.arithmetic import SUFFIXES
from edgeq.compiler.ops.elementwise.float_unary import float_call
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Node,
    OpKind,
    Overlap,
    ParamValue,
    require,
)
from edgeq.compiler.ops.shared.lookup import every_value, lookup_call, saturated, transformed
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import require_quantized
from edgeq.model.fixedpoint import (
    activation_range,
    dtype_range,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away,
    rounding_divide_by_pot,
)
from edgeq.model.graph import Tensor


def _piecewise(node: Node, slope: float, low: int, high: int) -> Call:
    """The kernel call for y = x where x is positive, else x * slope, both rescaled and clamped."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    require_quantized(source, output)
    multiplier, shift = quantize_multiplier(source.scale / output.scale)
    negative, negative_shift = quantize_multiplier(source.scale * slope / output.scale)
    if source.dtype == "int8":
        x = every_value(source) - source.zero_point
        above = multiply_by_quantized_multiplier(x, multiplier, shift)
        below = multiply_by_quantized_multiplier(x, abs(negative), negative_shift)
        below = -below if negative < 0 else below
        y = np.where(x >= 0, above, below) + output.zero_point
        return lookup_call(node, np.clip(y, low, high), f"{node.op.name} of every input")
    require(source.dtype == "int16", f"{source.dtype} values")
    params: dict[str, ParamValue] = {
        "size": output.elements,
        "input_offset": -source.zero_point,
        "output_offset": output.zero_point,
        "positive_multiplier": multiplier,
        "positive_shift": shift,
        "negative_multiplier": negative,
        "negative_shift": negative_shift,
        "activation_min": low,
        "activation_max": high,
    }
    return _int16_call("piecewise", "eq_piecewise_s16", "eq_piecewise_params", params)


def _int16_call(header: str, function: str, kind: str, params: dict[str, ParamValue]) -> Call:
    return Call(header, function, kind, params, (INPUT, OUTPUT), overlaps=(Overlap(0),))


def lower_relu(node: Node) -> Call:
    """The kernel call for one RELU. Source: TFLM `CalculateReluOpData`."""
    output = node.output()
    if output.dtype == "float32":
        return float_call(node, "relu")
    low, high = activation_range(1, output.dtype, output.scale, output.zero_point)
    return _piecewise(node, 1.0, low, high)


def lower_relu_n1_to_1(node: Node) -> Call:
    """The kernel call for one RELU_N1_TO_1, which TFLM does not have."""
    output = node.output()
    if output.dtype == "float32":
        return float_call(node, "relu_n1_to_1")
    low, high = activation_range(2, output.dtype, output.scale, output.zero_point)
    return _piecewise(node, 1.0, low, high)


def lower_relu6(node: Node) -> Call:
    """The kernel call for one RELU6, which TFLM clamps without rescaling.

    Source: TFLM `Relu6Prepare`.
    """
    source, output = node.input(0), node.output()
    if output.dtype == "float32":
        return float_call(node, "relu6")
    require_same_type(source, output)
    require_quantized(source)
    minimum, maximum = dtype_range(source.dtype)
    six = round_half_away(6.0 / source.scale) + source.zero_point
    six = min(max(six, minimum), maximum)
    if source.dtype == "int8":
        x = every_value(source)
        y = np.where(x > six, six, np.where(x < source.zero_point, source.zero_point, x))
        return lookup_call(node, y, "RELU6 of every input")
    require(source.dtype == "int16", f"{source.dtype} values")
    params: dict[str, ParamValue] = {
        "size": output.elements,
        "low": source.zero_point,
        "high": six,
    }
    return _int16_call("clamp", f"eq_clamp_{SUFFIXES[source.dtype]}", "eq_clamp_params", params)


def lower_leaky_relu(node: Node) -> Call:
    """The kernel call for one LEAKY_RELU. Source: TFLM `CalculateOpDataLeakyRelu`."""
    alpha = node.option("alpha")
    if node.output().dtype == "float32":
        return float_call(node, "leaky_relu", float(alpha))
    return _piecewise(node, alpha, *dtype_range(node.output().dtype))


def _require_int8(node: Node) -> None:
    dtype = node.input(0).dtype
    same = dtype == node.output().dtype == "int8"
    require(same, f"{dtype} values; int8 and float32 have a kernel")


def lower_elu(node: Node) -> Call:
    """The kernel call for one ELU."""
    if node.output().dtype == "float32":
        return float_call(node, "elu")
    _require_int8(node)

    def elu(x: float) -> float:
        return float(np.float32(math.exp(x)) - np.float32(1)) if x < 0 else x

    return lookup_call(node, transformed(node, elu), "ELU of every input")


def lower_gelu(node: Node) -> Call:
    """The kernel call for one GELU, which TFLM does not have: int8 as LiteRT fills its table."""
    approximate = bool(node.option("approximate"))
    if node.output().dtype == "float32":
        return float_call(node, "gelu_tanh" if approximate else "gelu")
    _require_int8(node)

    def gelu(x: float) -> float:
        if approximate:
            return x * 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        # Step by step in float32, which decides between two integers where x is large.
        return 0.5 * x * float(np.float32(math.erfc(np.float32(x) * -np.float32(math.sqrt(0.5)))))

    return lookup_call(node, transformed(node, gelu), "GELU of every input")


def lower_hard_swish(node: Node) -> Call:
    """The kernel call for one HARD_SWISH."""
    source, output = node.input(0), node.output()
    if output.dtype == "float32":
        return float_call(node, "hard_swish")
    _require_int8(node)
    require_quantized(source, output)
    return lookup_call(node, hard_swish(source, output), "HARD_SWISH of every input")


def _int16_multiplier(real: float) -> tuple[int, int]:
    """A real multiplier as Q15 multiplier and shift.

    Source: TFLite `DownScaleInt32ToInt16Multiplier`.
    """
    multiplier, shift = quantize_multiplier(real)
    return min((multiplier + (1 << 15)) >> 16, 32767), shift


def hard_swish(source: Tensor, output: Tensor) -> NDArray[np.int64]:
    """HARD_SWISH of every int8 value, in TFLite's 16-bit arithmetic.

    Source: TFLM `HardSwishPrepare` and the reference HardSwish.
    """
    hires = source.scale / 128
    multiplier, exponent = _int16_multiplier(hires / output.scale)
    require(exponent <= 0, "the output's scale is too small for the input's")
    relu_multiplier, relu_exponent = _int16_multiplier(hires / (3 / 32768))

    def high_mul(a: NDArray[np.int64], b: int) -> NDArray[np.int64]:
        result: NDArray[np.int64] = np.minimum((a * b + (1 << 14)) >> 15, 32767)
        return result

    def shifted(a: NDArray[np.int64], amount: int) -> NDArray[np.int64]:
        result: NDArray[np.int64] = np.clip(a << amount, -32768, 32767)
        return result

    x = (every_value(source) - source.zero_point) * 128
    preshift = high_mul(x, multiplier)
    relu = shifted(x, relu_exponent - 1) if relu_exponent > 0 else x
    relu = high_mul(relu, relu_multiplier)
    relu = shifted(relu, 1) if relu_exponent > 0 else relu
    relu = rounding_divide_by_pot(relu, -relu_exponent) if relu_exponent < 0 else relu
    product = ((relu + (1 << 15)) >> 1) * preshift
    halved = np.sign(product) * (np.abs(product) >> 15)
    return saturated(rounding_divide_by_pot(halved, -exponent) + output.zero_point, output)


RELU = OpKind("RELU", lower_relu, ("int8", "int16", "float32"))
RELU6 = OpKind("RELU6", lower_relu6, ("int8", "int16", "float32"))
RELU_N1_TO_1 = OpKind("RELU_N1_TO_1", lower_relu_n1_to_1, ("int8", "int16", "float32"))
LEAKY_RELU = OpKind("LEAKY_RELU", lower_leaky_relu, ("int8", "int16", "float32"))
ELU = OpKind("ELU", lower_elu, ("int8", "float32"))
GELU = OpKind("GELU", lower_gelu, ("int8", "float32"))
HARD_SWISH = OpKind("HARD_SWISH", lower_hard_swish, ("int8", "float32"))
