"""Adaptive rounding makes the products of weights better, on data it has not seen."""

from dataclasses import asdict
from itertools import product

import numpy as np
import pytest

import edgeq
from edgeq.conversion.calibration.products import products
from edgeq.conversion.calibration.trace import traced
from edgeq.conversion.flatbuffer import unpack
from edgeq.conversion.float_model import float_model
from edgeq.conversion.quantization import adaptive_rounding
from edgeq.conversion.quantization.rounding import adaptive_integers, output_errors
from edgeq.data import open_dataset
from edgeq.errors import UsageError
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run


def correlated(random, taps):
    """The second moment of inputs that have much in common."""
    inputs = random.normal(size=(50, taps)) + 2 * random.normal(size=(50, 1))
    return inputs.T @ inputs / len(inputs)


def error(integers, weights, gram):
    """Mean squared error of an output, with the little noise that the objective counts in."""
    noisy = gram + 0.01 * np.trace(gram) / len(gram) * np.eye(len(gram))
    return float((integers - weights) @ noisy @ (integers - weights))


@pytest.mark.parametrize("taps", [4, 5, 6])
def test_nearly_the_best_of_all_roundings(taps):
    random = np.random.default_rng(taps)
    found, nearest, best = [], [], []
    for _ in range(40):
        gram, weights = correlated(random, taps), random.uniform(-6, 6, taps)
        integers = adaptive_integers(weights[None, None], gram[None], 7)[0, 0]
        corners = product(*zip(np.floor(weights), np.ceil(weights), strict=True))
        found.append(error(integers, weights, gram))
        nearest.append(error(np.round(weights), weights, gram))
        best.append(min(error(np.array(corner), weights, gram) for corner in corners))
    assert np.all(np.array(found) <= np.array(nearest) * (1 + 1e-9))
    assert np.all(np.array(found) >= np.array(best) * (1 - 1e-9))
    assert np.mean(np.array(found) <= np.array(best) * (1 + 1e-9)) > 0.6
    assert sum(found) < 1.1 * sum(best)
    assert sum(found) < 0.5 * sum(nearest)


def test_inputs_that_are_always_equal_need_only_the_sum_right():
    weights = np.array([0.4, 0.4, 0.4, 0.4, 0.4])
    integers = adaptive_integers(weights[None, None], np.ones((1, 5, 5)), 7)
    assert integers.sum() == 2
    assert set(integers.ravel()) == {0, 1}


def test_uncorrelated_inputs_leave_rounding_to_nearest():
    weights = np.random.default_rng(0).uniform(-7, 7, (3, 4, 9))
    gram = np.diag(np.linspace(1, 5, 9))[None].repeat(3, axis=0)
    np.testing.assert_array_equal(adaptive_integers(weights, gram, 7), np.round(weights))


@pytest.mark.parametrize("limit", [7, 127])
def test_up_or_down_within_the_limits(limit):
    random = np.random.default_rng(1)
    weights = random.uniform(-limit - 0.5, limit + 0.5, (2, 8, 150))
    weights[:, :, ::10] = 0
    gram = np.stack([correlated(random, 150)] * 2)
    integers = adaptive_integers(weights, gram, limit)
    clipped = np.clip(weights, -limit, limit)
    assert np.abs(integers).max() == limit
    assert np.all(np.abs(integers - clipped) < 1)
    assert not integers[:, :, ::10].any()
    nearest = np.clip(np.round(weights), -limit, limit)
    assert (
        output_errors(integers - weights, gram).sum()
        < output_errors(nearest - weights, gram).sum() / 4
    )


def test_inputs_that_are_all_zero():
    weights = np.random.default_rng(2).uniform(-7, 7, (1, 2, 3))
    found = adaptive_integers(weights, np.zeros((1, 3, 3)), 7)
    np.testing.assert_array_equal(found, np.round(weights))


