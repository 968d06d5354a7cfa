"""Integers with a constant added: what Keras makes of it, TensorFlow Lite has for floats alone."""

import keras
import numpy as np
import pytest

import edgeq

OFFSETS = np.array([0, 10, 15, 20])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_ids_and_the_offsets_of_their_fields(dtype, tmp_path):
    """They were refused, with a float layer named as what is not possible."""
    ids = keras.layers.Input((4,), dtype=dtype)
    rows = keras.layers.Embedding(40, 4)(ids + OFFSETS.astype(dtype))
    model = keras.Model(ids, keras.layers.Dense(2)(keras.layers.Flatten()(rows)))
    model.save(tmp_path / "net.keras")
    x = np.random.default_rng(0).integers(0, [10, 5, 5, 20], (50, 4)).astype(dtype)
    edgeq.convert(tmp_path / "net.keras", data=x, output=tmp_path / "net.tflite")
    found = np.asarray(edgeq.run(tmp_path / "net.tflite", on="c", inputs=x)).reshape(50, 2)
    wanted = np.asarray(model(x))
    step = edgeq.inspect(tmp_path / "net.tflite").outputs[0]
    real = (found - step.zero_point) * step.scale if found.dtype == np.int8 else found
    assert np.abs(real - wanted).max() < 0.05 * np.ptp(wanted)
