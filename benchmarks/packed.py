"""What weights kept as 4-bit codes save of flash, and what that costs in instructions.

    python -m benchmarks.packed

Three float models of MLPerf Tiny, read from ../shared/models/mlperf_tiny (or $EDGEQ_SHARED), are
converted to int4; or their kernels are moved to sixteen values each, without any training, and
converted to int8 with one scale per tensor. Inputs are uniform noise: accuracy is of no interest
here, only sizes. The rows are those of docs/decisions/four-bit-weights.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import edgeq
from benchmarks.ledger import shared_models
from edgeq.compiler.options import CompileOptions
from edgeq.compress.clustering import share_weights
from edgeq.compress.folding import fold_batch_norm
from edgeq.compress.network import load_network

INT4 = {
    "kws": ("kws_ref_model", (49, 10, 1)),
    "resnet": ("pretrainedResnet.h5", (32, 32, 3)),
    "ad01": ("ad01.h5", (640,)),
}
CLUSTERED = ("resnet", "ad01")
MODES = ("speed", "balanced", "size")
CORES = ("cortex-m4", "cortex-m3", "cortex-m0plus")


def models(folder: Path) -> Iterator[tuple[str, Path]]:
    for name, (file, shape) in INT4.items():
        noise = np.random.default_rng(0).uniform(-1, 1, (16, *shape)).astype(np.float32)
        np.save(folder / f"{name}.npy", noise)
        yield f"{name} int4", _converted(shared_models() / file, folder, name, "int4")
    for name in CLUSTERED:
        network = clustered(shared_models() / INT4[name][0])
        keras_file = folder / f"{name}.keras"
        network.save(keras_file)
        yield f"{name} clustered", _converted(keras_file, folder, name, "int8-per-tensor")


def _converted(source: Path, folder: Path, name: str, scheme: str) -> Path:
    path = folder / f"{name}_{scheme}.tflite"
    edgeq.convert(
        source, output=path, data=str(folder / f"{name}.npy"), scheme=scheme, quality_check=False
    )
    return path


def clustered(file: Path) -> Any:
    """The network with sixteen values in every large kernel."""
    network = fold_batch_norm(load_network(str(file)))
    for layer in network.layers:
        weights = layer.get_weights()
        if weights and weights[0].size > 64:
            values, numbers = share_weights(weights[0], 16)
            layer.set_weights([values[numbers], *weights[1:]])
    return network


def main() -> None:
    print("| | core | optimize | flash | RAM | instructions |")
    print("|---|---|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, path in models(Path(folder)):
            for core in CORES:
                for mode in MODES:
                    found = edgeq.profile(path, on=f"sim:{core}", options=CompileOptions(mode))
                    memory = found.measurement.memory_bytes
                    print(
                        f"| {name} | {core} | {mode} | {memory.flash_total:,} "
                        f"| {memory.ram_total:,} | {found.measurement.instructions:,} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
