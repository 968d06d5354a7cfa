"""Fully-connected layers whose sums pass the 24 bits that two channels in one word leave them."""

import numpy as np
import pytest

from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from tests.oracle.build import TensorSpec, single_op


def layer(input_c, output_c, per_channel, seed):
    """A layer whose even channels can sum up to more than 2^23."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-127, 128, (output_c, input_c)).astype(np.int8)
    weights[0] = 127
    scales = rng.uniform(1e-3, 2e-3, output_c) if per_channel else 1.5e-3
    zeros = np.zeros(output_c, np.int64) if per_channel else 0
    source = TensorSpec((2, input_c), "int8", 0.05, -3)
    kernel = TensorSpec((output_c, input_c), "int8", scales, zeros, data=weights)
    bias = TensorSpec(
        (output_c,), "int32", np.multiply(scales, 0.05), zeros,
        data=rng.integers(-(10**6), 10**6, output_c).astype(np.int32),
    )  # fmt: skip
    output = TensorSpec((2, output_c), "int8", 4.1, 5)
    return single_op("FULLY_CONNECTED", [source, kernel, bias], [output], {})


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("input_c", [517, 1280, 2050])
def test_segments_give_tflms_bytes(input_c, per_channel, tmp_path):
    path = tmp_path / "layer.tflite"
    path.write_bytes(layer(input_c, 10, per_channel, input_c))
    entry = generate(path, target="cortex-m4").manifest["ops"][0]
    assert entry["kernel"] == "eq_fully_connected_wide_dsp_s8"
    rng = np.random.default_rng(1)
    inputs = rng.integers(-128, 128, (4, 2, input_c)).astype(np.int8)
    inputs[0], inputs[1] = -128, 127  # the largest sums of either sign
    results = []
    for address in ("tflm", "sim:cortex-m4"):
        with open_device(address).open(path, CompileOptions()) as session:
            results.append(session.run([inputs])[0])
    assert len(np.unique(results[0])) > 3
    assert results[0].tobytes() == results[1].tobytes()


def test_segments_cost_next_to_nothing(tmp_path):
    path = tmp_path / "layer.tflite"
    path.write_bytes(layer(1280, 100, True, 1))
    with open_device("sim:cortex-m4").open(path, CompileOptions()) as session:
        found = session.profile(ProfileOptions(ops=False))
    assert found.instructions < 1.15 * 2 * 1280 * 100
