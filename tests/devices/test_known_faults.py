"""int8 ops that LiteRT and TensorFlow Lite Micro get wrong, as edgeq says: divisions, clamps."""

import numpy as np
import pytest

import edgeq
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from tests.oracle.build import TensorSpec, single_op

DIVISORS = [*range(-127, 128, 7), 127]


def every_pair(dividend_zero, ratio):
    """A division of each dividend by some divisors above zero; and what it gives, in steps."""
    a, b = np.meshgrid(np.arange(-128, 128), DIVISORS, indexing="ij")
    shape = (1, a.size)
    specs = [
        TensorSpec(shape, "int8", 0.01 * ratio, dividend_zero),
        TensorSpec(shape, "int8", 0.01, -128),
        TensorSpec(shape, "int8", 1.0, 3),
    ]
    exact = np.clip(np.rint(ratio * (a - dividend_zero) / (b + 128)) + 3, -128, 127)
    values = [x.reshape(shape).astype(np.int8) for x in (a, b)]
    return single_op("DIV", specs[:2], specs[2:]), [x[None] for x in values], exact.reshape(shape)


@pytest.mark.parametrize("ratio", [3.0, 31.0, 50.0, 63.0, 65.0, 130.0])
@pytest.mark.parametrize("dividend_zero", [-128, 0, 127])
def test_the_warning_is_where_they_are_wrong(ratio, dividend_zero, tmp_path):
    """When this fails, LiteRT has mended it, and the warning can go."""
    data, values, exact = every_pair(dividend_zero, ratio)
    path = tmp_path / "m.tflite"
    path.write_bytes(data)
    expected = ratio < (64 if dividend_zero > -128 else 32)
    for address in ("local", "local?kernels=reference", "tflm", "c"):
        with open_device(address).open(path, CompileOptions()) as session:
            off = np.abs(session.run(values)[0].astype(int) - exact)
            wrong = address != "c" and expected
            assert bool(session.warnings) == wrong, address
            assert (off.max() > 1) == wrong, (address, off.max())


def test_a_relu6_to_another_scale_is_told_of(tmp_path, cli):
    """TensorFlow Lite Micro gives integers of the input's scale; when this fails, it rescales."""
    path = tmp_path / "m.tflite"
    source, result = TensorSpec((1, 256), "int8", 0.1, 3), TensorSpec((1, 256), "int8", 0.05, -128)
    path.write_bytes(single_op("RELU6", [source], [result]))
    value = np.arange(-128, 128, dtype=np.int8).reshape(1, 1, 256)
    exact = np.clip(np.rint(np.clip((value[0] - 3.0) * 0.1, 0, 6) / 0.05) - 128, -128, 127)
    found = {}
    for address in ("local", "c", "tflm"):
        with open_device(address).open(path, CompileOptions()) as session:
            found[address] = session.run([value])[0]
    assert np.abs(found["local"] - exact).max() <= 1
    assert np.abs(found["tflm"] - exact).max() > 100
    assert np.array_equal(found["c"], found["tflm"])
    done = cli("compile", path, "-o", tmp_path / "c")
    assert "Warning: TensorFlow Lite Micro, whose bytes" in done.err
    done = edgeq.inspect(path)
    assert "otherwise than LiteRT" in done.warnings[0]
    path.write_bytes(single_op("RELU6", [source], [TensorSpec((1, 256), "int8", 0.1, 3)]))
    assert not edgeq.inspect(path).warnings
