"""Streaming nets beside the windows they were made of: work, memory, exactness.

    python -m benchmarks.streaming [--calls 10000] [--emulated 300]
    python -m benchmarks.streaming --integers        steps of int8 between the two forms

The nets are those of tests/conversion/streaming/shapes.py: published shapes, small, not trained.
Bytes are compared with those of TensorFlow Lite Micro, call after call, without a reset.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import edgeq
from tests.conversion.streaming.shapes import SHAPES

CORE = "sim:cortex-m4"
STEPS = {"mixed_net": 3, "crnn": 2, "tc_resnet": 4}
NAMES = {
    "tcn": "TCN, 49 x 20",
    "mixed_net": "MixedNet, 60 x 40",
    "bc_resnet": "BC-ResNet-like, 40 x 16",
    "crnn": "CRNN, 50 x 20",
    "tc_resnet": "TC-ResNet, 49 x 20",
}


def cost(path: Path) -> tuple[int, int, int]:
    """MACs, instructions and bytes of RAM of one call."""
    found = edgeq.profile(path, on=CORE).to_json()
    return found["model"]["macs"], found["instructions"], found["memory_bytes"]["ram_total"]


def row(name: str, model: Any, step: int, folder: Path, calls: int, emulated: int) -> str:
    """One line of the table."""
    random = np.random.default_rng(0)
    data = random.normal(0, 1, (60, *model.inputs[0].shape[1:])).astype(np.float32)
    whole, path = folder / f"{name}.tflite", folder / f"{name}-{step}.tflite"
    if not whole.exists():
        edgeq.convert(model, data=data, output=whole, accept_loss=True)
    made = edgeq.convert(model, data=data, output=path, stream=1, stream_step=step)
    before, after = cost(whole), cost(path)
    equal = [
        edgeq.verify(path, on="c", against="tflm", n=calls).equal,
        edgeq.verify(path, on=CORE, against="tflm", n=emulated).equal,
    ]
    float_db = made.stream.quality.signal_to_noise_db
    return (
        f"| {NAMES[name]} | {step} | {made.stream.form.delay} | {before[0]:,} | {after[0]:,} "
        f"| {before[1]:,} | {after[1]:,} | {before[2]:,} | {after[2]:,} "
        f"| {float_db:.0f} | {made.quality.signal_to_noise_db:.1f} "
        f"| {'yes' if all(equal) else 'NO'} |"
    )


def apart(name: str, model: Any, folder: Path) -> str:
    """How far the integers of steps are from those of windows, over a recording."""
    random = np.random.default_rng(0)
    window, *shape = model.inputs[0].shape[1:]
    data = random.normal(0, 1, (40, window, *shape)).astype(np.float32)
    recording = random.normal(0, 1, (window + 100, *shape)).astype(np.float32)
    whole, path = folder / f"{name}.tflite", folder / f"{name}-1.tflite"
    edgeq.convert(model, data=data, output=whole, accept_loss=True)
    made = edgeq.convert(model, data=data, output=path, stream=1, accept_loss=True)
    assert made.stream is not None
    windows = np.stack([recording[i : i + window] for i in range(101)])
    (before,) = edgeq.run(whole, inputs=windows, on="c")
    (after,) = edgeq.run(path, inputs=recording[:, None], on="c")
    steps = after.reshape(len(recording), -1)[made.stream.form.first_answer - 1 :].astype(int)
    steps = np.abs(steps - before.reshape(len(windows), -1)[: len(steps)])
    same = int((steps.max(axis=1) == 0).sum())
    return f"| {NAMES[name]} | {same} of {len(steps)} | {steps.max()} | {steps.mean():.2f} |"


def main() -> None:
    """Convert, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--emulated", type=int, default=300)
    parser.add_argument("--integers", action="store_true")
    options = parser.parse_args()
    if options.integers:
        print("| net | equal answers | most steps | mean |\n|---|--:|--:|--:|")
        with tempfile.TemporaryDirectory() as work:
            for name, net in SHAPES.items():
                print(apart(name, net(), Path(work)), flush=True)
        return
    print(
        "| net | frames a call | delay | MACs: window | step | instructions: window | step "
        "| RAM: window | step | float SNR | int8 SNR | bytes of TFLM |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    with tempfile.TemporaryDirectory() as work:
        for name, net in SHAPES.items():
            model = net()
            for step in dict.fromkeys((1, STEPS.get(name, 1))):
                line = row(name, model, step, Path(work), options.calls, options.emulated)
                print(line, flush=True)


if __name__ == "__main__":
    main()