@pytest.fixture(scope="module")
def net():
    """Every kind of convolution and a dense layer, each output looked at."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    layers = keras.layers
    x = keras.Input((11, 10, 6))
    outputs = [
        layers.Conv2D(8, 3, strides=2, padding="same", bias_initializer="normal")(x),
        layers.Conv2D(4, (3, 2), dilation_rate=(2, 1))(x),
        layers.Conv2D(6, 3, groups=3, padding="same")(x),
        layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(x),
        layers.Dense(5, bias_initializer="normal")(layers.Flatten()(x)),
    ]
    return keras.Model(x, outputs)


@pytest.fixture(scope="module")
def data():
    """Smooth images: neighbours resemble each other."""
    random = np.random.default_rng(0)
    coarse = random.uniform(0, 1, (200, 4, 4, 6)).astype(np.float32)
    return coarse.repeat(3, axis=1).repeat(3, axis=2)[:, :11, :10]


def test_patches_times_weights_are_what_layers_compute(net, data):
    source = float_model(net)
    layers = products(source.graph)
    assert sorted(layer.groups for layer in layers) == [1, 1, 1, 3, 6]
    (value_of,) = traced(source, open_dataset(data[:1], source.inputs))
    for layer in layers:
        patches = layer.patches(value_of(layer.source.index), 1000, seed=0)
        matrix = layer.matrix(layer.weights.data)
        np.testing.assert_array_equal(layer.kernel(matrix), layer.weights.data)
        found = (patches @ matrix.transpose(0, 2, 1)).transpose(1, 0, 2)
        found = found.reshape(-1, layer.output.shape[-1])
        wanted = value_of(layer.output.index).reshape(found.shape)
        bias = 0 if layer.bias is None else layer.bias.data
        np.testing.assert_allclose(found + bias, wanted, atol=1e-5)


def errors(net, data, made):
    """Power of each output's error on data."""
    pairs = zip(run(made.float_model.data, [data]), run(made.data, [data]), strict=True)
    return [float(((after - before) ** 2).mean()) for before, after in pairs]


# With 8 bits on both sides, as in most layers of mixed, rounding of activations, which stays, is
# most of the error.
@pytest.mark.parametrize(
    ("scheme", "share"), [("int8-per-tensor", 0.8), ("int16x8", 0.6), ("int4", 0.6), ("mixed", 0.9)]
)
def test_outputs_come_nearer_on_unseen_data(net, data, scheme, share):
    made = [
        edgeq.convert(net, data=data[:150], scheme=scheme, rounding=rounding)
        for rounding in ("nearest", "adaptive")
    ]
    before, after = (errors(net, data[150:], one) for one in made)
    assert sum(after) < share * sum(before)
    assert not made[0].rounded
    assert len(made[1].rounded) == 5
    assert all(layer.after_db >= layer.before_db for layer in made[1].rounded.values())
    assert [len(one.data) for one in made] == [len(made[0].data)] * 2
    again = edgeq.convert(net, data=data[:150], scheme=scheme, rounding="adaptive")
    assert again.data == made[1].data


def test_what_is_reported_is_what_changed(net, data):
    plain = edgeq.convert(net, data=data, scheme="int4", rounding="nearest")
    made = edgeq.convert(net, data=data, scheme="int4", rounding="adaptive")
    tensors, others = (
        {t.name: t for t in parse_graph(one.data).main.tensors} for one in (plain, made)
    )
    for layer in products(made.float_model.graph):
        name = layer.weights.name
        changed = (tensors[name].data != others[name].data).mean()
        assert made.rounded[layer.output.name].changed == changed
        assert np.abs(others[name].data).max() <= (7 if others[name].dtype == "int4" else 127)
    plainly = {name: asdict(rounded) for name, rounded in made.rounded.items()}
    assert made.to_json()["rounded"] == plainly


def test_biases_are_corrected_after_rounding(net, data):
    made = edgeq.convert(
        net, data=data[:150], scheme="int4", rounding="adaptive", bias_correction=True
    )
    assert len(made.rounded) == len(made.corrected) == 5
    rounded = edgeq.convert(net, data=data[:150], scheme="int4", rounding="adaptive")
    assert sum(errors(net, data[150:], made)) < 1.05 * sum(errors(net, data[150:], rounded))


def test_the_c_gives_the_bytes_of_the_oracle(net, data, tmp_path):
    file = tmp_path / "model.tflite"
    edgeq.convert(
        net, data=data, scheme="int4", rounding="adaptive", bias_correction=True, output=file
    )
    assert edgeq.verify(file, on="c", against="tflm", n=20).equal


def test_a_layer_where_it_does_not_pay_stays_as_it_is(net):
    # Two unlike samples: what helps the one hurts the other.
    data = np.zeros((2, 11, 10, 6), np.float32)
    data[:] = np.random.default_rng(5).normal(0, 1, data.shape)
    data[0, 4:], data[1, :7] = 0, 0
    made = edgeq.convert(net, data=data, scheme="int4", rounding="adaptive")
    plain = edgeq.convert(net, data=data, scheme="int4", rounding="nearest")
    kept = [layer for layer in products(made.float_model.graph)
            if not made.rounded[layer.output.name].changed]  # fmt: skip
    assert kept
    ours, theirs = (
        {t.name: t.data for t in parse_graph(m.data).main.tensors} for m in (made, plain)
    )
    for layer in kept:
        found = made.rounded[layer.output.name]
        assert found.before_db == found.after_db
        np.testing.assert_array_equal(ours[layer.weights.name], theirs[layer.weights.name])


