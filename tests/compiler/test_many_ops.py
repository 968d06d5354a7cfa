"""A model of ten thousand small layers takes seconds, not minutes, and no gigabyte."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

LAYERS, CHANNELS = 10_000, 16
MOST_MB = 1000


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """FULLY_CONNECTED behind FULLY_CONNECTED, a scale for each channel."""
    rng = np.random.default_rng(0)
    tensors, ops = [TensorSpec((1, CHANNELS), "int8", 0.02, 0, name="input")], []
    for number in range(LAYERS):
        scales = [0.01 + 1e-5 * (number % 700) + 1e-4 * channel for channel in range(CHANNELS)]
        weights = rng.integers(-127, 128, (CHANNELS, CHANNELS), np.int8)
        bias = rng.integers(-100, 101, CHANNELS).astype(np.int32)
        last = len(tensors) - 1
        tensors += [
            TensorSpec((CHANNELS, CHANNELS), "int8", scales, 0, data=weights),
            TensorSpec((CHANNELS,), "int32", [0.02 * scale for scale in scales], 0, data=bias),
            TensorSpec((1, CHANNELS), "int8", 0.02, 0, name=f"layer {number}"),
        ]
        ops.append(OpSpec("FULLY_CONNECTED", [last, last + 1, last + 2], [last + 3]))
    file = tmp_path_factory.mktemp("many") / "many.tflite"
    file.write_bytes(build([SubgraphSpec(tensors, ops, [0], [len(tensors) - 1])]))
    return file


# The kernel's figure of a child begins with what its parent took; that of its own memory does not.
WATCHED = """
import re, sys
from edgeq.cli.main import main
try:
    main(sys.argv[1:])
finally:
    status = open("/proc/self/status").read()
    open("peak", "w").write(re.search(r"VmHWM:\\s+(\\d+)", status)[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "most_seconds"),
    [
        (["inspect"], 10),
        (["compile", "-o", "c"], 60),
        (["compile", "-o", "m4", "-t", "cortex-m4"], 60),
    ],
    ids=["inspect", "compile", "compile for Cortex-M4"],
)
def test_time_and_memory(command, most_seconds, model, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED, command[0], str(model), *command[1:]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    )
    said = process.stdout.read()
    process.stdout.close()
    peak_kb = int((tmp_path / "peak").read_text())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0
    assert len(said.splitlines()) > (LAYERS if command == ["inspect"] else 1)
    # Of the processor, so that a busy machine makes no difference.
    assert usage.ru_utime + usage.ru_stime < most_seconds
    assert peak_kb / 1024 < MOST_MB
