"""Large weights are written into the loaded program; everybody else's C has them as numbers."""

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.generated import generate
from edgeq.devices.host_c import HostSession, host_target
from edgeq.devices.registry import open_device
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

RANDOM = np.random.default_rng(16)
INPUTS, OUTPUTS = 400, 384


def dense(dtype, weights="int8"):
    """A dense layer whose weights are more than 64 KiB, twice; the second has others."""
    quantized = dtype != "float32"
    tensors, ops = [TensorSpec((1, INPUTS), dtype, 0.05 if quantized else None, name="x")], []
    size = INPUTS
    for layer in range(2):
        values = RANDOM.normal(0, 0.05, (OUTPUTS, size)).astype(np.float32)
        if quantized:
            least, most = (-7, 7) if weights == "int4" else (-127, 127)
            values = RANDOM.integers(least, most, (OUTPUTS, size), np.int8, endpoint=True)
        bias = RANDOM.integers(-999, 999, OUTPUTS).astype("int64" if dtype == "int16" else "int32")
        scale = {"scale": 0.02 if weights == "int4" else 0.001} if quantized else {}
        tensors += [
            TensorSpec((OUTPUTS, size), weights if quantized else dtype, data=values, **scale),
            TensorSpec(
                (OUTPUTS,),
                bias.dtype.name if quantized else dtype,
                data=bias if quantized else bias.astype(np.float32),
                **({"scale": 0.05 * scale["scale"]} if quantized else {}),
            ),
            TensorSpec((1, OUTPUTS), dtype, 0.05 if quantized else None, name=f"y{layer}"),
        ]
        ops.append(
            OpSpec("FULLY_CONNECTED", [3 * layer, 3 * layer + 1, 3 * layer + 2], [len(tensors) - 1])
        )
        size = OUTPUTS
    return build([SubgraphSpec(tensors, ops, [0], [len(tensors) - 1])])


@pytest.mark.parametrize(
    ("dtype", "weights"),
    [("int8", "int8"), ("int8", "int4"), ("int16", "int8"), ("float32", "float32")],
)
@pytest.mark.parametrize("dispatch", [False, True])
def test_loaded_tables_give_the_bytes_of_written_ones(tmp_path, dtype, weights, dispatch):
    path = tmp_path / "dense.tflite"
    path.write_bytes(dense(dtype, weights))
    options = CompileOptions(dispatch=dispatch)
    written = generate(path, host_target(), options)
    loaded = generate(path, host_target(), options, loaded=True)
    assert len(loaded.loaded) == 2
    assert written.loaded == {}
    assert "model_loaded.c" not in written.files
    texts = [sources.files["model_weights.c"] for sources in (written, loaded)]
    assert len(texts[0]) > 8 * len(texts[1])
    x = RANDOM.normal(0, 1, (3, 1, INPUTS)).astype(np.float32)
    if dtype != "float32":
        x = np.clip(x * 20, -128, 127).astype(dtype)
    with HostSession("c", written) as one, HostSession("c", loaded) as other:
        wanted, found = one.run([x]), other.run([x])
        assert np.array_equal(wanted[0], found[0])
        assert len(np.unique(found[0])) > 20


def test_each_session_has_tables_of_its_own(tmp_path):
    first, second = tmp_path / "a.tflite", tmp_path / "b.tflite"
    first.write_bytes(dense("int8"))
    second.write_bytes(dense("int8"))
    x = RANDOM.integers(-128, 127, (2, 1, INPUTS), np.int8)
    options = CompileOptions()
    with (
        open_device("c").open(first, options) as one,
        open_device("c").open(second, options) as two,
    ):
        before = one.run([x])[0]
        assert not np.array_equal(before, two.run([x])[0])
        assert np.array_equal(before, one.run([x])[0])
    for path in (first, second):
        with (
            open_device("c").open(path, options) as ours,
            open_device("tflm").open(path, options) as tflm,
        ):
            assert np.array_equal(ours.run([x])[0], tflm.run([x])[0])
