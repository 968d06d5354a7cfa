"""Recurrent layers stay what they are: one op or one body, the same values, the same bytes."""

import numpy as np
import pytest

import edgeq
from edgeq.conversion.float_model import float_model
from edgeq.conversion.network import Network
from edgeq.errors import EdgeqError
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run

keras = pytest.importorskip("keras")
layers = keras.layers


def sequential(shape, *parts, scale=0.3):
    model = keras.Sequential([keras.Input(shape), *parts])
    random = np.random.default_rng(1)
    model.set_weights([random.normal(0, scale, w.shape) for w in model.get_weights()])
    return model


def samples(model, count=24):
    random = np.random.default_rng(0)
    return random.normal(0, 1, (count, *model.inputs[0].shape[1:])).astype(np.float32)


def close(found, wanted, atol=1e-5):
    return np.allclose(found.reshape(wanted.shape), wanted, atol=atol)


def cells(**options):
    return layers.RNN([layers.LSTMCell(5), layers.GRUCell(4)], **options)


FLOATS = {
    "lstm": lambda: [layers.LSTM(6, return_sequences=True), layers.LSTM(3)],
    "no bias": lambda: [layers.LSTM(6, use_bias=False, unroll=True, dropout=0.2)],
    "relu": lambda: [layers.LSTM(4, activation="relu", go_backwards=True)],
    "hard": lambda: [layers.LSTM(4, recurrent_activation="hard_sigmoid", return_sequences=True)],
    "gru": lambda: [layers.GRU(5, return_sequences=True), layers.GRU(4, reset_after=False)],
    "simple": lambda: [layers.SimpleRNN(5, return_sequences=True, recurrent_dropout=0.1)],
    "cells": lambda: [cells()],
    "both": lambda: [
        layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
        layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum"),
        layers.Bidirectional(layers.SimpleRNN(3)),
    ],
}


def kinds(graph):
    return [op.name for op in graph.main.ops]


@pytest.mark.parametrize("name", FLOATS)
def test_every_call_starts_anew_and_gives_what_keras_gives(name):
    model = sequential((7, 4), *FLOATS[name]())
    x = samples(model, 3)
    found = float_model(model)
    assert close(run(found.data, [x])[0], model.predict(x, verbose=0), 1e-5)
    plain = {"lstm", "no bias"}
    assert ("WHILE" in kinds(found.graph)) == (name not in plain)


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recurrent")
    nets = {
        "lstm": sequential(
            (49, 40), layers.LSTM(32, return_sequences=True), layers.LSTM(16), layers.Dense(4)
        ),
        "gru": sequential((49, 40), layers.GRU(32), layers.Dense(4)),
        "both": sequential(
            (30, 6), layers.Conv1D(12, 5), layers.Bidirectional(layers.LSTM(10)), layers.Dense(3)
        ),
    }
    found = {}
    for name, model in nets.items():
        for scheme in ("int8", "int16x8"):
            path = folder / f"{name}-{scheme}.tflite"
            found[name, scheme] = (
                path,
                edgeq.convert(model, data=samples(model), scheme=scheme, output=path),
            )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize(
    ("name", "ops", "size"), [("lstm", 12, 34_000), ("gru", 60, 24_000), ("both", 20, 16_000)]
)
def test_weights_are_stored_once(bars, name, ops, size, scheme):
    path, result = bars[name, scheme]
    graph = parse_graph(result.data)
    assert sum(len(subgraph.ops) for subgraph in graph.subgraphs) <= ops
    assert len(result.data) <= size
    assert ("WHILE" in kinds(graph)) == (name == "gru")
    assert result.quality.signal_to_noise_db > (15 if scheme == "int8" else 30)
    assert result.proof.dtypes.keys() <= {"int8", "int16", "int32", "int64", "bool"}
    assert edgeq.verify(path, on="c", against="tflm", n=4).equal
    if scheme == "int8":
        assert edgeq.verify(path, on="sim:cortex-m4", against="tflm", n=2).equal


