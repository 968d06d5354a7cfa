"""Methods that move numbers between layers know what lies between these, however it is written."""

import numpy as np
import pytest

from edgeq.compress.channels import Groups, is_maker
from edgeq.compress.equalization import equalize
from edgeq.compress.factorization import _can_factorize
from edgeq.compress.folding import fold_batch_norm
from edgeq.compress.network import load_network, read_network
from edgeq.compress.objective import last_activation
from edgeq.conversion.layer_kinds import activation_of

keras = pytest.importorskip("keras")
layers = keras.layers


def net(*middle, first=None):
    keras.utils.set_random_seed(1)
    x = keras.Input((8, 8, 4))
    y = layers.Conv2D(8, 3, padding="same", activation=first)(x)
    for layer in middle:
        y = layer(y)
    y = layers.Conv2D(8, 3, activation=layers.LeakyReLU())(y)
    return keras.Model(x, layers.Dense(2)(layers.Flatten()(y)))


def drawn(model):
    """The model with weights of uneven channels, and with statistics that do something."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        low = 0.2 if min(np.ravel(weight)) >= 0 else -2.0
        weight.assign(rng.uniform(low, 2.0, weight.shape))
    return model


def same(model, other, shape=(8, 8, 4)):
    x = np.random.default_rng(1).normal(size=(8, *shape)).astype(np.float32)
    a, b = (each.predict(x, verbose=0) for each in (model, other))
    return np.allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(a).max())


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_a_normalization_is_folded_along_the_axis_that_it_has(axis):
    model = drawn(net(layers.BatchNormalization(axis=axis), layers.ReLU()))
    folded = fold_batch_norm(load_network(model))
    assert same(model, folded)
    gone = not any(isinstance(layer, layers.BatchNormalization) for layer in folded.layers)
    assert gone == (axis in (3, -1))


@pytest.mark.parametrize(
    "activation",
    [
        lambda: layers.ReLU(0.5),
        lambda: layers.ReLU(),
        lambda: layers.LeakyReLU(0.2),
        lambda: "relu",
    ],
    ids=["capped", "layer", "leaky", "name"],
)
def test_equalizing_keeps_what_a_model_with_a_layer_as_activation_computes(activation):
    model = drawn(net(first=activation()))
    assert same(model, equalize(model).model)
    behind = drawn(net(layers.BatchNormalization(), first=activation()))
    assert same(behind, equalize(behind).model)


def test_an_activation_has_the_name_of_the_function_that_it_is():
    for activation, name in (
        (None, "linear"),
        ("relu", "relu"),
        (layers.ReLU(), "relu"),
        (layers.ReLU(6.0), "<ReLU>"),
        (layers.ReLU(negative_slope=0.1), "<ReLU>"),
        (layers.Softmax(), "softmax"),
        (layers.Softmax(axis=1), "<Softmax>"),
        (layers.LeakyReLU(), "<LeakyReLU>"),
    ):
        assert activation_of(layers.Dense(2, activation=activation)) == name
    assert activation_of(layers.Flatten()) == "linear"
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2, activation=layers.Softmax())(x))
    assert last_activation(model.outputs[0]) == "softmax"


@pytest.mark.parametrize(
    "between",
    [
        lambda: layers.Flatten(data_format="channels_first"),
        lambda: layers.GlobalAveragePooling2D(data_format="channels_first"),
        lambda: layers.ZeroPadding2D(1, data_format="channels_first"),
    ],
    ids=["flattened", "pooled", "padded"],
)
def test_what_takes_channels_first_is_no_way_for_channels_that_lie_last(between):
    keras.utils.set_random_seed(1)
    x = keras.Input((8, 8, 4))
    y = between()(layers.Conv2D(8, 3, padding="same", activation="relu")(x))
    model = drawn(keras.Model(x, layers.Dense(2)(y)))
    assert same(model, equalize(model).model)
    network = read_network(load_network(model))
    assert not Groups(network).free


def test_what_makes_channels_first_is_left_as_it_is():
    keras.utils.set_random_seed(1)
    x = keras.Input((8, 8, 8))
    conv = layers.Conv2D(8, 1, data_format="channels_first", use_bias=False)
    norm = layers.BatchNormalization()
    y = layers.Dense(8)(norm(conv(x)))
    model = drawn(keras.Model(x, y))
    assert not is_maker(conv) and not _can_factorize(conv)
    assert same(model, fold_batch_norm(load_network(model)), (8, 8, 8))
