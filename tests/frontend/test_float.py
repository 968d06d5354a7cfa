"""The float form against Keras, TensorFlow, librosa and scipy; the int16 form against the float."""

import numpy as np
import pytest

from edgeq.frontend.description import read_description
from edgeq.frontend.tables import bands
from tests.frontend.reference import reference
from tests.frontend.signals import emulated, frames_of, installed, recording, snr_db
from tests.tools import need


@pytest.fixture(scope="module")
def sound():
    return recording(6)


def real(samples):
    return samples.astype(np.float32) / np.float32(32768)


def test_log_mel_is_keras_mel_spectrogram(sound):
    keras = pytest.importorskip("keras")
    options = {"fft_length": 512, "sequence_length": 400, "sequence_stride": 160}
    layer = keras.layers.MelSpectrogram(
        **options,
        sampling_rate=16000,
        num_mel_bins=64,
        min_freq=60.0,
        max_freq=7600.0,
        power_to_db=True,
        top_db=1e6,
        mag_exp=2.0,
        min_power=1e-10,
    )
    theirs = np.asarray(layer(real(sound)[None]))[0].T
    ours = {**options, "kind": "log-mel", "num_mel_bins": 64, "min_freq": 60, "max_freq": 7600}
    # Keras centres its frames; the first whole one here is its third.
    start = 2 * 160 - 256 + (512 - 400) // 2
    frames = frames_of({**ours, "log": "db", "min_power": 1e-10}, "float32", sound[start:])
    theirs = theirs[2 : 2 + len(frames)]
    frames = frames[: len(theirs)]
    assert len(frames) > 500
    # 80 dB below the loudest band, float32 holds nothing but its own rounding errors.
    exact = reference({**ours, "log": "db"}, sound[start:])[: len(frames)]
    heard = exact > exact.max(axis=1, keepdims=True) - 80
    assert heard.mean() > 0.85
    np.testing.assert_allclose(frames[heard], theirs[heard], rtol=1e-4, atol=1e-3)
    assert snr_db(exact, frames) > snr_db(exact, theirs) - 1


@pytest.mark.parametrize("power", [1, 2])
def test_spectrogram_is_scipy_stft(sound, power):
    signal = pytest.importorskip("scipy.signal")
    window = signal.get_window("hamming", 300)
    described = {
        "kind": "spectrogram", "frame_length": 300, "frame_step": 120, "fft_length": 512,
        "window": "hamming", "power": power, "log": "none",
    }  # fmt: skip
    frames = frames_of(described, "float32", sound)
    x = real(sound).astype(np.float64)
    rows = np.lib.stride_tricks.sliding_window_view(x, 300)[::120]
    theirs = np.abs(np.fft.rfft(rows * window, 512)) ** power
    np.testing.assert_allclose(frames, theirs, rtol=1e-4, atol=1e-6 * theirs.max())


def test_mfcc_is_tensorflow_signal(sound):
    tf = pytest.importorskip("tensorflow")
    described = {
        "kind": "mfcc", "frame_length": 480, "frame_step": 320, "num_mel_bins": 40,
        "lower_edge_hertz": 20, "upper_edge_hertz": 4000, "num_mfccs": 10, "power": 1,
        "log_offset": 1e-6, "log_floor": 0,
    }  # fmt: skip
    frames = frames_of(described, "float32", sound)
    stft = tf.signal.stft(real(sound), 480, 320, 512)
    weights = tf.signal.linear_to_mel_weight_matrix(40, 257, 16000, 20.0, 4000.0)
    logs = tf.math.log(tf.tensordot(tf.abs(stft), weights, 1) + 1e-6)
    theirs = tf.signal.mfccs_from_log_mel_spectrograms(logs)[..., :10].numpy()
    theirs[:, 0] /= np.sqrt(2)  # theirs is orthonormal but for the first
    np.testing.assert_allclose(frames, theirs, atol=1e-3 * np.abs(theirs).max())


def librosa_mfcc(samples, **options):
    import librosa

    mel = librosa.feature.melspectrogram(
        y=real(samples), sr=16000, n_fft=512, hop_length=320, win_length=480, center=True,
        pad_mode="constant", n_mels=40, fmin=50, fmax=7000, **options,
    )  # fmt: skip
    logs = librosa.power_to_db(mel, top_db=None)
    return librosa.feature.mfcc(S=logs, n_mfcc=13, lifter=22).T


@pytest.mark.parametrize("options", [{}, {"htk": True, "norm": None}])
def test_mfcc_is_librosa(sound, options):
    need(installed("librosa"), "the package librosa")
    described = {
        "kind": "mfcc", "sr": 16000, "n_fft": 512, "hop_length": 320, "win_length": 480,
        "center": True, "n_mels": 40, "fmin": 50, "fmax": 7000, "n_mfcc": 13, "lifter": 22,
        "log": "db", "amin": 1e-10, "mel_slopes": "hertz",
        "mel_scale": "htk" if options else "slaney", "norm": "none" if options else "slaney",
    }  # fmt: skip
    frames = frames_of(described, "float32", sound)
    theirs = librosa_mfcc(sound, **options)[: len(frames)]
    assert len(frames) > 290
    np.testing.assert_allclose(frames, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())


