"""ADD of int8 on hosts: one rounding in place of three, for every pair of inputs."""

import numpy as np
import pytest

from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.host_c import host_target
from edgeq.devices.registry import open_device
from tests.oracle.build import TensorSpec, single_op

VALUES = np.arange(-128, 128, dtype=np.int8)
PAIRS = np.repeat(VALUES, 256).reshape(1, 1, -1), np.tile(VALUES, 256).reshape(1, 1, -1)


# The scales of the three ADDs of MLPerf Tiny's image classifier: the last two want 20 bits behind
# the point, the first one 22.
@pytest.mark.parametrize(
    ("ratios", "zero_points", "bits"),
    [
        ((0.7732462684520817, 2.045217092454641), (-128, 4, -128), 22),
        ((0.8408078156603189, 2.1248475209523985), (-17, 4, -128), 20),
        ((0.6599422970434593, 1.7096490329014504), (38, -2, -128), 20),
    ],
)
def test_the_bits_that_a_sum_needs(tmp_path, ratios, zero_points, bits):
    x, y, output = (
        TensorSpec((1, 256 * 256), "int8", scale=0.05 * ratio, zero_point=zero_point)
        for ratio, zero_point in zip((*ratios, 1), zero_points, strict=True)
    )
    path = tmp_path / "sum.tflite"
    path.write_bytes(single_op("ADD", [x, y], [output]))
    sources = generate(path, name="sum", target=host_target(), options=CompileOptions())
    assert [op["kernel"] for op in sources.manifest["ops"]] == ["eq_scaled_sum_host_s8"]
    assert f".shift = {bits}," in sources.files["sum.c"]
    with open_device("tflm").open(path, CompileOptions()) as session:
        expected = session.run(PAIRS)[0]
    with open_device("c").open(path, CompileOptions()) as session:
        np.testing.assert_array_equal(session.run(PAIRS)[0], expected)
