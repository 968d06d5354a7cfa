"""Vectors of length 1: zeros stay zeros, and short vectors are as good as long ones."""

import numpy as np
import pytest

import edgeq
from edgeq.conversion.float_model import float_model
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run

keras = pytest.importorskip("keras")
BARS = {"int8": 25.0, "int16x8": 45.0}


@pytest.fixture(scope="module")
def data():
    """Vectors of all lengths, some of them zeros as padding leaves them."""
    random = np.random.default_rng(0)
    data = random.normal(0, 1, (30, 5, 6, 3)).astype(np.float32)
    data[1] *= 0.1
    data[:, 0] = 0
    data[3] = 0
    return data


def unit(axis):
    source = keras.Input((5, 6, 3))
    return keras.Model(source, keras.layers.UnitNormalization(axis=axis)(source))


def kinds(data):
    return [op.name for op in parse_graph(data).main.ops]


@pytest.mark.parametrize("scheme", BARS)
@pytest.mark.parametrize("axis", [-1, 1, (1, 2), (1, 2, 3)])
def test_a_unit_vector_is_as_good_as_its_scheme(axis, scheme, data, tmp_path):
    model, path = unit(axis), tmp_path / "net.tflite"
    made = edgeq.convert(model, data=data, scheme=scheme, output=path)
    wanted = model.predict(data, verbose=0)
    found = run(made.data, [data])[0].reshape(wanted.shape)
    assert 10 * np.log10((wanted**2).sum() / ((wanted - found) ** 2).sum()) > BARS[scheme]
    assert not found[np.broadcast_to(wanted == 0, found.shape)].any()
    assert edgeq.verify(path, on="c", n=1).equal
    if scheme == "int8":
        assert "L2_NORMALIZATION" in kinds(made.data) and "GATHER" not in kinds(made.data)


def test_the_float_model_is_keras_and_finite(data):
    model = unit(-1)
    (found,) = run(float_model(model).data, [data])
    assert np.abs(found.reshape(data.shape) - model.predict(data, verbose=0)).max() < 1e-6


@pytest.mark.parametrize("scheme", BARS)
def test_nothing_but_zeros_converts(scheme):
    zeros = np.zeros((4, 5, 6, 3), np.float32)
    made = edgeq.convert(unit(-1), data=zeros, scheme=scheme)
    assert not run(made.data, [zeros])[0].any()


def test_vectors_of_a_three_hundredth_of_the_longest_become_as_long():
    random = np.random.default_rng(1)
    data = random.normal(0, 1, (20, 5, 6, 3)).astype(np.float32)
    data[:, ::2] /= 300
    made = edgeq.convert(unit(-1), data=data, scheme="int16x8", check_passes=True)
    wanted = data / np.linalg.norm(data, axis=-1, keepdims=True)
    found = run(made.data, [data])[0].reshape(wanted.shape)
    assert 10 * np.log10((wanted**2).sum() / ((wanted - found) ** 2).sum()) > 25


@pytest.mark.parametrize("scheme", BARS)
def test_a_limit_that_leaves_vectors_shorter_is_kept(scheme):
    class Bounded(keras.layers.Layer):
        def call(self, x):
            shorter = keras.ops.rsqrt(
                keras.ops.maximum(keras.ops.sum(x * x, -1, keepdims=True), 1.0)
            )
            return x * shorter

    source = keras.Input((4,))
    model = keras.Model(source, Bounded()(source))
    x = np.random.default_rng(0).normal(0, 0.4, (60, 4)).astype(np.float32)
    x[::4] *= 5
    made = edgeq.convert(model, data=x, scheme=scheme, quality_check=False)
    wanted = model.predict(x, verbose=0)
    found = run(made.data, [x])[0].reshape(wanted.shape)
    assert np.linalg.norm(wanted, axis=-1).min() < 0.5
    assert 10 * np.log10((wanted**2).sum() / ((wanted - found) ** 2).sum()) > 20
