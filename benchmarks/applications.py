"""Whole networks of keras.applications, untrained, as int8: do they convert, are C's bytes right?

    python -m benchmarks.applications [NAME ...]

Each family's smallest variant with random weights, for 96 x 96 raw pixels (crops of scikit-learn's
two sample pictures, 0 to 255) and 100 classes: a SOFTMAX of 512 values or more that are nearly
equal, as those of an untrained net are, ends TensorFlow Lite Micro's process. The rows are those
of docs/layers.md.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import edgeq
from benchmarks.quality import crops
from edgeq.conversion.proof.quality import NOT_JUDGED
from edgeq.errors import EdgeqError, LimitError

SIDE, SAMPLES, CLASSES = 96, 32, 100
NETWORKS: dict[str, dict[str, Any]] = {
    "MobileNet": {"alpha": 0.25},
    "MobileNetV2": {"alpha": 0.35},
    "MobileNetV3Small": {"alpha": 0.75},
    "EfficientNetB0": {},
    "EfficientNetV2B0": {},
    "NASNetMobile": {},
    "DenseNet121": {},
    "ResNet50V2": {},
    "ResNet50": {},
    "Xception": {},
    "InceptionV3": {},
    "ConvNeXtTiny": {},
    "InceptionResNetV2": {},
    "VGG16": {},
    "VGG19": {},
}
HEAD = (
    "| network | bytes | converts in | signal-to-noise | verdict | C against TFLM |\n"
    "|---|--:|--:|--:|---|---|"
)


def row(name: str, settings: dict[str, Any], data: Any, folder: Path) -> str:
    """One line of the table."""
    import keras

    keras.utils.set_random_seed(1)
    build: Callable[..., Any] = getattr(keras.applications, name)
    model = build(weights=None, input_shape=(SIDE, SIDE, 3), classes=CLASSES, **settings)
    shown = name + "".join(f", {key} {value}" for key, value in settings.items())
    path, begun = folder / f"{name}.tflite", time.monotonic()
    refused = ""
    try:
        made = edgeq.convert(model, data=data, output=path)
    except LimitError as error:
        refused = f"refused: {error.what.split('.')[0]}; with --accept-loss "
        made = edgeq.convert(model, data=data, output=path, accept_loss=True)
    took = time.monotonic() - begun
    (output,) = made.quality.outputs if made.quality else (None,)
    ratio = "" if output is None or output.signal_to_noise_db is None else (
        f"{output.signal_to_noise_db:.1f} dB"
    )  # fmt: skip
    verdict = "" if output is None else output.verdict
    if output is not None and verdict == NOT_JUDGED:
        verdict += f": {output.reason}"
    return (
        f"| {shown} | {len(made.data):,} | {took:.0f} s | {ratio} | {refused}{verdict} "
        f"| {_verified(path)} |"
    )


def _verified(path: Path) -> str:
    """Whether the C gives the oracle's bytes on the two extremes and a random input.

    That is TensorFlow Lite Micro; where it has no kernel, LiteRT's reference.
    """
    try:
        found = edgeq.verify(path, on="c", n=1)
    except EdgeqError as error:
        return str(error.what).replace("|", "/")[:200]
    oracle = "" if found.against == "tflm" else f" to {found.against}"
    if found.equal:
        return f"equal{oracle} on {found.compared} inputs"
    return f"differs on {found.differing} of {found.compared}: {found.first_op or found.note}"


def main() -> None:
    asked = sys.argv[1:] or list(NETWORKS)
    data = crops(SAMPLES, SIDE)
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in asked:
            try:
                line = row(name, NETWORKS[name], data, Path(folder))
            except EdgeqError as error:
                line = f"| {name} | | | | {' '.join(str(error).split())[:400]} | |"
            print(line, flush=True)
            gc.collect()
            for left in Path(folder).iterdir():
                left.unlink()


if __name__ == "__main__":
    main()
