"""Bias correction takes the average error of rounded weights off again."""

import numpy as np
import pytest

import edgeq
from edgeq.errors import UsageError
from tests.conversion.nets import run


@pytest.fixture(scope="module")
def net():
    """Convolution, depthwise and dense layers, each output looked at; inputs are never negative."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    layers = keras.layers
    x = keras.Input((10, 10, 6))
    a = layers.Conv2D(8, 3, bias_initializer="normal")(x)
    b = layers.DepthwiseConv2D(3, depth_multiplier=2, bias_initializer="normal")(x)
    c = layers.Dense(5, bias_initializer="normal")(layers.Flatten()(x))
    return keras.Model(x, [a, b, c])


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    return random.uniform(0, 1, (100, 10, 10, 6)).astype(np.float32)


def mean_errors(net, data, scheme, **options):
    """Of every output, the largest average error over its channels; and the conversion."""
    made = edgeq.convert(net, data=data, scheme=scheme, rounding="nearest", **options)
    pairs = zip(run(made.float_model.data, [data]), run(made.data, [data]), strict=True)
    errors = [(after - before).reshape(-1, before.shape[-1]) for before, after in pairs]
    return [float(np.abs(error.mean(axis=0)).max()) for error in errors], made


@pytest.mark.parametrize("scheme", ["int8-per-tensor", "int16x8", "int4"])
def test_outputs_are_right_on_average(net, data, scheme):
    before, plain = mean_errors(net, data, scheme)
    after, made = mean_errors(net, data, scheme, bias_correction=True)
    assert not plain.corrected
    assert len(made.corrected) == 3
    for one, other, layer in zip(before, after, made.float_model.graph.main.outputs, strict=True):
        assert other <= one, layer
    assert sum(after) < 0.5 * sum(before)


def test_calls_of_one_layer_are_each_corrected_for_what_they_take():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    shared = keras.layers.Dense(6, bias_initializer="normal")
    x = keras.Input((200,))
    net = keras.Model(x, [shared(x), shared(keras.layers.Activation("tanh")(-3 * x))])
    data = np.random.default_rng(0).normal(1, 0.2, (100, 200)).astype(np.float32)
    before, _ = mean_errors(net, data, "int4")
    after, _ = mean_errors(net, data, "int4", bias_correction=True)
    for one, other in zip(before, after, strict=True):
        assert other < 0.5 * one


def test_what_changed_is_said(net, data):
    errors, _ = mean_errors(net, data, "int4")
    _, made = mean_errors(net, data, "int4", bias_correction=True)
    assert max(made.corrected.values()) == pytest.approx(max(errors), rel=0.3)
    assert made.to_json()["corrected"] == made.corrected


def test_float_schemes_have_nothing_to_correct(net):
    with pytest.raises(UsageError, match="computes in float"):
        edgeq.convert(net, scheme="float16", bias_correction=True)
