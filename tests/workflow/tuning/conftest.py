"""A model and its data, for searches."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A small trained Keras file and its data, as files."""
    pytest.importorskip("optuna")
    pytest.importorskip("tensorflow")
    import keras

    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    y = random.integers(0, 4, 300)
    x = (random.normal(0, 0.4, (300, 6, 6, 1)) + y[:, None, None, None]).astype(np.float32)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=10, verbose=0)
    folder = tmp_path_factory.mktemp("tuning")
    model.save(folder / "m.keras")
    np.savez(folder / "d.npz", x=x, y=y)
    return folder / "m.keras", folder / "d.npz"
