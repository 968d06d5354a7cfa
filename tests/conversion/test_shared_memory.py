"""What LiteRT's own memory plan writes over while it is needed is read elsewhere."""

import numpy as np
import pytest

import edgeq
from edgeq.conversion.network import Network
from edgeq.conversion.passes.shared_memory import keep_shared_values
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

keras = pytest.importorskip("keras")


def kinds(data):
    return [op.name for op in parse_graph(data).main.ops]


def lost(last):
    """x + 1 and its reshape, to which 2 is added before `last` reads the sum itself."""
    number = lambda value: TensorSpec((), "float32", data=np.float32(value))  # noqa: E731
    flat = TensorSpec((1,), "int32", data=np.array([12], np.int32))
    square = TensorSpec((2,), "int32", data=np.array([2, 6], np.int32))
    values = [TensorSpec(shape, "float32") for shape in [(3, 4)] * 3 + [(12,)] * 3]
    last_shape = (2, 6) if last == "RESHAPE" else (3, 4)
    tensors = [*values, number(1), number(2), flat, square,
               TensorSpec(last_shape, "float32"), TensorSpec(last_shape, "float32")]  # fmt: skip
    ops = [
        OpSpec("MUL", [0, 7], [1]),
        OpSpec("ADD", [1, 6], [2]),
        OpSpec("RESHAPE", [2, 8], [3], {"new_shape": [12]}),
        OpSpec("ADD", [3, 7], [4]),
        OpSpec("TANH", [4], [5]),
        OpSpec(last, [2, 9] if last == "RESHAPE" else [2, 2] if last == "MUL" else [2], [10]),
        OpSpec("LOGISTIC", [10], [11]),
    ]
    return build([SubgraphSpec(tensors, ops, [0], [5, 11])])


@pytest.mark.parametrize("last", ["RESHAPE", "LOGISTIC", "MUL"])
def test_values_that_litert_would_write_over_are_kept(last):
    data = lost(last)
    x = np.random.default_rng(0).normal(0, 1, (4, 3, 4)).astype(np.float32)
    a = 2 * x + 1
    read = {"RESHAPE": a.reshape(4, 2, 6), "MUL": a * a}.get(last, 1 / (1 + np.exp(-a)))
    wanted = [np.tanh(a + 2).reshape(4, 12), 1 / (1 + np.exp(-read))]
    network = keep_shared_values(Network.unpack(data, ""))
    for found, right in zip(run(network.pack(), [x]), wanted, strict=True):
        assert np.abs(found - right).max() < 1e-6
    # This is what it is for: if LiteRT has learned to count, the pass may go.
    assert np.abs(run(data, [x])[1] - wanted[1]).max() > 0.01


def test_nothing_is_added_where_nothing_is_lost():
    source = keras.Input((6, 4))
    value = keras.layers.GroupNormalization(1)(source)
    value = keras.layers.Conv1D(4, 3, padding="same")(keras.layers.Add()([value, source]))
    made = edgeq.convert(
        keras.Model(source, value), data=np.random.default_rng(0).normal(0, 1, (20, 6, 4)),
        explain=True,
    )  # fmt: skip
    assert "keep_shared_values" not in {rewrite.name for rewrite in made.passes}


@pytest.mark.parametrize("scheme", ["int8", "int16x8", "float16"])
def test_a_normalization_that_is_read_twice_converts(scheme):
    keras.utils.set_random_seed(1)
    source = keras.Input((3, 12))
    value = keras.layers.GroupNormalization(1)(source)
    mean = keras.layers.Average()([source, value])
    each = keras.layers.TimeDistributed(keras.layers.Dense(6))(value)
    model = keras.Model(source, [keras.layers.Flatten()(mean), keras.layers.Flatten()(each)])
    data = np.random.default_rng(0).normal(0, 1, (20, 3, 12)).astype(np.float32)
    made = edgeq.convert(model, data=data, scheme=scheme)
    bar = {"int8": 25, "int16x8": 40, "float16": 50}[scheme]
    for found, wanted in zip(run(made.data, [data]), model(data), strict=True):
        wanted = np.asarray(wanted)
        found = found.reshape(wanted.shape)
        assert 10 * np.log10((wanted**2).sum() / ((wanted - found) ** 2).sum()) > bar
