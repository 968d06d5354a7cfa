"""The benchmark networks that a script makes: seeded weights, so that everyone has the same.

Accuracy is of no interest here, only shapes: a MobileNetV2 0.35 at 96x96 with ten classes and one
of 0.3 at 80x80 with a thousand, an EfficientNetV2-B0 at its own 224x224, an LSTM of 64 units over
49 steps, a GRU of 32, a two-layer perceptron, a keyword spotter of depthwise-separable convolutions
in int8, int16x8 and float32, one of convolutions and an LSTM, one of two transformer blocks, noise
suppression by LSTMs and, in int16x8, by a convolutional encoder and decoder, and an autoencoder in
float32.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import edgeq
from edgeq.compiler.build.cache import cache_dir

FOLDER = cache_dir() / "benchmarks"  # what benchmarks keep, whatever the code
PACKAGE = Path(edgeq.__file__).parent


def mobilenet_v2(size: int = 96, alpha: float = 0.35, classes: int = 10) -> Any:
    import keras

    keras.utils.set_random_seed(1)
    model = keras.applications.MobileNetV2(
        input_shape=(size, size, 3), alpha=alpha, weights=None, classes=classes
    )
    return _with_statistics(model, np.random.default_rng(0).uniform(-1, 1, (8, size, size, 3)))


def _with_statistics(model: Any, data: Any) -> Any:
    """The model with the moments of `data` in its BatchNormalization layers."""
    import keras

    # One pass with moving averages that take over at once: without it the activations of an
    # untrained network shrink to nothing from layer to layer, and their scales with them.
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(data, training=True)
    return model


def efficientnet_v2() -> Any:
    import keras

    keras.utils.set_random_seed(1)
    model = keras.applications.EfficientNetV2B0(weights=None)
    return _with_statistics(model, np.random.default_rng(0).uniform(0, 255, (4, 224, 224, 3)))


def mobilenet_v2_large() -> Any:
    return mobilenet_v2(80, 0.3, 1000)


def lstm() -> Any:
    import keras

    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [
            keras.layers.Input((49, 10), batch_size=1),
            keras.layers.LSTM(64, unroll=False),
            keras.layers.Dense(12, activation="softmax"),
        ]
    )


def mlp() -> Any:
    import keras

    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.layers.Input((64,)),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def ds_cnn() -> Any:
    import keras

    keras.utils.set_random_seed(4)
    layers = keras.layers
    blocks = [layers.Conv2D(64, (10, 4), strides=2, padding="same", activation="relu")]
    for _ in range(4):
        blocks += [
            layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            layers.Conv2D(64, 1, activation="relu"),
        ]
    end = [layers.GlobalAveragePooling2D(), layers.Dense(12, activation="softmax")]
    return keras.Sequential([layers.Input((49, 10, 1)), *blocks, *end])


def autoencoder() -> Any:
    import keras

    keras.utils.set_random_seed(5)
    hidden = [keras.layers.Dense(n, activation="relu") for n in (128, 128, 128, 8, 128, 128, 128)]
    return keras.Sequential([keras.layers.Input((640,)), *hidden, keras.layers.Dense(640)])


def gru() -> Any:
    import keras

    keras.utils.set_random_seed(6)
    layers = [keras.layers.GRU(32), keras.layers.Dense(12, activation="softmax")]
    return keras.Sequential([keras.layers.Input((49, 40), batch_size=1), *layers])


def crnn() -> Any:
    """Two convolutions over a spectrogram, an LSTM over its time."""
    import keras

    keras.utils.set_random_seed(7)
    layers = keras.layers
    convolutions = [
        layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
    ]
    end = [layers.Reshape((13, 10 * 32)), layers.LSTM(32), layers.Dense(12, activation="softmax")]
    return keras.Sequential([layers.Input((49, 40, 1), batch_size=1), *convolutions, *end])


def transformer() -> Any:
    """Two blocks of attention and perceptron, as wide as a keyword spotter's smallest."""
    import keras

    keras.utils.set_random_seed(8)
    layers = keras.layers
    source = layers.Input((49, 16), batch_size=1)
    x = layers.Dense(32)(source)
    for _ in range(2):
        attended = layers.MultiHeadAttention(2, 16)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, attended]))
        wide = layers.Dense(32)(layers.Dense(64, activation="relu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, wide]))
    x = layers.Dense(12, activation="softmax")(layers.GlobalAveragePooling1D()(x))
    return keras.Model(source, x)


def suppressor() -> Any:
    """A mask for each frame of a spectrum, from two LSTMs, and what it leaves of it."""
    import keras

    keras.utils.set_random_seed(9)
    layers = keras.layers
    source = layers.Input((10, 129), batch_size=1)
    x = layers.LSTM(64, return_sequences=True)(source)
    x = layers.LSTM(64, return_sequences=True)(x)
    mask = layers.Dense(129, activation="sigmoid")(x)
    return keras.Model(source, layers.Multiply()([source, mask]))


def enhancer() -> Any:
    """The same by convolutions that halve a spectrogram twice and double it again."""
    import keras

    keras.utils.set_random_seed(10)
    layers = keras.layers
    source = layers.Input((32, 64, 1), batch_size=1)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(source)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(x)
    mask = layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid")(x)
    return keras.Model(source, layers.Multiply()([source, mask]))


NETWORKS = {
    "mobilenet_v2_035_96": mobilenet_v2,
    "mobilenet_v2_030_80_1000": mobilenet_v2_large,
    "lstm_64x49": lstm,
    "gru_32x49": gru,
    "crnn": crnn,
    "transformer_32x2": transformer,
    "suppressor_lstm_64": suppressor,
    "enhancer_int16x8": enhancer,
    "mlp_64_128_10": mlp,
    "ds_cnn": ds_cnn,
    "ds_cnn_int16x8": ds_cnn,
    "ds_cnn_float32": ds_cnn,
    "autoencoder_float32": autoencoder,
}
# How those are converted that are not int8.
SCHEMES = {
    "ds_cnn_int16x8": "int16x8",
    "enhancer_int16x8": "int16x8",
    "ds_cnn_float32": "float32",
    "autoencoder_float32": "float32",
}
# Too large for a core in emulation: these are for hosts.
HOST_NETWORKS = {"efficientnet_v2_b0_224": efficientnet_v2}
# What the values of an input lie between, where it is not -1 and 1.
RANGES = {"efficientnet_v2_b0_224": (0, 255)}


@cache
def folder() -> Path:
    """Where converted networks are kept: one folder for each state of what converts."""
    digest = hashlib.sha256()
    for file in sorted((PACKAGE / "conversion").rglob("*.py")):
        digest.update(f"{file.relative_to(PACKAGE)}\0".encode() + file.read_bytes())
    path = FOLDER / f"converted-{digest.hexdigest()[:16]}"
    path.mkdir(parents=True, exist_ok=True)
    return path


def converted(name: str) -> Path:
    """The .tflite of one of these networks, made on first use and kept."""
    scheme = SCHEMES.get(name, "int8")
    path = folder() / f"{name.removesuffix(f'_{scheme}')}_{scheme}.tflite"
    if path.exists():
        return path
    model = {**NETWORKS, **HOST_NETWORKS}[name]()
    if scheme == "float32":
        import tensorflow as tf

        path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
        return path
    shape = tuple(model.inputs[0].shape[1:])
    keras_file = folder() / f"{name}.keras"
    model.save(keras_file)
    data = folder() / f"{name}_calibration.npy"
    values = np.random.default_rng(0).uniform(*RANGES.get(name, (-1, 1)), (32, *shape))
    np.save(data, values.astype(np.float32))
    edgeq.convert(
        keras_file, output=path, data=str(data), scheme=scheme, force=True, accept_loss=True
    )
    return path
