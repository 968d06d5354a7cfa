"""What blocks of zero weights, left out, save of flash and of instructions.

    python -m benchmarks.blocks

One dense layer of 640 inputs and 128 outputs with random weights, of which a share of the blocks of
4 inputs by 4 outputs is zero. The rows are those of docs/decisions/blocks-of-zeros.md.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import edgeq

INPUTS, OUTPUTS = 640, 128
SHARES = (0.0, 0.5, 0.75, 0.9)
CORES = ("cortex-m4", "cortex-m3", "cortex-m0plus", "rv32imc")


def layer(share: float, folder: Path) -> Path:
    """The layer as an int8 model."""
    import keras

    network = keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(OUTPUTS)])
    random = np.random.default_rng(0)
    blocks = random.permutation(np.linspace(0, 1, INPUTS * OUTPUTS // 16, endpoint=False) >= share)
    kept = blocks.reshape(INPUTS // 4, -1).repeat(4, axis=0).repeat(4, axis=1)
    weights = random.uniform(-1, 1, (INPUTS, OUTPUTS)) * kept
    network.layers[0].set_weights([weights, random.uniform(-1, 1, OUTPUTS)])
    path = folder / f"{share}.tflite"
    samples = random.uniform(-1, 1, (50, INPUTS)).astype(np.float32)
    edgeq.convert(network, output=path, data=samples)
    return path


def main() -> None:
    print("| core | zero blocks | flash | instructions |")
    print("|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        models = {share: layer(share, Path(folder)) for share in SHARES}
        for core in CORES:
            for share, path in models.items():
                found = edgeq.profile(path, on=f"sim:{core}").measurement
                print(
                    f"| {core} | {share:.0%} | {found.memory_bytes.flash_total:,} "
                    f"| {found.instructions:,} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
