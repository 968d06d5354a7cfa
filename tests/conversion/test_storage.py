"""8-bit floats and bfloat16 as storage."""

import numpy as np
import pytest

import edgeq
from edgeq.conversion.quantization.storage import encode_float8, float8_values
from edgeq.errors import LimitError
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import NETS, run, samples_for
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

ml_dtypes = pytest.importorskip("ml_dtypes")
TYPES = {"float8-e4m3": ml_dtypes.float8_e4m3fn, "float8-e5m2": ml_dtypes.float8_e5m2}


@pytest.mark.parametrize("name", TYPES)
def test_values_are_those_of_the_format(name):
    expected = np.arange(256, dtype=np.uint8).view(TYPES[name]).astype(np.float64)
    np.testing.assert_array_equal(float8_values(name), expected)


@pytest.mark.parametrize("name", TYPES)
def test_encoding_is_nearest_with_ties_to_even(name):
    values = np.random.default_rng(0).normal(0, 1, 20_000).astype(np.float32)
    table = float8_values(name)
    finite = np.sort(table[np.isfinite(table)])
    ties = ((finite[1:] + finite[:-1]) / 2).astype(np.float32)
    top = np.float32(finite[-1])
    values = np.concatenate([values, ties, finite.astype(np.float32), [top, -top, 0, -0.0]])
    codes, power = encode_float8(values, name)
    assert power == 0
    expected = values.astype(TYPES[name])
    np.testing.assert_array_equal(codes.view(TYPES[name]).astype(float), expected.astype(float))


def test_scale_moves_weights_to_the_top_of_the_range():
    codes, power = encode_float8(np.array([0.001, -0.002], np.float32), "float8-e4m3")
    values = np.ldexp(float8_values("float8-e4m3")[codes], power)
    np.testing.assert_allclose(values, [0.001, -0.002], rtol=0.07)
    assert encode_float8(np.zeros(3, np.float32), "float8-e4m3")[1] == 0


@pytest.mark.parametrize(
    ("scheme", "share", "signal_to_noise"),
    [("bfloat16", 0.56, 40), ("float8-e4m3", 0.36, 22), ("float8-e5m2", 0.36, 17)],
)
def test_models_shrink_and_still_run(scheme, share, signal_to_noise):
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(32, 3), layers.ReLU(), layers.Conv2D(32, 3),
         layers.Flatten(), layers.Dense(10)]
    )  # fmt: skip
    data = samples_for(model, 10)
    result = edgeq.convert(model, scheme=scheme)
    assert len(result.data) < share * result.float_bytes
    (real,), (other,) = run(result.float_model.data, data), run(result.data, data)
    assert 10 * np.log10((real**2).sum() / ((real - other) ** 2).sum()) > signal_to_noise


@pytest.mark.parametrize("scheme", ["float16", "bfloat16", "float8-e4m3", "float8-e5m2"])
def test_generated_c_unpacks_weights_when_compiling(scheme, tmp_path):
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(24, 3), layers.ReLU(), layers.Flatten(),
         layers.Dense(96)]
    )  # fmt: skip
    path = tmp_path / "model.tflite"
    edgeq.convert(model, scheme=scheme, output=path)
    (data,) = samples_for(model, 4)
    (expected,), (found,) = (edgeq.run(path, inputs=data, on=on) for on in ("local", "c"))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_bfloat16_rounds_to_nearest_even():
    model, _ = NETS["classifier"]()
    result = edgeq.convert(model, scheme="bfloat16")
    stored = {t.name: t for t in parse_graph(result.data).main.tensors if t.dtype == "bfloat16"}
    assert stored
    for tensor in result.float_model.graph.main.tensors:
        if f"{tensor.name}/bfloat16" in stored:
            expected = tensor.data.astype(ml_dtypes.bfloat16).view(np.uint16)
            np.testing.assert_array_equal(stored[f"{tensor.name}/bfloat16"].data, expected)


@pytest.mark.parametrize(("largest", "fits"), [(65504.0, True), (1e5, False)])
def test_weights_beyond_the_range_of_float16_are_refused(largest, fits):
    keras = pytest.importorskip("keras")
    x = keras.Input((20,))
    model = keras.Model(x, keras.layers.Dense(64)(x))
    kernel = np.ones((20, 64), np.float32)
    kernel[0, 0] = largest
    model.set_weights([kernel, np.zeros(64)])
    if fits:
        assert edgeq.convert(model, scheme="float16").data
    else:
        with pytest.raises(LimitError, match="larger than float16") as caught:
            edgeq.convert(model, scheme="float16")
        assert "bfloat16" in caught.value.hint
    assert edgeq.convert(model, scheme="bfloat16").data


@pytest.mark.parametrize("scheme", ["bfloat16", "float8-e4m3"])
def test_weights_that_another_op_reads_first_are_there_by_then(scheme, tmp_path):
    table = np.random.default_rng(0).normal(0, 1, (32, 32)).astype(np.float32)
    tensors = [
        TensorSpec((1, 32, 32), "float32", name="x"),
        TensorSpec((32, 32), "float32", data=table, name="table"),
        TensorSpec((1, 32, 32), "float32", name="sum"),
        TensorSpec((1, 32, 32), "float32", name="y"),
    ]
    ops = [
        OpSpec("ADD", [0, 1], [2]),
        OpSpec("FULLY_CONNECTED", [2, 1, -1], [3], {"keep_num_dims": True}),
    ]
    path = tmp_path / "net.tflite"
    path.write_bytes(build([SubgraphSpec(tensors, ops, [0], [3])]))
    data = [np.random.default_rng(1).normal(0, 1, (5, 32, 32)).astype(np.float32)]
    result = edgeq.convert(path, scheme=scheme)
    (other,) = run(result.data, data)
    real = (data[0] + table) @ table.T
    noise = ((other.reshape(real.shape) - real) ** 2).sum()
    assert 10 * np.log10((real**2).sum() / noise) > 25
