"""Layers whose weights are no constants, or have a zero point."""

import numpy as np
import pytest

from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build, single_op
from tests.oracle.check import assert_same, check, random_case

CONV = {"padding": 0, "stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
DEPTHWISE = {**CONV, "depth_multiplier": 1}
LAYERS = {
    "CONV_2D": ((1, 5, 5, 2), (3, 3, 3, 2), (1, 5, 5, 3), CONV),
    "DEPTHWISE_CONV_2D": ((1, 5, 5, 2), (1, 3, 3, 2), (1, 5, 5, 2), DEPTHWISE),
    "FULLY_CONNECTED": ((2, 7), (3, 7), (2, 3), {}),
}


def layer(name, dtype):
    before, between, behind, options = LAYERS[name]
    exact = dtype == "float32"
    weight_type = dtype if exact else "int8"
    x = TensorSpec(before, dtype, None if exact else 0.5, 5 if dtype == "int8" else 0)
    w = TensorSpec(between, weight_type, None if exact else 0.02)
    y = TensorSpec(behind, dtype, None if exact else 0.7, -9 if dtype == "int8" else 0)
    bias_type = {"int8": "int32", "int16": "int64"}.get(dtype, dtype)
    values = np.arange(behind[-1]) * 100 - 90
    bias = TensorSpec((behind[-1],), bias_type, None if exact else 0.01, 0, values)
    return single_op(name, [x, w, bias], [y], options)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_weights_may_be_inputs_of_the_model(name, dtype):
    model = layer(name, dtype)
    assert_same(random_case(f"{name} {o}", model, optimize=o) for o in ("balanced", "ram"))


def test_weights_of_a_dense_layer_may_have_a_zero_point():
    x, y = TensorSpec((2, 7), "int8", 0.5, 5), TensorSpec((2, 3), "int8", 0.7, -9)
    values = np.random.default_rng(0).integers(-128, 128, (3, 7))
    w = TensorSpec((3, 7), "int8", 0.02, -40, values)
    bias = TensorSpec((3,), "int32", 0.01, 0, [100, 0, -90])
    models = [single_op("FULLY_CONNECTED", [x, w, b], [y]) for b in (bias, None)]
    assert_same(random_case("zero point", model) for model in models)


def test_a_convolution_may_take_what_another_one_made_as_its_weights():
    """With rows enough that stripes would pay."""
    image = TensorSpec((1, 40, 40, 2), "int8", 0.5)
    wide = [TensorSpec((1, 40, 40, n), "int8", 0.5) for n in (16, 8, 2)]
    kernels = TensorSpec((8, 3, 3, 16), "int8", 0.02)
    rng = np.random.default_rng(1)
    first, last = (
        TensorSpec(shape, "int8", 0.02, 0, rng.integers(-127, 128, shape))
        for shape in ((16, 3, 3, 2), (2, 3, 3, 8))
    )
    tensors = [image, kernels, first, last, *wide]
    ops = [
        OpSpec("CONV_2D", [a, b, -1], [c], CONV) for a, b, c in ((0, 2, 4), (4, 1, 5), (5, 3, 6))
    ]
    model = build([SubgraphSpec(tensors, ops, [0, 1], [6])])
    assert_same(random_case(o, model, calls=1, optimize=o) for o in ("balanced", "ram"))


def test_a_64_bit_bias_of_an_int8_layer_is_refused():
    x, y = TensorSpec((2, 7), "int8", 0.5), TensorSpec((2, 3), "int8", 0.7)
    w = TensorSpec((3, 7), "int8", 0.02, 0, np.ones((3, 7)))
    bias = TensorSpec((3,), "int64", 0.01, 0, [100, 0, -90])
    (result,) = check([random_case("wide", single_op("FULLY_CONNECTED", [x, w, bias], [y]))])
    assert result.verdict == "refused"
    assert "int64 bias" in result.detail