def test_one_sample_leaves_none_to_judge_by(net, data):
    made = edgeq.convert(net, data=data[:1], scheme="int4", rounding="adaptive")
    assert {layer.skipped for layer in made.rounded.values()} == {
        "one sample leaves none to judge by"
    }
    nearest = edgeq.convert(net, data=data[:1], scheme="int4", rounding="nearest")
    assert made.data == nearest.data


def test_memory_is_bounded(net, data, monkeypatch):
    wanted = edgeq.convert(net, data=data, scheme="int4", rounding="adaptive")
    largest = 2 * 660**2 * 8
    monkeypatch.setattr(adaptive_rounding, "_BUDGET_BYTES", largest)
    assert edgeq.convert(net, data=data, scheme="int4", rounding="adaptive").data == wanted.data
    monkeypatch.setattr(adaptive_rounding, "_BUDGET_BYTES", largest - 1)
    rounded = edgeq.convert(net, data=data, scheme="int4", rounding="adaptive").rounded
    assert [layer.skipped for layer in rounded.values()] == [
        *[""] * 4, "660 weights per output are too many",
    ]  # fmt: skip


def test_weights_that_are_left_as_they_are_are_told_of():
    keras = pytest.importorskip("keras")
    layers = keras.layers
    x = keras.Input((6, 6, 2))
    value = layers.Reshape((8, 24))(layers.Conv2DTranspose(3, 3, name="up")(x))
    value = layers.GRU(5, name="gru", return_sequences=True)(value)
    value = layers.LSTM(4, name="lstm", return_sequences=True)(value)
    model = keras.Model(x, layers.Dense(3, name="dense")(layers.SimpleRNN(4, name="simple")(value)))
    samples = np.random.default_rng(0).normal(size=(40, 6, 6, 2)).astype(np.float32)
    made = edgeq.convert(model, data=samples, rounding="adaptive", accept_loss=True)
    told = {name.split("/")[0]: layer.skipped for name, layer in made.rounded.items()}
    assert told == {
        "dense": "",
        "up": "weights of TRANSPOSE_CONV are rounded to nearest",
        "gru": "weights inside a loop are rounded to nearest",
        "lstm": "weights of UNIDIRECTIONAL_SEQUENCE_LSTM are rounded to nearest",
        "simple": "weights inside a loop are rounded to nearest",
    }
    assert all(layer.changed == 0 for layer in made.rounded.values() if layer.skipped)


def test_shared_weights_are_rounded_for_all_their_uses():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(4)
    a, b = keras.Input((20,), name="a"), keras.Input((20,), name="b")
    layer = keras.layers.Dense(6)
    net = keras.Model([a, b], [layer(a), layer(b)])
    data = [np.random.default_rng(seed).normal(0, 1, (60, 20)).cumsum(1).astype(np.float32)
            for seed in (7, 8)]  # fmt: skip
    made = edgeq.convert(net, data=data, scheme="int4", rounding="adaptive", bias_correction=True)
    assert len(made.rounded) == 1
    assert len(unpack(made.data).subgraphs[0].operators) >= 2


@pytest.mark.parametrize("scheme", ["float16", "dynamic", "weight-only-int4"])
def test_float_schemes_are_refused(net, data, scheme):
    with pytest.raises(UsageError, match="computes in float: adaptive rounding"):
        edgeq.convert(net, data=data, scheme=scheme, rounding="adaptive")


def test_unknown_rounding():
    with pytest.raises(UsageError, match="no rounding 'best'"):
        edgeq.convert("none.keras", rounding="best")


def test_command(cli, net, data, tmp_path):
    net.save(tmp_path / "net.keras")
    np.savez(tmp_path / "data.npz", x=data)
    arguments = ("convert", tmp_path / "net.keras", "--data", tmp_path / "data.npz", "--scheme",
                 "int4", "--rounding", "adaptive", "-o", tmp_path / "net.tflite")  # fmt: skip
    done = cli(*arguments)
    assert done.code == 0
    assert "rounding: 5 of 5 layers changed" in done.out
    assert "after dB" in done.out
    refused = cli(*arguments, "--force", "--scheme", "dynamic")
    assert refused.code == 2
    assert "computes in float" in refused.err