def test_pre_emphasis_is_one_filter_over_the_whole_recording(sound):
    signal = pytest.importorskip("scipy.signal")
    plain = {"kind": "log-mel", "window": "povey", "periodic": False}
    ours = frames_of({**plain, "pre_emphasis": 0.97}, "float32", sound)
    sharp = signal.lfilter([1, -0.97], [1], sound.astype(np.float64))
    weights = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(480) / 479)) ** 0.85
    rows = np.lib.stride_tricks.sliding_window_view(sharp / 32768, 480)[::160]
    power = np.abs(np.fft.rfft(rows * weights, 512)) ** 2
    matrix = bands(read_description(plain)).matrix(257)
    theirs = np.log(np.maximum(power @ matrix.T, 1e-10))
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-4)


FIXED = {
    "mfcc": {"kind": "mfcc", "frame_step": 320},
    "log-mel": {"kind": "log-mel", "log": "db", "norm": "slaney", "mel_scale": "slaney"},
    "emphasis": {"kind": "log-mel", "pre_emphasis": 0.97, "center": True},
    "offset": {"kind": "log-mel", "log_offset": 1e-6, "log_floor": 0, "power": 1},
    "spectrogram": {"kind": "spectrogram"},
    "magnitudes": {"kind": "spectrogram", "log": "none", "power": 1},
    "mel": {"kind": "log-mel", "log": "none"},
    "short": {"kind": "mfcc", "frame_length": 60, "frame_step": 200, "num_mel_bins": 10,
              "num_mfccs": 5, "lower_edge_hertz": 0, "upper_edge_hertz": 8000},
    "shortest": {"kind": "spectrogram", "frame_length": 8, "frame_step": 200},
    "long": {"kind": "log-mel", "frame_length": 1000, "num_mel_bins": 128},
}  # fmt: skip


@pytest.mark.parametrize("name", FIXED)
def test_int16_is_the_float_form_but_for_40_db(sound, name):
    loose = {"log_floor": 1e-10} if "log_floor" not in FIXED[name] else {}
    described = {**loose, **FIXED[name]}
    exact = frames_of(described, "float32", sound)
    fixed = frames_of(described, "int16", sound)
    assert exact.shape == fixed.shape
    assert snr_db(exact, fixed) > 40


def test_silence_is_the_floor_in_bands_narrower_than_two_hertz():
    """Their factors are above 1, and the floor was multiplied with them."""
    described = {
        "kind": "log-mel", "sample_rate": 400, "frame_length": 256, "frame_step": 128,
        "num_mel_bins": 240, "lower_edge_hertz": 5, "upper_edge_hertz": 100, "norm": "slaney",
        "log_floor": 1e-6,
    }  # fmt: skip
    assert bands(read_description(described)).norms.min() > 2
    for form in ("float32", "int16"):
        frames = frames_of(described, form, np.zeros(600, np.int16))
        np.testing.assert_allclose(frames, np.log(1e-6), atol=1e-3)


def test_the_shortest_fft_is_numpys(sound):
    """Four points, whose one stage needs no twiddles."""
    words = {"kind": "spectrogram", "frame_length": 8, "frame_step": 200, "log": "none", "power": 1}
    assert snr_db(reference(words, sound), frames_of(words, "int16", sound)) > 60


ENDS = {
    "log-mel": {},
    "mfcc": {"num_mfccs": 41, "num_mel_bins": 64, "power": 1, "lifter": 22},
    "spectrogram": {},
    "emphasis": {"kind": "log-mel", "pre_emphasis": 0.97},
    "magnitudes": {"kind": "spectrogram", "power": 1, "log_offset": 1e-14, "log_floor": 0},
}


def ends(length, counts=(2, 3, 9, 20, 50, 130, 300)):
    """Frames of a sound that ends after a few samples, where a window's weights are next to 0."""
    at = np.arange(length)
    frames = [np.where(at < count, 3000 * np.sin(0.8 * at), 0) for count in counts]
    # The last of a faint one; behind a sample that has no weight, however loud it is.
    frames.append(np.where(at < 12, at % 2 - 1, 0))
    frames.append(np.where(at < 6, at % 3 - 1, 0))
    frames[-1][0] = -32768
    return np.rint(np.concatenate(frames)).astype(np.int16)


def described_ends(name, length):
    words = {"kind": name, "frame_length": length, "frame_step": length, "log_floor": 1e-30}
    return {**words, **ENDS[name]}


@pytest.mark.parametrize("name", ENDS)
def test_a_sound_that_ends_under_the_foot_of_the_window_keeps_its_precision(name):
    """What is left of it has 13 bits less than its samples, and an FFT takes 11 more.

    So low a floor makes the steps of the coefficients large: they are what `mfcc` loses.
    """
    described = described_ends(name, 1356)
    exact = reference(described, ends(1356))
    fixed = frames_of(described, "int16", ends(1356))
    assert exact.shape == fixed.shape
    least = min(snr_db(*pair) for pair in zip(exact, fixed, strict=True))
    assert least > (40 if name == "mfcc" else 70)


@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m0plus", "rv32imc"])
def test_the_end_of_a_sound_has_the_same_bytes_on_every_core(cpu):
    emulated(described_ends("emphasis", 480), "int16", ends(480, [9]), cpu)
