"""`make demo`: from training to a proven, measured program for a Cortex-M4, in one go.

Trains a small network on the scanned digits that ship with scikit-learn, converts it to int8,
proves it integer, compares the generated C with TensorFlow Lite Micro byte by byte, measures its
accuracy with the C's own arithmetic, and runs it in an emulated Cortex-M4.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import edgeq
from edgeq import DeployConfig, Limits
from edgeq.cli.shared.summary import show_deployment
from edgeq.errors import EdgeqError
from examples.story import prepare


def main(folder: Path) -> int:
    model = prepare("digits", folder, epochs=20, rate=5e-3)
    print("Converting, proving, verifying, compiling, measuring ...", flush=True)
    deployment = edgeq.deploy(
        DeployConfig(
            model=str(model),
            data=str(folder / "calibration.npz"),
            eval=str(folder / "test.npz"),
            target="nucleo-f446re",
            on="sim:cortex-m4",
            output=str(folder / "deployed"),
            limits=Limits(accuracy_drop=0.02, flash_bytes=64 * 1024, ram_bytes=16 * 1024),
        ),
        force=True,
    )
    show_deployment(deployment)
    return 0 if deployment.met else 3


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default="demo", help="for what is made")
    try:
        sys.exit(main(parser.parse_args().folder))
    except EdgeqError as problem:
        sys.exit(f"Error: {problem}")
