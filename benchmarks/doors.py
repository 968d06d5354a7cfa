"""The same nets through every door: Keras, ONNX and PyTorch files, converted to int8.

    make test-doors                                   makes the environment
    .venv-doors/bin/python -m benchmarks.doors        the table of docs/onnx-and-pytorch.md
    .venv-doors/bin/python -m benchmarks.doors tcn    one net

Seconds are those of `edgeq.convert` with 100 samples, its quality check included, once Python has
imported TensorFlow and PyTorch; "float error" is the largest difference of the float .tflite to
PyTorch and onnxruntime on 8 samples, "agrees" the share of 300 samples on which int8 has PyTorch's
first class.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.doors.nets import NETS
from tests.doors.routes import routes

HEAD = "| net | door | float error | int8 bytes | agrees | SNR, dB | TRANSPOSE | seconds |"


def main(names: list[str]) -> None:
    print(HEAD)
    print("|---" * (HEAD.count("|") - 1) + "|")
    for name in names or NETS:
        with tempfile.TemporaryDirectory() as folder:
            for route in routes(name, Path(folder)).values():
                print(
                    f"| {name} | {route.door} | {route.float_error:.1e} | {route.int8_bytes:,} | "
                    f"{route.agreement:.3f} | {route.signal_to_noise_db:.1f} | "
                    f"{route.ops['TRANSPOSE']} | {route.seconds:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:])
