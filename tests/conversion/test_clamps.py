"""A clamp to -1..1 that stands alone has no 16-bit kernel in LiteRT."""

import numpy as np
import pytest

import edgeq
from tests.conversion.nets import run


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_a_clamp_that_no_layer_takes_in(scheme, tmp_path):
    keras = pytest.importorskip("keras")
    source = keras.Input((5, 4))
    value = keras.layers.Activation("hard_tanh")(source + 0.25)
    model = keras.Model(source, keras.layers.Concatenate()([value, source]))
    x = np.random.default_rng(0).normal(size=(40, 5, 4)).astype(np.float32)
    path = tmp_path / "net.tflite"
    made = edgeq.convert(model, data=x, scheme=scheme, output=path)
    wanted = np.concatenate([np.clip(x + 0.25, -1, 1), x], -1)
    noise = run(made.data, [x])[0].reshape(wanted.shape) - wanted
    bar = 35 if scheme == "int8" else 75
    assert 10 * np.log10((wanted**2).sum() / (noise**2).sum()) > bar
    assert edgeq.verify(path, on="c", n=1).equal
