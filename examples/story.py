"""What every story begins with: a trained network and its data, in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeq.conversion.tensorflow import import_tensorflow
from examples import data


def prepare(name: str, folder: Path, *, epochs: int, rate: float, batch: int = 64) -> Path:
    """Train the network called `name` on the data of that name.

    Writes NAME.keras, calibration.npz (x) and test.npz (x and y) into the folder.

    Returns:
        The .keras file.
    """
    _, keras = import_tensorflow()
    from examples import networks

    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    split: data.Split = getattr(data, name)()
    split.save(folder)
    print(f"Training on {len(split.x_train)} samples ...", flush=True)
    model = getattr(networks, name)()
    _train(keras, model, split, epochs, rate, batch)
    path = folder / f"{name}.keras"
    model.save(path)
    return path


def _train(keras: Any, model: Any, split: data.Split, epochs: int, rate: float, batch: int) -> None:
    steps = epochs * -(-len(split.x_train) // batch)
    decay = keras.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(keras.optimizers.Adam(decay), loss="sparse_categorical_crossentropy")
    model.fit(split.x_train, split.y_train, epochs=epochs, batch_size=batch, verbose=0)
