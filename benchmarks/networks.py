"""The benchmark networks that a script makes: seeded weights, so that everyone has the same.

Accuracy is of no interest here, only shapes: a MobileNetV2 0.35 at 96x96 with ten classes and one
of 0.3 at 80x80 with a thousand, an EfficientNetV2-B0 at its own 224x224, an LSTM of 64 units over
49 steps, and a two-layer perceptron.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path.home() / ".cache" / "edgeq" / "benchmarks"


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


NETWORKS = {
    "mobilenet_v2_035_96": mobilenet_v2,
    "mobilenet_v2_030_80_1000": mobilenet_v2_large,
    "lstm_64x49": lstm,
    "mlp_64_128_10": mlp,
}
# Too large for a core in emulation: these are for hosts.
HOST_NETWORKS = {"efficientnet_v2_b0_224": efficientnet_v2}
# What the values of an input lie between, where it is not -1 and 1.
RANGES = {"efficientnet_v2_b0_224": (0, 255)}


def quantized(name: str) -> Path:
    """The int8 .tflite of one of these networks, made on first use and kept."""
    import edgeq

    path = FOLDER / f"{name}_int8.tflite"
    if path.exists():
        return path
    FOLDER.mkdir(parents=True, exist_ok=True)
    model = {**NETWORKS, **HOST_NETWORKS}[name]()
    shape = tuple(model.inputs[0].shape[1:])
    keras_file = FOLDER / f"{name}.keras"
    model.save(keras_file)
    data = FOLDER / f"{name}_calibration.npy"
    np.save(data, np.random.default_rng(0).uniform(*RANGES.get(name, (-1, 1)), (32, *shape)).astype(np.float32))
    edgeq.convert(keras_file, output=path, data=str(data), force=True, accept_loss=True)
    return path
