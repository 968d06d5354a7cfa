"""Functions that Keras 2 models call beside their layers load as what they were, or are refused."""

import json

import numpy as np
import pytest

import edgeq
from edgeq.compress.network import load_network
from edgeq.conversion.sources.keras_2_ops import OP_OF_KERAS_2, op_layer
from edgeq.conversion.sources.keras_models import load_keras
from edgeq.errors import EdgeqError

h5py = pytest.importorskip("h5py")
keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")
X = np.random.default_rng(0).normal(0, 1, (5, 8, 4)).astype(np.float32)
CALLS = {
    "constants": lambda x: (x / 255.0 - [0.1, 0.2, 0.3, 0.4]) * 2.0 + 1.0,
    "constants first": lambda x: (1.0 - x) + 2.0**x,
    "two tensors": lambda x: tf.maximum(x, tf.reverse(x, [1])) + x,
    "activations": lambda x: tf.nn.relu6(x) + tf.nn.silu(x) + tf.nn.leaky_relu(x, 0.3),
    "slices": lambda x: x[:, 1:, ::2],
    "indices": lambda x: x[:, -1],
    "new axes": lambda x: x[..., tf.newaxis],
    "lists": lambda x: tf.concat([x, tf.ones_like(x), x], -1),
    "a list of one": lambda x: tf.concat([x], 1),
    "a constant in a list": lambda x: tf.stack([x[0], tf.ones((8, 4))]),
    "several results": lambda x: tf.split(x, [1, 3], axis=2)[1],
    "shapes": lambda x: tf.reshape(x, (tf.shape(x)[0], 4, 8)),
    "conditions": lambda x: tf.where(x > 0.5, x, tf.zeros_like(x)),
    "reductions": lambda x: tf.reduce_mean(x, axis=[1]) + tf.reduce_max(x, axis=1),
    "matrices": lambda x: tf.matmul(x, x, transpose_b=True),
    "the backend": lambda x: tf_keras.backend.mean(x, axis=1),
    "layers between": lambda x: tf.nn.relu(tf_keras.layers.Dense(3)(x) / 2.0),
}


def saved(folder, call, ending=".h5", shape=(8, 4)):
    """A file of Keras 2 with a function in its model, and the model."""
    given = tf_keras.Input(shape)
    model = tf_keras.Model(given, call(given))
    path = folder / f"net{ending}"
    model.save(path)
    return path, model


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_what_it_was(name, tmp_path):
    path, model = saved(tmp_path, CALLS[name])
    loaded = load_keras(path)
    np.testing.assert_allclose(loaded(X), model(X), atol=1e-5)


def test_keras_files_of_keras_2_hold_the_same(tmp_path):
    path, model = saved(tmp_path, CALLS["constants first"], ".keras")
    loaded = load_keras(path)
    np.testing.assert_allclose(loaded(X), model(X), atol=1e-5)
    # What is made of it means the same.
    loaded.save(tmp_path / "again.keras")
    np.testing.assert_allclose(load_keras(tmp_path / "again.keras")(X), model(X), atol=1e-5)
    np.testing.assert_allclose(load_network(path)(X), model(X), atol=1e-5)


def test_keras_may_have_been_told_to_forget_all_objects_but_its_own(tmp_path):
    path, model = saved(tmp_path, lambda x: tf.nn.relu(x))
    load_keras(path).save(tmp_path / "again.keras")
    known = keras.saving.get_custom_objects()
    before = dict(known)
    known.clear()
    try:
        np.testing.assert_allclose(load_keras(tmp_path / "again.keras")(X), model(X), atol=1e-5)
    finally:
        known.update(before)


def test_calls_of_models_inside_keep_their_numbers(tmp_path):
    """Keras 2 counts them from another call on, among the arguments by name too."""
    given = tf_keras.Input((8, 4))
    inner = tf_keras.Model(given, tf.nn.relu(tf_keras.layers.Dense(3)(given) / 2.0))
    path, model = saved(tmp_path, lambda x: inner(x) + inner(x[:, ::-1]))
    np.testing.assert_allclose(load_keras(path)(X), model(X), atol=1e-5)


def test_a_preprocessed_picture_converts(tmp_path):
    layers = tf_keras.layers

    def call(x):
        x = tf_keras.applications.resnet50.preprocess_input(x)
        x = tf.nn.relu(layers.Conv2D(4, 3)(x))
        return layers.Dense(3)(tf.reduce_mean(x, axis=[1, 2]))

    path, _ = saved(tmp_path, call, shape=(8, 8, 3))
    data = np.random.default_rng(1).uniform(0, 255, (30, 8, 8, 3)).astype(np.float32)
    made = edgeq.convert(path, data=data)
    assert made.proof.inputs == ("int8",)
    assert made.quality.outputs[0].signal_to_noise_db > 30


def changed(path, change):
    """A file whose architecture is another one."""
    with h5py.File(path, "r+") as opened:
        config = json.loads(opened.attrs["model_config"])
        change(config["config"]["layers"][1])
        opened.attrs["model_config"] = json.dumps(config)


@pytest.mark.parametrize(
    "function",
    ["io.read_file", "py_function", "nn.dropout", "compat.v1.compat.v1.abs", "sysconfig", "", 3],
)
def test_no_other_function_is_called(function, tmp_path):
    path, _ = saved(tmp_path, lambda x: tf.nn.relu(x))
    changed(path, lambda layer: layer["config"].update(function=function))
    with pytest.raises(EdgeqError, match=r"layer 'tf.nn.relu\w*' \(TFOpLambda") as refusal:
        load_keras(path)
    assert "tf.saved_model.save" in refusal.value.hint
    with pytest.raises(ValueError, match="not called"):
        op_layer()(function=str(function), arguments="{}")


def test_other_kinds_of_such_layers_are_refused_by_name(tmp_path):
    path, _ = saved(tmp_path, lambda x: tf.nn.relu(x))
    changed(path, lambda layer: layer.update(class_name="TensorFlowOpLayer"))
    with pytest.raises(EdgeqError, match="TensorFlowOpLayer of Keras 2"):
        load_keras(path)


@pytest.mark.parametrize(
    "nodes",
    [[], [["input", 7, 7, {}]], [[]], [["_CONSTANT_VALUE", -1, 2.0, {}]], [{"a": 1}], [3]],
)
def test_calls_that_keras_2_does_not_write_are_refused(nodes, tmp_path):
    path, _ = saved(tmp_path, lambda x: tf.nn.relu(x))
    changed(path, lambda layer: layer.update(inbound_nodes=nodes))
    with pytest.raises(EdgeqError):
        load_keras(path)


def test_files_cannot_bring_the_layer_with_another_function(tmp_path):
    path, _ = saved(tmp_path, lambda x: tf.nn.relu(x))

    def change(layer):
        config = {"name": "a", "function": "io.read_file", "arguments": "{}"}
        layer.update(class_name=OP_OF_KERAS_2, config=config)

    changed(path, change)
    with pytest.raises(EdgeqError, match="deserializing class 'OpOfKeras2'"):
        load_keras(path)
