"""Values that move, and tensors of which a part is constant: class tokens, borders, shuffles."""

import numpy as np
import pytest

import edgeq
from tests.conversion.nets import run
from tests.conversion.test_what_converts import BARS, converted, decibels, kinds

PARTS = np.random.default_rng(0).normal(size=(1, 5, 8)).astype(np.float32)
CASES = {
    "class token": lambda ops, a: ops.concatenate([PARTS[:, :1] * 9, a], axis=1),
    "border": lambda ops, a: ops.concatenate([PARTS[:, :1], a, PARTS[:, 1:3]], axis=1),
    "channels": lambda ops, a: ops.concatenate([a, PARTS[:, :, :3]], axis=2),
    "stacked": lambda ops, a: ops.stack([a, PARTS], axis=1),
    "written over": lambda ops, a: ops.slice_update(a, (0, 1, 2), PARTS[:, :2, :3]),
}


@pytest.mark.parametrize("scheme", BARS)
def test_constants_beside_values(scheme, tmp_path):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(1)
    source = keras.Input((5, 8), batch_size=1)
    layers = keras.layers
    hidden = layers.Dense(8, activation="relu")(source)
    made = [layers.Flatten()(part(keras.ops, hidden)) for part in CASES.values()]
    model = keras.Model(source, [layers.Dense(3)(each) for each in made])
    data = np.random.default_rng(1).normal(size=(40, 5, 8)).astype(np.float32)
    result = edgeq.convert(model, data=data, scheme=scheme, output=tmp_path / "m.tflite")
    wanted = model.predict(data, batch_size=1, verbose=0)
    found = [decibels(w, f) for w, f in zip(wanted, run(result.data, [data]), strict=True)]
    assert min(found) > BARS[scheme], dict(zip(CASES, found, strict=True))
    assert {"CONCATENATION", "PACK", "DYNAMIC_UPDATE_SLICE"} <= set(kinds(result))
    assert edgeq.verify(tmp_path / "m.tflite", on="c", n=5).equal


def test_one_number_beside_a_vector():
    keras = pytest.importorskip("keras")
    source = keras.Input((6,), batch_size=1)
    one = np.full((1, 1), 0.7, np.float32)
    joined = keras.ops.concatenate([one, keras.layers.Dense(3)(source)], axis=1)
    data = np.random.default_rng(1).normal(size=(30, 6)).astype(np.float32)
    result = edgeq.convert(keras.Model(source, joined), data=data)
    assert abs(run(result.data, [data])[0][..., 0] - 0.7).max() < 0.02


def test_pictures_are_padded_to_their_aspect_ratio():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(1)
    layers = keras.layers
    fit = layers.Resizing(6, 7, pad_to_aspect_ratio=True, fill_value=0.5)
    model = keras.Sequential([keras.Input((5, 9, 2)), fit, layers.Conv2D(3, 3)])
    data = np.random.default_rng(1).normal(size=(30, 5, 9, 2)).astype(np.float32)
    _, found = converted(model, data)
    assert min(found) > BARS["int8"]


@pytest.mark.parametrize("scheme", BARS)
def test_pixels_move_into_depth_and_back(scheme, tmp_path):
    keras = pytest.importorskip("keras")
    tf = pytest.importorskip("tensorflow")
    keras.utils.set_random_seed(1)
    source = keras.Input((6, 9, 3))
    hidden = keras.layers.Conv2D(12, 3, padding="same")(source)
    wide = keras.layers.Lambda(lambda x: tf.nn.depth_to_space(x, 2))(hidden)
    deep = keras.layers.Lambda(lambda x: tf.nn.space_to_depth(x, 3))(hidden)
    data = np.random.default_rng(1).normal(size=(30, 6, 9, 3)).astype(np.float32)
    model = keras.Model(source, [wide, deep])
    _, found = converted(model, data, scheme, output=tmp_path / "m.tflite")
    assert min(found) > BARS[scheme]
    assert edgeq.verify(tmp_path / "m.tflite", on="c", n=3).equal
