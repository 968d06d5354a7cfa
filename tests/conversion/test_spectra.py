"""Models that compute spectra with tf.signal or keras.ops: split off, or refused with advice."""

import re

import numpy as np
import pytest

from edgeq.conversion.float_model import float_model
from edgeq.conversion.spectra.banks import mel_bank
from edgeq.conversion.spectra.framing import framing
from edgeq.conversion.spectra.refusal import refuse_spectrum
from edgeq.conversion.spectra.split import split_spectrum
from edgeq.errors import EdgeqError
from edgeq.frontend.keras_options import Unlike
from edgeq.support.foreign import parse_toml
from edgeq.workflow.convert import convert
from tests.conversion.nets import run
from tests.frontend.signals import frames_of, recording

tf = pytest.importorskip("tensorflow")
COUNT = 8000
EDGES = {"sample_rate": 16000, "lower_edge_hertz": 60.0, "upper_edge_hertz": 7600.0}


def mel(power):
    return tf.tensordot(
        power, tf.signal.linear_to_mel_weight_matrix(16, 257, 16000, 60.0, 7600.0), 1
    )


def stft(x, length=400, step=160, size=512, **more):
    return tf.abs(tf.signal.stft(x, length, step, size, **more))


def log_mel(x):
    return tf.math.log(mel(tf.square(stft(x, 480, 320))) + 1e-6)


def floored(x):
    """Windows that do not share parts; a floor, and no bands."""
    return tf.math.log(tf.maximum(stft(x, 400, 400), 1e-3))


def decibels(x):
    """Hamming, silence at the end, magnitudes, and what stays in the model."""
    found = mel(stft(x, window_fn=tf.signal.hamming_window, pad_end=True))
    return 20 * tf.math.log(found + 1e-6) / tf.math.log(10.0)


def emphasized(x):
    """Samples of 16 bits, pre-emphasis, a power in another unit, silence before the first one."""
    x = tf.pad(x / 32768, [[0, 0], [200, 0]])
    x = tf.concat([x[:, :1], x[:, 1:] - 0.97 * x[:, :-1]], 1)
    return tf.math.log(tf.maximum(stft(x) ** 2 / 512, 1e-7))


def mirrored(x):
    import keras

    real, imag = keras.ops.stft(x, 400, 160, 512, center=True)
    return keras.ops.log(keras.ops.sqrt(real**2 + imag**2) + 1e-5)


def of_librosa(x):
    librosa = pytest.importorskip("librosa")
    bank = librosa.filters.mel(sr=16000, n_fft=512, n_mels=40)
    return tf.math.log(tf.matmul(stft(x) ** 2, bank.T) + 1e-6)


def other_bands(x):
    bank = np.random.default_rng(0).uniform(0, 1, (257, 20)).astype(np.float32)
    return tf.math.log(tf.matmul(stft(x), bank) + 1e-3)


def saved(folder, features):
    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, COUNT), tf.float32, name="audio")])
        def __call__(self, x):
            return tf.nn.softmax(tf.reduce_mean(features(x), 1)[:, :5])

    tf.saved_model.save(Net(), str(folder))
    return folder


SPLIT = {
    log_mel: {"kind": "log-mel", "power": 2, "log_offset": 1e-6, "num_mel_bins": 16, **EDGES},
    floored: {"kind": "spectrogram", "power": 1, "log_floor": 1e-3, "frame_step": 400},
    decibels: {"kind": "log-mel", "window": "hamming", "frames": 50, **EDGES},
    emphasized: {"pre_emphasis": 0.97, "silence": 200, "log_floor": 5.12e-5},
    mirrored: {"silence": 200, "frame_length": 400, "frames": 51, "log_offset": 1e-5},
    of_librosa: {"mel_scale": "slaney", "mel_slopes": "hertz", "norm": "slaney"},
    other_bands: {"kind": "spectrogram", "log": "none"},
}


