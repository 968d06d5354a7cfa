"""Layers whose biases are equal share one constant; each is treated as if it had its own."""

import numpy as np
import pytest

import edgeq
from edgeq.conversion.float_model import float_model
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run

keras = pytest.importorskip("keras")
layers = keras.layers


def biases(data):
    """The layers' (input, weights, bias) of a .tflite."""
    graph = parse_graph(data).main
    kinds = ("CONV_2D", "FULLY_CONNECTED")
    return [[graph.tensors[i] for i in op.inputs[:3]] for op in graph.ops if op.name in kinds]


@pytest.fixture
def data():
    return np.random.default_rng(0).normal(0, 1, (20, 6, 6, 3)).astype(np.float32)


def test_a_bias_has_room_where_another_layer_has_the_same(data):
    keras.utils.set_random_seed(1)
    tiny = keras.initializers.RandomUniform(-1e-9, 1e-9, seed=1)
    three = keras.initializers.Constant(3.0)
    source = value = keras.Input((6, 6, 3))
    outputs = []
    for _ in range(2):  # as the gates of MobileNetV3 before it is trained
        value = layers.Conv2D(4, 1, activation="relu", kernel_initializer=tiny)(value)
        outputs.append(layers.Conv2D(5, 1, bias_initializer=three, activation="relu6")(value))
    made = edgeq.convert(keras.Model(source, outputs), data=data, quality_check=False)
    shared = [layer for layer in biases(made.data) if layer[2].shape == (5,)]
    assert len({bias.name for _, _, bias in shared}) == len(shared) == 2
    for given, weights, bias in shared:
        scale = given.scale * np.asarray(weights.quantization.scale)
        assert np.allclose(bias.data * scale, 3.0, rtol=1e-3)
        assert np.abs(bias.data).max() < 1 << 30
    for value in run(made.data, [data]):
        assert np.allclose(value, 3.0, atol=0.05)


def test_bias_correction_leaves_no_layer_out(data):
    source = value = keras.Input((6, 6, 3))
    for _ in range(3):
        value = layers.Conv2D(8, 1)(value)  # their zeros are kept once
    made = edgeq.convert(keras.Model(source, value), data=data, bias_correction=True)
    assert len(made.corrected) == 3


def test_a_bias_that_is_another_ops_constant_too_computes_the_same(data):
    keras.utils.set_random_seed(1)
    one = np.array([0.5, -0.25, 0.125], np.float32)
    source = keras.Input((6, 6, 3))
    first = layers.Conv2D(3, 1, bias_initializer=lambda shape, dtype: one)
    model = keras.Model(source, [first(source), keras.ops.maximum(first(first(source)), one)])
    real = float_model(model)
    assert len({bias.name for _, _, bias in biases(real.data)}) == len(biases(real.data)) == 2
    wanted = model.predict(data, verbose=0)
    for found, value in zip(run(real.data, [data]), wanted, strict=True):
        assert np.abs(found.reshape(value.shape) - value).max() < 1e-5


def test_a_dead_channel_has_room_for_the_bias_of_each_call_of_its_layer():
    random = np.random.default_rng(0)
    shared, source = layers.Conv2D(8, 3, padding="same"), keras.Input((8, 8, 8))
    first = shared(source)
    second = shared(layers.Activation("tanh")(first))
    third = shared(layers.Rescaling(20.0)(second))
    model = keras.Model(source, [first, second, third])
    kernel = random.normal(0, 0.1, (3, 3, 8, 8))
    kernel[..., 3] = 0
    shared.set_weights([kernel, random.normal(0, 3, 8)])
    data = random.normal(0, 1, (40, 8, 8, 8)).astype(np.float32)
    made = edgeq.convert(model, data=data, accept_loss=True)
    for found, wanted in zip(run(made.data, [data]), model.predict(data, verbose=0), strict=True):
        noise = ((found.reshape(wanted.shape) - wanted) ** 2).sum()
        assert 10 * np.log10((wanted**2).sum() / noise) > 30
