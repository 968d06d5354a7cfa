"""Models that compute spectra with tf.signal: refused with the front end to write instead."""

import re

import numpy as np
import pytest

from edgeq.conversion.float_model import float_model
from edgeq.conversion.spectra import refuse_spectrum
from edgeq.errors import EdgeqError
from edgeq.support.foreign import parse_toml
from edgeq.workflow.convert import convert
from tests.frontend.signals import frames_of, recording

tf = pytest.importorskip("tensorflow")
COUNT = 8000
EDGES = {"sample_rate": 16000, "lower_edge_hertz": 60.0, "upper_edge_hertz": 7600.0}


def log_mel(x):
    matrix = tf.signal.linear_to_mel_weight_matrix(16, 257, 16000, 60.0, 7600.0)
    power = tf.square(tf.abs(tf.signal.stft(x, 480, 320, 512)))
    return tf.math.log(tf.tensordot(power, matrix, 1) + 1e-6)


def floored(x):
    """Windows that do not share parts; a floor, and no bands."""
    return tf.math.log(tf.maximum(tf.abs(tf.signal.stft(x, 400, 400, 512)), 1e-3))


def saved(folder, features):
    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, COUNT), tf.float32, name="audio")])
        def __call__(self, x):
            return tf.nn.softmax(tf.reduce_mean(features(x), 1)[:, :5])

    tf.saved_model.save(Net(), str(folder))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("features", "more"), [(log_mel, EDGES), (floored, {})])
def test_the_refusal_tells_the_front_end(tmp_path, features, more):
    folder = saved(tmp_path / "net", features)
    with pytest.raises(EdgeqError, match=r"spectrum itself \(tf.signal: RFFT2D") as found:
        refuse_spectrum(float_model(folder).graph)
    words = re.search(r"--frontend: (.*?), sample_rate", found.value.hint)[1]
    described = {**parse_toml(words.replace(", ", "\n").encode(), "hint"), **more}
    sound = recording(1, seed=3)[:COUNT]
    wanted = features(sound[None].astype(np.float32) / np.float32(32768))[0].numpy()
    given = frames_of(described, "float32", sound)
    assert given.shape == wanted.shape
    np.testing.assert_allclose(given, wanted, atol=1e-3)
    with pytest.raises(EdgeqError, match="has no integer form"):
        convert(folder, data=sound[None].astype(np.float32))
