"""L2_NORMALIZATION, L2_POOL_2D, LOG_SOFTMAX and RSQRT, against the oracle."""

import numpy as np
import pytest

from tests.ops.cases import quantized, shape_of, values
from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import Case, assert_same, random_case


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_l2_normalization(dtype):
    rng = np.random.default_rng(1)

    def case():
        shape = shape_of(rng, int(rng.integers(2, 5)), 9)
        if dtype == "int8":
            x, y = quantized(rng, shape), TensorSpec(shape, "int8", 1 / 128, 0)
        else:
            x, y = TensorSpec(shape, dtype), TensorSpec(shape, dtype)
        model = single_op("L2_NORMALIZATION", [x], [y])
        return random_case(f"L2_NORMALIZATION {dtype} {shape} {x.zero_point}", model, calls=5)

    assert_same(case() for _ in range(24))


def test_l2_normalization_of_zeros_and_ones():
    spec = TensorSpec((4, 3), "int8", 1.0, 0)
    value = np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0], [1, 1, -1]], np.int8)
    model = single_op("L2_NORMALIZATION", [spec], [TensorSpec((4, 3), "int8", 1 / 128, 0)])
    assert_same([Case("small sums", model, [[value]])])


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_log_softmax(dtype):
    rng = np.random.default_rng(2)

    def case():
        shape = (int(rng.integers(1, 4)), int(rng.integers(1, 40)))
        if dtype == "int8":
            x = quantized(rng, shape, low=0.001, high=2)
            y = TensorSpec(shape, "int8", 1 / 16, 127)
        else:
            x, y = TensorSpec(shape, dtype), TensorSpec(shape, dtype)
        model = single_op("LOG_SOFTMAX", [x], [y])
        return random_case(f"LOG_SOFTMAX {dtype} {shape} {x.scale}", model, calls=6)

    assert_same(case() for _ in range(30))


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_rsqrt(dtype):
    rng = np.random.default_rng(3)

    def case():
        x = quantized(rng, (120,), dtype, zero_point=-128 if dtype == "int8" else 0)
        y = quantized(rng, (120,), dtype, low=0.01, high=1)
        value = np.abs(values(rng, (120,), dtype).astype(int)).clip(0, 32767)
        value = (value - 128).clip(-128, 127) if dtype == "int8" else value
        model = single_op("RSQRT", [x], [y])
        return Case(f"RSQRT {dtype} {x.scale} {y.scale}", model, [[value.astype(dtype)]])

    assert_same(case() for _ in range(24))


def test_l2_pool():
    rng = np.random.default_rng(4)
    options = {"padding": 0, "filter_height": 3, "filter_width": 2, "stride_h": 2, "stride_w": 1}
    x, y = TensorSpec((2, 5, 4, 3), "float32"), TensorSpec((2, 3, 4, 3), "float32")
    value = rng.normal(size=x.shape).astype(np.float32)
    assert_same([Case("L2_POOL_2D", single_op("L2_POOL_2D", [x], [y], options), [[value]])])
