"""Small Keras networks, one per data set."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def digits() -> keras.Model:
    """A small convolutional network for 8x8 images."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            layers.Conv2D(32, 1, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ],
        name="digits",
    )


def mnist() -> keras.Model:
    """A MobileNet in miniature: depthwise separable blocks with batch normalization."""

    def normalized(x: Any) -> Any:
        # The default momentum of 0.99 is too slow for a few hundred steps.
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    def block(x: Any, filters: int, stride: int) -> Any:
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
        return normalized(layers.Conv2D(filters, 1, use_bias=False)(normalized(x)))

    image = keras.Input((28, 28, 1))
    x = normalized(layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(image))
    for filters, stride in ((32, 1), (32, 2), (64, 1)):
        x = block(x, filters, stride)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(10, activation="softmax")(x), name="mnist")


def watch() -> keras.Model:
    """Convolutions over time for 128 steps of 6 sensor channels."""
    return keras.Sequential(
        [
            keras.Input((128, 1, 6)),
            layers.Conv2D(16, (5, 1), strides=(2, 1), padding="same", activation="relu"),
            layers.Dropout(0.2),
            layers.DepthwiseConv2D((5, 1), padding="same", activation="relu"),
            layers.Conv2D(32, 1, activation="relu"),
            layers.MaxPooling2D((2, 1)),
            layers.Conv2D(32, (3, 1), padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.3),
            layers.Dense(7, activation="softmax"),
        ],
        name="watch",
    )


def vowels() -> keras.Model:
    """Convolutions over time for 29 frames of 12 cepstral coefficients."""
    return keras.Sequential(
        [
            keras.Input((29, 1, 12)),
            layers.Conv2D(32, (3, 1), padding="same", activation="relu"),
            layers.MaxPooling2D((2, 1)),
            layers.Dropout(0.2),
            layers.Conv2D(48, (3, 1), padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.3),
            layers.Dense(9, activation="softmax"),
        ],
        name="vowels",
    )


def keyword(shape: tuple[int, ...], classes: int) -> keras.Model:
    """DS-CNN in miniature for a second of cepstra; `normalized` is to be adapted to the data."""

    def block(x: Any) -> Any:
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.Conv2D(24, 1, use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    frames = keras.Input(shape)
    x = layers.Normalization(axis=2, name="normalized")(frames)
    x = layers.Conv2D(24, (10, 4), strides=2, padding="same", use_bias=False)(x)
    x = block(block(layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(frames, layers.Dense(classes, activation="softmax")(x), name="keyword")