@pytest.mark.slow
def test_bytes_of_unusual_cells_are_those_of_tflm(tmp_path):
    model = sequential((6, 4), layers.LSTM(4, activation="relu", return_sequences=True), cells())
    for scheme, least in (("int8", 15), ("int16x8", 30)):
        path = tmp_path / f"{scheme}.tflite"
        result = edgeq.convert(model, data=samples(model), scheme=scheme, output=path)
        assert result.quality.signal_to_noise_db > least
        assert edgeq.verify(path, on="c", against="tflm", n=4).equal


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_a_convolutional_lstm_of_one_axis(tmp_path, scheme):
    """Its sums take an axis off what they add, which the step's tensors then have not."""
    layer = layers.ConvLSTM1D(2, 3, padding="same", return_sequences=True)
    model, path = (
        sequential((4, 5, 2), layer, layers.Flatten(), layers.Dense(2)),
        tmp_path / "m.tflite",
    )
    x = samples(model)
    found = float_model(model)
    assert close(run(found.data, [x])[0], model.predict(x, verbose=0), 1e-5)
    result = edgeq.convert(model, data=x, scheme=scheme, output=path)
    assert result.quality.signal_to_noise_db > 20
    assert edgeq.verify(path, on="c", against="tflm", n=4).equal


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_states_go_from_call_to_call_where_the_layer_is_stateful(kind, tmp_path):
    layer = getattr(layers, kind)(4, stateful=True, return_sequences=True)
    model = keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), layer, layers.SimpleRNN(3)])
    x = np.random.default_rng(3).normal(0, 1, (4, 5, 3)).astype(np.float32)
    layer.reset_state()
    wanted = np.stack([np.asarray(model(np.stack([one, one])))[0] for one in x])
    found = run(float_model(model).data, [x])[0]
    assert close(found, wanted)
    path = tmp_path / "stateful.tflite"
    edgeq.convert(model, data=x, output=path, accept_loss=True)
    assert edgeq.verify(path, on="c", against="tflm", n=4).equal
    assert any(tensor.is_variable for tensor in parse_graph(path.read_bytes()).main.tensors)


def test_states_are_handed_from_layer_to_layer():
    x = keras.Input((5, 3))
    y, h, c = layers.LSTM(4, return_sequences=True, return_state=True)(x)
    model = keras.Model(x, [layers.LSTM(4)(y, initial_state=[h, c]), c])
    data = samples(model, 3)
    for found, wanted in zip(
        run(float_model(model).data, [data]), model.predict(data, verbose=0), strict=True
    ):
        assert close(found, wanted)
    assert edgeq.convert(model, data=samples(model)).quality.signal_to_noise_db > 15


def test_a_faint_lstm_is_a_loop_whose_scales_follow_it(tmp_path):
    model = sequential((6, 4), layers.LSTM(5), scale=0.003)
    path = tmp_path / "faint.tflite"
    result = edgeq.convert(model, data=samples(model), scheme="int16x8", output=path)
    assert "WHILE" in kinds(parse_graph(result.data))
    assert result.quality.signal_to_noise_db > 30
    assert edgeq.verify(path, on="c", against="tflm", n=3).equal


@pytest.mark.parametrize("scheme", ["dynamic", "weight-only", "float16"])
def test_weights_of_an_lstm_are_quantized_where_only_weights_are(scheme):
    model = sequential((6, 32), layers.LSTM(48))
    result = edgeq.convert(model, data=None, scheme=scheme)
    assert len(result.data) < 0.7 * result.float_bytes
    x = samples(model, 2)
    assert close(run(result.data, [x])[0], model.predict(x, verbose=0), 0.05)


def test_masks_of_indices_are_exact():
    x = keras.Input((6,), dtype="int32")
    y = layers.Embedding(20, 6, mask_zero=True)(x)
    y = layers.LSTM(5, return_sequences=True)(y)
    model = keras.Model(x, layers.Bidirectional(layers.GRU(4))(y))
    data = np.random.default_rng(0).integers(1, 20, (4, 6)).astype(np.int32)
    data[:, 3:] = 0
    found = run(float_model(model).data, [data])[0]
    assert close(found, model.predict(data, verbose=0), 1e-6)


