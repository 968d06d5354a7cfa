"""Exercises from a smartwatch's inertial sensor: each step of the chain as a Python function.

The network is tested on people it has never seen (seglearn's watch data, split by subject).
Compares one scale per channel with one per tensor: what do the simpler constants cost?
"""

from __future__ import annotations

import sys
from pathlib import Path

import edgeq
from examples.story import prepare

DEVICE = "sim:cortex-m33"


def main(folder: Path) -> int:
    model = prepare("watch", folder, epochs=10, rate=4e-3, batch=128)
    test = str(folder / "test.npz")
    real = edgeq.evaluate(model, data=test).score.value
    print(f"float accuracy on unseen people: {real:.4f}")
    equal = True
    for scheme in ("int8", "int8-per-tensor"):
        integer = folder / f"watch_{scheme}.tflite"
        edgeq.convert(
            model, data=str(folder / "calibration.npz"), scheme=scheme, output=integer, force=True
        )
        verified = edgeq.verify(integer, on=DEVICE, n=5)
        equal = equal and verified.equal
        accuracy = edgeq.evaluate(integer, data=test, on="c").score.value
        found = edgeq.profile(integer, on=DEVICE).measurement
        print(
            f"{scheme:16} accuracy {accuracy:.4f}, arena {found.memory_bytes.arena:,} bytes, "
            f"flash {found.memory_bytes.flash_total:,} bytes, {found.instructions:,} instructions, "
            f"bytes {'equal to' if verified.equal else 'DIFFER from'} {verified.against}"
        )
    return 0 if equal else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/sensor")))
