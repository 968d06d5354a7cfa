"""Recurrent nets in integers: ops, bytes, accuracy and signal-to-noise ratio after training.

    python -m benchmarks.recurrent

The task is to tell which of four tones, in noise, rises or falls over the steps: 8 classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import edgeq
from edgeq.model.model_file import parse_graph

SEED = 5
SCHEMES = ("int8", "int16x8")


def tones(count: int, steps: int, features: int, seed: int) -> tuple[Any, Any]:
    """Samples and labels."""
    random = np.random.default_rng(seed)
    x = random.normal(0, 0.7, (count, steps, features)).astype(np.float32)
    y = random.integers(0, 8, count)
    slopes = np.linspace(0.2, 1.2, steps)
    for sample, label in zip(x, y, strict=True):
        ramp = slopes if label >= 4 else slopes[::-1]
        sample[:, int(label) % 4] += ramp
    return x, y


def nets() -> dict[str, tuple[tuple[int, int], list[Any]]]:
    """The nets by name: shape of a sample, layers."""
    from keras import layers

    return {
        "LSTM(32), LSTM(16)": (
            (49, 40),
            [layers.LSTM(32, return_sequences=True), layers.LSTM(16)],
        ),
        "GRU(32)": ((49, 40), [layers.GRU(32)]),
        "Conv1D(12, 5), Bidirectional(LSTM(10))": (
            (30, 6),
            [layers.Conv1D(12, 5), layers.Bidirectional(layers.LSTM(10))],
        ),
        "SimpleRNN(24)": ((30, 6), [layers.SimpleRNN(24)]),
    }


def main() -> None:
    """Train, convert, print a table."""
    import keras

    print("| net | scheme | ops | .tflite | float .tflite | accuracy | float accuracy | SNR, dB |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for name, (shape, parts) in nets().items():
        keras.utils.set_random_seed(SEED)
        model = keras.Sequential([keras.Input(shape), *parts, keras.layers.Dense(8)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(5e-3), loss)
        x, y = tones(1500, *shape, seed=0)
        model.fit(x, y, epochs=6, batch_size=64, verbose=0)
        test = tones(500, *shape, seed=1)
        for scheme in SCHEMES:
            found = edgeq.convert(model, data=x[:200], scheme=scheme, eval_data=test)
            graph = parse_graph(found.data)
            ops = sum(len(subgraph.ops) for subgraph in graph.subgraphs)
            real, integer = (score.value for score in found.accuracy)
            print(
                f"| {name} | {scheme} | {ops} | {len(found.data):,} | {found.float_bytes:,} "
                f"| {integer:.3f} | {real:.3f} | {found.quality.signal_to_noise_db:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