def test_masking_of_floats_is_refused():
    model = keras.Sequential([keras.Input((5, 3)), layers.Masking(name="gaps"), layers.LSTM(4)])
    with pytest.raises(EdgeqError, match=r"Masking .*: gaps leaves out") as caught:
        float_model(model)
    assert "mask_zero" in caught.value.hint


@pytest.mark.slow
def test_saved_models_have_their_recurrent_layers_recognised(tmp_path):
    model = sequential((6, 4), layers.LSTM(5, return_sequences=True), layers.GRU(3))
    x = samples(model, 2)
    model.export(tmp_path / "saved", verbose=False)
    found = float_model(tmp_path / "saved")
    assert kinds(found.graph).count("UNIDIRECTIONAL_SEQUENCE_LSTM") == 1
    assert kinds(found.graph).count("WHILE") == 1
    assert close(run(found.data, [x])[0], model.predict(x, verbose=0), 1e-5)


@pytest.mark.slow
def test_files_of_keras_2_with_recurrent_layers_load(tmp_path):
    old = pytest.importorskip("tf_keras")
    model = old.Sequential(
        [old.Input((6, 4)), old.layers.Bidirectional(old.layers.LSTM(5)), old.layers.Dense(2)]
    )
    model.save(tmp_path / "old.h5")
    x = np.random.default_rng(0).normal(0, 1, (2, 6, 4)).astype(np.float32)
    found = float_model(tmp_path / "old.h5")
    assert kinds(found.graph).count("UNIDIRECTIONAL_SEQUENCE_LSTM") == 2
    assert close(run(found.data, [x])[0], model.predict(x, verbose=0), 1e-5)


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_types_at_the_edges_are_not_those_inside(io):
    x = keras.Input((8, 4))
    y = layers.Dense(3)(layers.GRU(4)(layers.Conv1D(4, 3)(layers.Rescaling(1 / 255)(x))))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 4)).astype(np.float32)
    found = edgeq.convert(keras.Model(x, y), data=pixels, io=io)
    assert found.quality.signal_to_noise_db > 20
    assert (found.proof.inputs, found.proof.outputs) == ((io,), (io,))


def test_a_float_tflite_whose_states_are_reset_converts_as_its_model_does(tmp_path):
    model = sequential((6, 4), layers.Bidirectional(layers.LSTM(4)))
    file = tmp_path / "float.tflite"
    file.write_bytes(float_model(model).data)
    data = samples(model)
    wanted = edgeq.convert(model, data=data).data
    assert np.array_equal(run(edgeq.convert(file, data=data).data, [data]), run(wanted, [data]))


def beyond(file, change):
    """A file of an LSTM with something that Keras has not, and what LiteRT makes of it."""
    keras.utils.set_random_seed(0)
    model = sequential((6, 4), layers.LSTM(4, return_sequences=True), scale=1)
    network = Network.unpack(float_model(model).data, "net")
    (op,) = (op for op in network.ops if "LSTM" in network.kind(op))
    places = list(op.inputs)
    change(op.builtinOptions, places, network.add_constant("extra", np.full(4, 2, np.float32)))
    op.inputs = places
    file.write_bytes(network.pack())
    data = samples(model)
    return data, run(file.read_bytes(), [data])[0]


BEYOND = {
    "gates left out": lambda _, places, __: [places.__setitem__(k, -1) for k in (1, 5, 12)],
    "peepholes": lambda _, places, extra: places.__setitem__(slice(9, 12), [extra] * 3),
    "a limit of its cell": lambda options, *_: setattr(options, "cellClip", 0.3),
    "another activation than tanh": lambda options, *_: setattr(
        options, "fusedActivationFunction", 1
    ),
}


@pytest.mark.parametrize("what", BEYOND)
def test_what_an_lstm_of_another_converter_has_is_kept_or_refused(what, tmp_path):
    data, wanted = beyond(tmp_path / "net.tflite", BEYOND[what])
    kept = edgeq.convert(tmp_path / "net.tflite", scheme="dynamic").data
    close(run(kept, [data])[0], wanted)
    with pytest.raises(EdgeqError, match=f"The LSTM has {what}"):
        edgeq.convert(tmp_path / "net.tflite", data=data)
