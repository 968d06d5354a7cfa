"""Layers that make categories of numbers: look-ups in constants, Keras's values."""

import keras
import numpy as np
import pytest
from keras import layers

import edgeq
from edgeq.conversion.float_model import float_model
from edgeq.errors import EdgeqError
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run
from tests.memory import peak_mb

RANDOM = np.random.default_rng(5)
MODES = ["one_hot", "multi_hot", "count"]


def equal(model, data):
    """The ops of the float model, whose values are Keras's."""
    made = float_model(model).data
    wanted = np.asarray(model(data))
    (found,) = run(made, [data])
    assert np.allclose(found.reshape(wanted.shape), wanted, atol=1e-6)
    return {op.name for op in parse_graph(made).main.ops}


@pytest.mark.parametrize(
    ("mode", "dtype"),
    [*((mode, dtype) for mode in MODES for dtype in ("int32", "float32", "int64")),
     ("one_hot", "uint8")],
)  # fmt: skip
def test_categories_are_keras_also_those_that_are_none(mode, dtype):
    source = keras.Input((4,), dtype=dtype)
    model = keras.Model(source, layers.CategoryEncoding(10, output_mode=mode)(source))
    least, most = (0, 10) if mode != "one_hot" else (0 if dtype == "uint8" else -3, 14)
    data = RANDOM.integers(least, most, (20, 4)).astype(dtype)
    assert "ONE_HOT" not in equal(model, data)


@pytest.mark.parametrize("kind", ["CategoryEncoding", "IntegerLookup", "Discretization"])
def test_categories_that_would_fill_the_memory_are_refused(kind):
    made = {
        "CategoryEncoding": lambda: layers.CategoryEncoding(100_000_000),
        "IntegerLookup": lambda: layers.IntegerLookup(
            vocabulary=[1, 2], max_tokens=100_000_000, pad_to_max_tokens=True,
            output_mode="one_hot",
        ),
        "Discretization": lambda: layers.Discretization(
            np.arange(9_000.0).tolist(), output_mode="one_hot"
        ),
    }  # fmt: skip
    source = keras.Input((4,), dtype="float32" if kind == "Discretization" else "int32")
    model = keras.Model(source, made[kind]()(source))
    errors = []

    def convert():
        with pytest.raises(EdgeqError) as caught:
            float_model(model)
        errors.append(str(caught.value))

    assert peak_mb(convert) < 200
    assert "categories; 8,192 are converted at most" in errors[0]


def test_a_single_category_loses_its_axis():
    source = keras.Input((1,), dtype="int32")
    model = keras.Model(source, layers.CategoryEncoding(6, output_mode="one_hot")(source))
    equal(model, RANDOM.integers(0, 6, (20, 1)).astype(np.int32))


def test_bounds_that_look_like_a_relu_are_none():
    source = keras.Input((3,), dtype="int32")
    data = RANDOM.integers(-2, 8, (30, 3)).astype(np.int32)
    equal(keras.Model(source, layers.IntegerLookup(vocabulary=[1, 2, 5])(source)), data)
    equal(keras.Model(source, layers.CategoryEncoding(1, output_mode="one_hot")(source)), data)


@pytest.mark.parametrize("mask", [None, 0, -1, 40])
@pytest.mark.parametrize("mode", ["int", *MODES])
def test_integers_are_looked_up_as_in_keras(mode, mask):
    source = keras.Input((4,), dtype="int32")
    vocabulary = [30, 7, -4, 20]
    value = layers.IntegerLookup(vocabulary=vocabulary, output_mode=mode, mask_token=mask)(source)
    equal(keras.Model(source, value), RANDOM.integers(-8, 42, (60, 4)).astype(np.int32))


