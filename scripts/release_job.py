"""edgeq's main job with an installed edgeq: python release_job.py EDGEQ, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def make_model() -> None:
    import keras
    import numpy as np

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    model.save("model.keras")
    np.savez("data.npz", x=np.random.default_rng(1).random((100, 16, 16, 1), np.float32))


def main(edgeq: str) -> None:
    make_model()
    for command in (
        "convert model.keras -o model.tflite --data data.npz --force",
        "inspect model.tflite --target nucleo-f446re",
        "verify model.tflite --on c --against local?kernels=reference -n 5",
        "profile model.tflite --on sim:cortex-m4 --json",
        "compile model.tflite -o project --target qemu-mps2-an386 --project bare-metal --force",
        "build project",
    ):
        subprocess.run([edgeq, *command.split()], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
