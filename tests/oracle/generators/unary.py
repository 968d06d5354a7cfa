"""Ops of one input, value by value."""

import numpy as np

from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import Case
from tests.oracle.generators.tensors import extreme_values, of_types, quantized, values

EVERY_BYTE = np.arange(-128, 128).astype(np.int8)


def _case(rng, name, dtype, oracle="tflm", options=None, output=None):
    """A case that feeds every byte, or many words."""
    x, y = TensorSpec((256,), dtype), TensorSpec((256,), dtype)
    if dtype != "float32":
        x = quantized(rng, (256,), dtype)
        y = quantized(rng, (256,), dtype)
    if output is not None and dtype == "int8":
        y = TensorSpec((256,), dtype, *output)
    what = f"{name} {dtype} {x.scale} {x.zero_point} {y.scale} {y.zero_point} {options}"
    calls = [[EVERY_BYTE]]
    if dtype == "int16":
        calls = [[values(rng, (256,), dtype)] for _ in range(2)]
        calls.append([np.linspace(-32768, 32767, 256).astype(np.int16)])
    if dtype == "float32":
        calls = [[(rng.normal(size=256) * 5).astype(np.float32)]]
        calls.append([extreme_values(rng, (256,), dtype)])
    return Case(what, single_op(name, [x], [y], options), calls, oracle)


def unary(name, litert=(), output=None):
    """A generator of one op.

    Args:
        litert: Types that TFLM does not have.
        output: Scale and zero point of an int8 output, where they are fixed.
    """

    def make(rng, _, dtype):
        oracle = "litert" if dtype in litert else "tflm"
        return _case(rng, name, dtype, oracle, output=output)

    return make


def abs_of_plain_numbers(rng, _):
    x, y = TensorSpec((256,), "int16"), TensorSpec((256,), "int16")
    return Case("ABS int16", single_op("ABS", [x], [y]), [[extreme_values(rng, (256,), "int16")]])


def logistic_s16(rng, _):
    """Scales up to those of which the reference's 32-bit product overflows."""
    x, y = quantized(rng, (256,), "int16", low=1e-7, high=5.3), TensorSpec((256,), "int16", 2**-15)
    model = single_op("LOGISTIC", [x], [y])
    return Case(f"LOGISTIC int16 {x.scale}", model, [[extreme_values(rng, (256,), "int16")]])


def leaky_relu(rng, _, dtype):
    alpha = float(np.float32(rng.choice([0.0, 0.01, 0.1, 0.3, 1.5, -0.5, rng.uniform(0, 1)])))
    return _case(rng, "LEAKY_RELU", dtype, options={"alpha": alpha})


def gelu(rng, _, dtype):
    options = {"approximate": bool(rng.random() < 0.5)}
    return _case(rng, "GELU", dtype, "litert", options=options)


def hard_swish(rng, _):
    x = quantized(rng, (256,), "int8", low=0.005, high=0.4)
    y = TensorSpec((256,), "int8", x.scale * float(rng.uniform(0.3, 2)), x.zero_point)
    what = f"HARD_SWISH {x.scale} {x.zero_point} {y.scale}"
    return Case(what, single_op("HARD_SWISH", [x], [y]), [[EVERY_BYTE]])


def sign(rng, _, dtype):
    calls = [[extreme_values(rng, (256,), dtype)] for _ in range(2)]
    model = single_op("SIGN", [TensorSpec((256,), dtype)], [TensorSpec((256,), dtype)])
    return Case(f"SIGN {dtype}", model, calls, "litert")


_FLOAT = ("CEIL", "COS", "FLOOR", "HARD_SWISH", "NEG", "ROUND", "RSQRT", "SIN", "SQRT", "SQUARE")
_QUANTIZED = ("int8", "int8", "int16", "float32")
_BYTE = ("int8", "int8", "float32")
GENERATORS = {
    **{f"{name} float32": of_types(unary(name), ("float32",)) for name in _FLOAT},
    **{name: of_types(unary(name), _QUANTIZED) for name in ("ABS", "RELU", "RELU6")},
    **{name: of_types(unary(name, ("int8",)), _BYTE) for name in ("EXP", "LOG")},
    "ABS int16 without a scale": abs_of_plain_numbers,
    "ELU": of_types(unary("ELU"), _BYTE),
    "GELU": of_types(gelu, _BYTE),
    "HARD_SWISH int8": hard_swish,
    "LEAKY_RELU": of_types(leaky_relu, _QUANTIZED),
    "LOGISTIC": of_types(unary("LOGISTIC", output=(1 / 256, -128)), _BYTE),
    "LOGISTIC int16": logistic_s16,
    "RELU_N1_TO_1": of_types(unary("RELU_N1_TO_1", _BYTE), ("int8", "float32")),
    "SIGN": of_types(sign, ("int32", "float32")),
    "TANH": of_types(unary("TANH", output=(1 / 128, 0)), _BYTE),
}
