"""The signal ops on every core, in the emulator, against TensorFlow Lite Micro."""

import importlib.util

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from tests.oracle.build import TensorSpec
from tests.oracle.generators.signal import GENERATORS, op
from tests.tools import need

OPS = (
    "SignalRfft int16",
    "SignalFftAutoScale",
    "SignalFilterBank",
    "SignalFilterBankSquareRoot",
    "SignalPCAN",
    "SignalFilterBankLog",
)


def equal(address, model, calls, path):
    path.write_bytes(model)
    inputs = [np.stack(values) for values in zip(*calls, strict=True)]
    found = []
    for place in ("tflm", address):
        with open_device(place).open(path, CompileOptions()) as session:
            found.append(session.run(inputs))
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m0plus"])
@pytest.mark.parametrize("name", OPS)
def test_random_signals_give_tflms_bytes(tmp_path, cpu, name):
    need(importlib.util.find_spec("tflite_micro"), "the package tflite-micro")
    for seed in range(4 if cpu == "cortex-m4" else 2):
        case = GENERATORS[name](np.random.default_rng([seed, OPS.index(name)]), 6 + seed)
        equal(f"sim:{cpu}", case.model, case.calls, tmp_path / "model.tflite")


@pytest.mark.parametrize("length", [2, 34, 480])
def test_windows_of_12_bits(tmp_path, length):
    need(importlib.util.find_spec("tflite_micro"), "the package tflite-micro")
    rng = np.random.default_rng(length)
    weights = rng.integers(-32768, 32768, length).astype(np.int16)
    table = TensorSpec((length,), "int16", data=weights)
    x = TensorSpec((2, length), "int16")
    model = op("SignalWindow", [x, table], [TensorSpec((2, length), "int16")], shift=12)
    calls = [[rng.integers(-32768, 32768, (2, length)).astype(np.int16)] for _ in range(3)]
    calls.append([np.full((2, length), -32768, np.int16)])
    equal("sim:cortex-m4", model, calls, tmp_path / "model.tflite")


@pytest.mark.parametrize("bits", [3, 4, 7, 8, 9])
def test_ffts_of_the_largest_values_there_are(tmp_path, bits):
    need(importlib.util.find_spec("tflite_micro"), "the package tflite-micro")
    length = 1 << bits
    rng = np.random.default_rng(bits)
    given = length - bits % 2  # an odd number of samples, of a power of two less one
    x, y = TensorSpec((2, given), "int16"), TensorSpec((2, length + 2), "int16")
    model = op("SignalRfft", [x], [y], T=7, fft_length=length)
    calls = [[rng.choice([-32768, -32767, 32767], (2, given)).astype(np.int16)] for _ in range(3)]
    calls += [[np.full((2, given), value, np.int16)] for value in (-32768, 32767)]
    equal("sim:cortex-m4", model, calls, tmp_path / "model.tflite")