@pytest.mark.slow
@pytest.mark.parametrize("features", SPLIT, ids=lambda f: f.__name__)
def test_it_is_split_off(tmp_path, features):
    whole = float_model(saved(tmp_path / "net", features))
    rest, words = split_spectrum(whole, None)
    assert rest is not None, words
    found = rest.front.values
    assert {key: found[key] for key in SPLIT[features]} == SPLIT[features]
    assert rest.front.full_scale == (32768 if features is emphasized else 1)
    assert bool(rest.front.approximate) == (features in (decibels, mirrored))
    assert ("no bank of mel triangles" in words) == (features is other_bands)
    sound = recording(1, seed=3)[:COUNT].astype(np.float32) * (rest.front.full_scale / 32768)
    wanted = features(sound[None])[0].numpy()
    (wanted,) = run(whole.data, [sound[None]])
    (given,) = run(rest.data, [np.stack(rest.front.features([sound]))])
    assert np.abs(given - wanted).max() < (0.02 if features is mirrored else 2e-4)


def kaiser(x):
    return tf.math.log(
        stft(x, window_fn=lambda n, dtype: tf.signal.kaiser_window(n, 8.0, dtype)) + 1
    )


def without_floor(x):
    return tf.math.log(stft(x))


def beside(x):
    return tf.math.log(stft(x) + 1e-3) + x[:, :1, None]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("features", "why"),
    [
        (kaiser, "its window is none of hann, hamming"),
        (without_floor, "its logarithm has no floor"),
        (beside, "other layers take the samples"),
    ],
)
def test_what_cannot_be_split_off_is_refused_with_the_reason(tmp_path, features, why):
    with pytest.raises(EdgeqError, match="has no integer form. It cannot be split off: " + why):
        convert(saved(tmp_path / "net", features), data=np.zeros((2, COUNT), np.float32))


@pytest.mark.slow
def test_the_refusal_tells_the_front_end(tmp_path):
    folder = saved(tmp_path / "net", log_mel)
    with pytest.raises(EdgeqError, match=r"spectrum itself \(tf.signal: RFFT2D") as found:
        refuse_spectrum(float_model(folder).graph)
    words = re.search(r"--frontend: (.*?), sample_rate", found.value.hint)[1]
    described = {**parse_toml(words.replace(", ", "\n").encode(), "hint"), **EDGES}
    sound = recording(1, seed=3)[:COUNT]
    wanted = log_mel(sound[None].astype(np.float32) / np.float32(32768))[0].numpy()
    given = frames_of(described, "float32", sound)
    assert given.shape == wanted.shape
    np.testing.assert_allclose(given, wanted, atol=1e-3)


@pytest.mark.parametrize(
    ("bands", "bins", "rate", "low", "high"),
    [(16, 257, 16000, 60.0, 7600.0), (64, 513, 22050, 0.0, 11025.0), (32, 129, 8000, 64.5, 3800.0)],
)
def test_a_bank_of_tf_signal_is_known_by_its_values(bands, bins, rate, low, high):
    matrix = tf.signal.linear_to_mel_weight_matrix(bands, bins, rate, low, high).numpy().T
    found = mel_bank(matrix)
    wanted = {"sample_rate": rate, "lower_edge_hertz": low, "upper_edge_hertz": high}
    assert {key: found.options[key] for key in wanted} == wanted
    assert mel_bank(matrix[::-1]) is None
    assert mel_bank(np.random.default_rng(1).uniform(0, 1, matrix.shape)) is None


def test_windows_that_no_stream_has():
    def late(samples):
        return np.lib.stride_tricks.sliding_window_view(samples[56:], 64)[::32] * np.hanning(64)

    def backwards(samples):
        return late(samples[::-1])

    def raised(samples):
        return late(samples) + 1

    for run_, why in ((late, "begins 56 samples"), (backwards, "no rows"), (raised, "more than")):
        with pytest.raises(Unlike, match=why):
            framing(run_, 1000)
