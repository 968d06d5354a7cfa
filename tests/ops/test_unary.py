"""Ops of one input, value by value, against the oracle."""

import numpy as np
import pytest

from tests.ops.cases import quantized, values
from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import Case, assert_same

EVERY_BYTE = np.arange(-128, 128).astype(np.int8)


def quantized_case(rng, name, dtype="int8", oracle="tflm", options=None, **output):
    """A case that feeds every byte, or many words."""
    x = quantized(rng, (256,), dtype)
    y = quantized(rng, (256,), dtype)
    if output:
        y = TensorSpec((256,), dtype, **output)
    what = f"{name} {dtype} {x.scale} {x.zero_point} {y.scale} {y.zero_point} {options}"
    calls = [[EVERY_BYTE]]
    if dtype == "int16":
        calls = [[values(rng, (256,), dtype)] for _ in range(3)]
        calls.append([np.linspace(-32768, 32767, 256).astype(np.int16)])
    return Case(what, single_op(name, [x], [y], options), calls, oracle)


@pytest.mark.parametrize("name", ["ABS", "RELU", "RELU6", "ELU"])
def test_int8_activations(name):
    rng = np.random.default_rng(1)
    assert_same(quantized_case(rng, name) for _ in range(24))


@pytest.mark.parametrize("name", ["EXP", "LOG"])
def test_int8_functions_of_litert(name):
    rng = np.random.default_rng(2)
    assert_same(quantized_case(rng, name, oracle="litert") for _ in range(24))


@pytest.mark.parametrize("approximate", [False, True])
def test_gelu(approximate):
    rng = np.random.default_rng(9)
    options = {"approximate": approximate}
    cases = [quantized_case(rng, "GELU", oracle="litert", options=options) for _ in range(12)]
    spec, output = TensorSpec((64,), "float32"), TensorSpec((64,), "float32")
    value = (rng.normal(size=64) * 3).astype(np.float32)
    model = single_op("GELU", [spec], [output], options)
    assert_same([*cases, Case("GELU float32", model, [[value]], "litert")])


def test_int8_leaky_relu():
    rng = np.random.default_rng(3)
    alphas = [0.1, 0.3, 0.0, 1.5, -0.5, 0.01] * 4
    assert_same(quantized_case(rng, "LEAKY_RELU", options={"alpha": a}) for a in alphas)


@pytest.mark.parametrize("name", ["ABS", "RELU", "RELU6", "LEAKY_RELU"])
def test_int16_activations(name):
    rng = np.random.default_rng(4)
    options = {"alpha": 0.2} if name == "LEAKY_RELU" else None
    assert_same(quantized_case(rng, name, "int16", options=options) for _ in range(12))


def test_int8_logistic():
    rng = np.random.default_rng(5)
    output = {"scale": 1 / 256, "zero_point": -128}
    assert_same(quantized_case(rng, "LOGISTIC", **output) for _ in range(40))


def test_int8_tanh():
    rng = np.random.default_rng(6)
    output = {"scale": 1 / 128, "zero_point": 0}
    assert_same(quantized_case(rng, "TANH", **output) for _ in range(40))


def test_int8_hard_swish():
    rng = np.random.default_rng(7)

    def case():
        x = quantized(rng, (256,), "int8", low=0.005, high=0.4)
        y = TensorSpec((256,), "int8", x.scale * float(rng.uniform(0.3, 2)), x.zero_point)
        what = f"HARD_SWISH {x.scale} {x.zero_point} {y.scale}"
        return Case(what, single_op("HARD_SWISH", [x], [y]), [[EVERY_BYTE]])

    assert_same(case() for _ in range(40))


FLOATS = ["ABS", "CEIL", "COS", "ELU", "EXP", "FLOOR", "HARD_SWISH", "LEAKY_RELU", "LOG"]
FLOATS += ["LOGISTIC", "NEG", "RELU", "RELU6", "ROUND", "RSQRT", "SIN", "SQRT", "SQUARE", "TANH"]


def test_float32():
    rng = np.random.default_rng(8)
    cases = []
    for name in FLOATS:
        spec, output = TensorSpec((64,), "float32"), TensorSpec((64,), "float32")
        value = (rng.normal(size=64) * 5).astype(np.float32)
        value[:4] = [0.5, 1.5, 2.5, 0.0]
        value = np.abs(value) + 0.1 if name in ("LOG", "RSQRT", "SQRT") else value
        options = {"alpha": 0.25} if name == "LEAKY_RELU" else None
        cases.append(Case(name, single_op(name, [spec], [output], options), [[value]]))
    assert_same(cases)
