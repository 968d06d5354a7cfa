"""Models that several tests of devices share."""

import numpy as np
import pytest

import edgeq

STEPS = 6


@pytest.fixture(scope="session")
def gru(tmp_path_factory):
    keras = pytest.importorskip("keras")
    source = keras.Input((STEPS, 3))
    value = keras.layers.Dense(2)(keras.layers.GRU(4)(source))
    path = tmp_path_factory.mktemp("gru") / "gru.tflite"
    data = np.random.default_rng(0).normal(0, 1, (8, STEPS, 3)).astype(np.float32)
    edgeq.convert(
        keras.Model(source, value), data=data, output=path, quality_check=False, check_passes=False
    )
    return path