@pytest.mark.parametrize("mode", ["int", *MODES])
def test_numbers_fall_into_bins_as_in_keras(mode):
    source = keras.Input((3,))
    value = layers.Discretization(bin_boundaries=[-1.0, 0.0, 0.5, 1.0], output_mode=mode)(source)
    data = RANDOM.normal(0, 1, (60, 3)).astype(np.float32)
    data[0] = [-1.0, 0.5, 1.0]  # a boundary belongs to the bin above it
    assert "BUCKETIZE" not in equal(keras.Model(source, value), data)


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_a_table_of_numbers_and_categories_becomes_integers(scheme, tmp_path):
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(5)
    numbers, kind, code = keras.Input((3,)), keras.Input((1,), dtype="int32"), keras.Input((2,))
    parts = [
        layers.Normalization(mean=[20, 50, 35], variance=[25, 100, 64])(numbers),
        layers.CategoryEncoding(5, output_mode="one_hot")(kind),
        layers.IntegerLookup(vocabulary=[2, 40, 41], output_mode="multi_hot")(
            keras.ops.cast(code, "int32")
        ),
    ]
    value = layers.Dense(16, activation="relu")(layers.Concatenate()(parts))
    model = keras.Model([numbers, kind, code], layers.Dense(2)(value))
    data = {
        "0": random.normal([20, 50, 35], [5, 10, 8], (80, 3)).astype(np.float32),
        "1": random.integers(0, 5, (80, 1)).astype(np.int32),
        "2": random.choice([2, 3, 40, 41], (80, 2)).astype(np.float32),
    }
    np.savez(tmp_path / "data.npz", **data)
    path = tmp_path / "net.tflite"
    made = edgeq.convert(model, data=tmp_path / "data.npz", scheme=scheme, output=path)
    assert made.quality.outputs[0].signal_to_noise_db > (35 if scheme == "int8" else 45)
    assert made.proof.inputs[1:] == ("int32", "int32")
    assert edgeq.verify(path, on="c", n=3).equal


def test_bins_of_an_input_are_integers(tmp_path):
    keras.utils.set_random_seed(1)
    source = keras.Input((3,))
    bins = layers.Discretization(bin_boundaries=[-1.0, 0.0, 0.5, 1.0])(source)
    value = layers.Flatten()(layers.Embedding(5, 4)(bins))
    model = keras.Model(source, layers.Dense(2)(layers.Concatenate()([value, source])))
    data, path = RANDOM.normal(0, 1, (60, 3)).astype(np.float32), tmp_path / "net.tflite"
    made = edgeq.convert(model, data=data, scheme="int16x8", output=path)
    assert made.quality.outputs[0].signal_to_noise_db > 40
    assert edgeq.verify(path, on="c", n=3).equal


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_indices_of_an_embedding_may_be_of_any_integers(dtype):
    source = keras.Input((4,), dtype=dtype)
    value = layers.Dense(3)(layers.Flatten()(layers.Embedding(10, 4)(source)))
    data = RANDOM.integers(0, 10, (40, 4)).astype(dtype)
    made = edgeq.convert(keras.Model(source, value), data=data)
    assert made.quality.outputs[0].signal_to_noise_db > 30
    assert made.proof.inputs == ("int32",)


@pytest.mark.parametrize("axis", [-1, 1])
def test_one_hot_of_any_kind_is_a_look_up(axis, tmp_path):
    keras.utils.set_random_seed(1)
    source = keras.Input((4,), dtype="int32")
    rows = keras.ops.one_hot(source, 6, axis=axis)
    model = keras.Model(source, layers.Dense(3)(layers.Flatten()(rows)))
    data, path = RANDOM.integers(-2, 8, (40, 4)).astype(np.int32), tmp_path / "net.tflite"
    if axis == 1:
        # The usual one has the new axis at the end.
        assert "ONE_HOT" in equal(model, data)
        return
    assert "ONE_HOT" not in equal(model, data)
    made = edgeq.convert(model, data=data, output=path, check_passes=True)
    assert made.quality.outputs[0].signal_to_noise_db > 30
    assert "int64" not in {tensor.dtype for tensor in parse_graph(made.data).main.tensors}
    assert edgeq.verify(path, on="c", n=3).equal
