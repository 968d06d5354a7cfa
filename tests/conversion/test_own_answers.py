"""What TensorFlow's converter makes is held against the model itself."""

from types import SimpleNamespace

import numpy as np
import pytest

import edgeq
from edgeq.conversion.float_model import float_model
from edgeq.conversion.network import Network
from edgeq.conversion.proof.own import Comparison, compare_with_source
from edgeq.conversion.sources import keras_models, lowering, saved_models
from edgeq.errors import LimitError
from tests.oracle.build import TensorSpec, single_op


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def net(keras):
    keras.utils.set_random_seed(1)
    source = keras.Input((6,), name="x")
    hidden = keras.layers.Dense(8, "relu")(source)
    return keras.Model(
        source, {"a": keras.layers.Dense(3)(hidden), "b": keras.layers.Dense(2)(hidden)}
    )


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(0, 1, (20, 6)).astype(np.float32)


def spoiled(module, monkeypatch):
    """The converter of a door writes the weights of the last layer with another sign."""
    plain = module.freeze_and_convert

    def convert(function, specs):
        data, traced = plain(function, specs)
        network = Network.unpack(data, "")
        weights = network.ops[-1].inputs[1]
        network.fill(weights, -network.constant(weights))
        return network.pack(), traced

    monkeypatch.setattr(module, "freeze_and_convert", convert)


def test_a_float_graph_that_is_wrong_is_refused(net, x, monkeypatch, tmp_path):
    spoiled(keras_models, monkeypatch)
    path = tmp_path / "net.tflite"
    with pytest.raises(LimitError) as refused:
        edgeq.convert(net, data=x, output=path)
    assert refused.value.exit_code == 3 and not path.exists()
    words = refused.value.what
    # Which of the two is written last hangs on the numbers in the layers' names.
    assert " differs by up to " in words and ('Output "a"' in words) != ('Output "b"' in words)
    assert "over 3 samples" in words and "--accept-loss" in refused.value.hint


def test_loss_that_is_accepted_is_warned_of(net, x, monkeypatch):
    spoiled(keras_models, monkeypatch)
    made = edgeq.convert(net, data=x, accept_loss=True)
    (said,) = (text for text in made.warnings if "TensorFlow's converter" in text)
    assert "signal-to-noise" in said
    assert made.quality.verdict == "good"  # to the float graph, which is wrong
    unchecked = edgeq.convert(net, data=x, quality_check=False)
    assert not any("converter" in text for text in unchecked.warnings)


@pytest.mark.parametrize("settings", [{"head": "class"}, {"scheme": "float16"}, {"scheme": "int4"}])
def test_other_heads_and_schemes_are_held_against_the_model_too(keras, x, monkeypatch, settings):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    labels = np.arange(20) % 4
    spoiled(keras_models, monkeypatch)
    with pytest.raises(LimitError, match="TensorFlow's converter"):
        edgeq.convert(model, data=x, eval_data=(x, labels), **settings)


def test_a_sum_that_keras_takes_for_a_bias_with_one_sample_is_found(keras, monkeypatch):
    """Without what edgeq does about it, the converter is given another sum."""
    source = keras.Input((4, 4))
    model = keras.Model(source, source + keras.ops.mean(source, axis=-1, keepdims=True))
    data = np.random.default_rng(0).normal(0, 1, (20, 4, 4)).astype(np.float32)
    made = edgeq.convert(model, data=data)
    assert made.quality.verdict == "good"
    assert not any("model itself" in text for text in made.warnings)
    monkeypatch.setattr(lowering, "_plain_sum", lambda tf, keras, function, turned: function)
    with pytest.raises(LimitError, match="model itself"):
        edgeq.convert(model, data=data)


@pytest.mark.parametrize("kind", ["chance", "samples"])
def test_answers_that_hang_on_chance_or_on_other_samples_are_not_compared(keras, x, kind):
    class Noise(keras.layers.Layer):
        def call(self, x):
            return x + np.random.default_rng().normal(0, 1, 6).astype(np.float32)

    source = keras.Input((6,))
    made = {
        "chance": lambda: Noise()(source),
        "samples": lambda: source / keras.ops.max(keras.ops.abs(source)),
    }[kind]()
    said = edgeq.convert(keras.Model(source, made), data=x).warnings
    assert any("not compared with the model itself: it answers" in text for text in said)


def test_a_file_that_is_not_trusted_does_not_run_in_tensorflow(
    keras, net, x, monkeypatch, tmp_path
):
    net.export(tmp_path / "saved", verbose=False)
    spoiled(saved_models, monkeypatch)
    made = edgeq.convert(tmp_path / "saved", data=x)
    assert not any("converter" in text for text in made.warnings)
    with pytest.raises(LimitError, match="TensorFlow's converter"):
        edgeq.convert(tmp_path / "saved", data=x, trust=True)


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_inputs_of_integers_are_compared(keras, dtype, batch, monkeypatch):
    keras.utils.set_random_seed(1)
    source = keras.Input(batch_shape=(batch, 4, 4, 2), dtype=dtype)
    hidden = keras.layers.Conv2D(3, 3)(keras.layers.Rescaling(1 / 128, -1.0)(source))
    model = keras.Model(source, keras.layers.Dense(2)(keras.layers.Flatten()(hidden)))
    pixels = np.random.default_rng(0).integers(0, 255, (20, 4, 4, 2)).astype(dtype)
    for data in (pixels, pixels.astype(np.float32)):
        made = edgeq.convert(model, data=data)
        assert not any("model itself" in text for text in made.warnings)
    spoiled(keras_models, monkeypatch)
    with pytest.raises(LimitError, match="model itself"):
        edgeq.convert(model, data=pixels)


@pytest.mark.parametrize(
    "name", ["ad01.h5", "kws_ref_model", "pretrainedResnet.h5", "str_ww_ref_model.h5", "vww_96.h5"]
)
def test_public_models_convert_to_what_they_are(models, name):
    made = float_model(models / name, trust=True)
    random = np.random.default_rng(0)
    samples = [[random.normal(0, 1, spec.shape) for spec in made.inputs] for _ in range(3)]
    assert compare_with_source(made, samples) == Comparison(3)


def test_a_float_graph_that_fails_in_litert_is_said_not_to_be_compared():
    """A place behind the end of a table: a framework may clamp it, LiteRT gives up."""
    table = TensorSpec((4, 2), "float32", data=np.zeros((4, 2), np.float32))
    data = single_op("GATHER", [table, TensorSpec((1,), "int32")], [TensorSpec((1, 2), "float32")])
    own = SimpleNamespace(data=data, answers=lambda given: [[np.zeros((1, 2), np.float32)]])
    found = compare_with_source(SimpleNamespace(own=own), [[np.full((), 9, np.int32)]])
    assert found.samples == 0 and "LiteRT fails on it (gather index out of bounds" in found.why_not
