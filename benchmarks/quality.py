"""How close conversions come to the float model, by which the lines of the quality check are drawn.

    python -m benchmarks.quality [SCHEME ...]

The MLPerf Tiny Keras files beside the repository, calibrated and judged on random crops of
scikit-learn's two sample pictures (random walks around -20 for ad01, labelled samples for the
streaming wake word). The rows are those of docs/quality.md.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import edgeq
from edgeq.conversion.proof import quality
from edgeq.conversion.proof.limits import quality_limits
from edgeq.conversion.quantization.schemes import SCHEMES

_ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("EDGEQ_SHARED", _ROOT.parent / "shared")) / "models" / "mlperf_tiny"


def crops(count: int, size: int) -> Any:
    """Random crops of two pictures, 0 to 255."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    random, pictures = np.random.default_rng(0), load_sample_images().images
    found = []
    for _ in range(count):
        picture = pictures[random.integers(len(pictures))]
        side = int(random.integers(128, 428))
        y, x = (int(random.integers(n - side + 1)) for n in picture.shape[:2])
        part = Image.fromarray(picture[y : y + side, x : x + side])
        found.append(np.asarray(part.resize((size, size))))
    return np.stack(found).astype(np.float32)


def walks(count: int) -> Any:
    """Random walks around -20."""
    steps = np.random.default_rng(0).normal(0, 1, (count, 640))
    return (np.cumsum(steps, 1) * 0.5 - 20).astype(np.float32)


MODELS = {
    "ResNet-8": ("pretrainedResnet.h5", lambda: crops(256, 32)),
    "vww": ("vww_96.h5", lambda: crops(256, 96) / 255),
    "ad01": ("ad01.h5", lambda: walks(256)),
    "streaming wake word": (
        "str_ww_ref_model.h5",
        lambda: np.load(SHARED / "str_ww_calibration_samples.npz")["specs"],
    ),
}


def row(name: str, source: Path, data: Any, scheme: str) -> str:
    """One line of the table."""
    made = edgeq.convert(source, data=data, scheme=scheme, quality_check=False)
    limits, scores = quality_limits(scheme), None if name == "ad01" else 0
    samples = ([sample] for sample in data)
    found = quality.measure_quality(made.float_model, made.data, samples, limits, scores=scores)
    (output,) = found.outputs
    figures = [
        "" if value is None else f"{value:.1f}"
        for value in (output.signal_to_noise_db, output.logits_db)
    ]
    agreement = "" if name == "ad01" else f"{output.top1_agreement:.2f}"
    return (
        f"| {scheme} | {name} | {' | '.join(figures)} | {agreement} | {output.verdict} "
        f"| {limits.warn_db:g} / {limits.fail_db:g} |"
    )


def main() -> None:
    # The same samples on a busy machine as on an idle one.
    quality.SECONDS = 600.0
    print("| scheme | model | SNR dB | logits dB | top-1 agreement | verdict | warned / refused |")
    print("|---|---|--:|--:|--:|---|--:|")
    with tempfile.TemporaryDirectory() as folder:
        sources = {}
        for name, (file, data) in MODELS.items():
            path = Path(folder) / f"{Path(file).stem}.tflite"
            path.write_bytes(edgeq.convert(SHARED / file, scheme="float16").float_model.data)
            sources[name] = (path, data())
        for scheme in sys.argv[1:] or SCHEMES:
            for name, (path, data) in sources.items():
                print(row(name, path, data, scheme), flush=True)


if __name__ == "__main__":
    main()
