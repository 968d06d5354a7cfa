"""Small trained networks on data that ships inside packages, made once per session."""

from functools import cache

import numpy as np
import pytest


@cache
def digits():
    """((x, y) to train on, (x, y) held out): scikit-learn's 8x8 digits."""
    datasets = pytest.importorskip("sklearn.datasets")
    loaded = datasets.load_digits()
    x, y = (loaded.images[..., None] / 16).astype(np.float32), loaded.target
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    return (x[:1300], y[:1300]), (x[1300:], y[1300:])


def _trained(model, epochs, seed=0):
    (x, y), _ = digits()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=epochs, batch_size=32, verbose=0)
    return model


def _keras(seed):
    pytest.importorskip("tensorflow")
    import keras

    keras.utils.set_random_seed(seed)
    return keras, keras.layers


@cache
def cnn(epochs=8):
    """Convolutions, depthwise, BatchNormalization, an addition: .97 and better."""
    keras, layers = _keras(0)

    def block(y, layer):
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layer(y)))

    x = keras.Input((8, 8, 1))
    y = block(x, layers.Conv2D(16, 3, padding="same", use_bias=False, name="first"))
    y = block(y, layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise"))
    y = block(y, layers.Conv2D(32, 1, use_bias=False, name="pointwise"))
    z = layers.MaxPooling2D()(y)
    y = layers.Conv2D(32, 3, padding="same", activation="relu", name="second")(z)
    y = layers.Flatten()(layers.Add()([y, z]))
    model = keras.Model(x, layers.Dense(10, activation="softmax", name="dense")(y))
    return _trained(model, epochs) if epochs else model


@cache
def narrow():
    """Depthwise-separable and so narrow that 4-bit weights cost it three points."""
    keras, layers = _keras(0)

    def block(y, layer):
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layer(y)))

    x = keras.Input((8, 8, 1))
    y = block(x, layers.Conv2D(12, 3, padding="same", use_bias=False))
    for stride, width in ((2, 12), (1, 24), (2, 24)):
        y = block(y, layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False))
        y = block(y, layers.Conv2D(width, 1, use_bias=False))
    y = layers.GlobalAveragePooling2D()(y)
    return _trained(keras.Model(x, layers.Dense(10, activation="softmax")(y)), 20)


@cache
def mlp(epochs=8):
    """A dense network with far more weights than it needs."""
    keras, layers = _keras(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(256, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    return _trained(model, epochs)


def accuracy(model, scheme="int8", **settings):
    """(float, integer) accuracy on held-out digits, as `edgeq convert --eval` shows them."""
    import edgeq

    (x, _), held_out = digits()
    found = edgeq.convert(
        model, data=x[:200], scheme=scheme, eval_data=held_out, accept_loss=True,
        **settings,
    )  # fmt: skip
    return tuple(score.value for score in found.accuracy)
