"""What a front end's description may say, in whose words, and what it is told when it errs."""

import pytest

from edgeq.errors import EdgeqError, UsageError
from edgeq.frontend.build import front_end
from edgeq.frontend.description import BUILT_IN, read_description
from tests.frontend.signals import compiled


def test_three_libraries_words_mean_the_same(tmp_path):
    librosa = {
        "kind": "log-mel", "sr": 8000, "n_fft": 512, "win_length": 400, "hop_length": 160,
        "n_mels": 32, "fmin": 100, "fmax": 3000,
    }  # fmt: skip
    keras = {
        "kind": "log-mel", "sampling_rate": 8000, "fft_length": 512, "sequence_length": 400,
        "sequence_stride": 160, "num_mel_bins": 32, "min_freq": 100, "max_freq": 3000,
    }  # fmt: skip
    tflm = {
        "kind": "log-mel", "sample_rate": 8000, "window_size_ms": 50, "window_step_ms": 20,
        "num_channels": 32, "lower_band_limit": 100, "upper_band_limit": 3000,
    }  # fmt: skip
    first, *others = (read_description(words) for words in (librosa, keras, tflm))
    assert all(other == first for other in others)
    assert (first.frame_length, first.frame_step, first.fft_length) == (400, 160, 512)
    file = tmp_path / "ears.toml"
    file.write_text("\n".join(f"{k} = {v!r}" for k, v in {**librosa, "name": "front end"}.items()))
    assert read_description(file) == first


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_names_are_front_ends(name):
    assert front_end(name).name == name


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({}, "kind is missing"),
        ({"kind": "mfcc", "name": "a\nb"}, "and not a text of one line"),
        ({"kind": "mfcc", "name": "a\u202eb"}, "and not a text of one line"),
        ({"kind": "mfcc", "decision": {"labels": ["a", "b\x1b[2J"]}}, "which is not a text of"),
        ({"kind": "mfcc", "decision": {"background": ["a\n"]}}, "which is not a text of one"),
        ({"kind": "mel"}, "kind is 'mel'"),
        ({"kind": "mfcc", "n_melz": 3}, "n_melz is unknown"),
        ({"kind": "mfcc", "n_mels": 20, "num_channels": 20}, "num_mel_bins a second time"),
        ({"kind": "mfcc", "n_mels": "20"}, "num_mel_bins is '20', which is no int"),
        ({"kind": "mfcc", "n_mels": True}, "which is no int"),
        ({"kind": "mfcc", "log_floor": float("nan")}, "log_floor is nan"),
        ({"kind": "spectrogram", "n_mels": 20}, "num_mel_bins has no meaning for spectrogram"),
        ({"kind": "micro", "window": "hann"}, "window has no meaning for micro"),
        ({"kind": "micro", "precision": "float32"}, "micro is defined in integers"),
        ({"kind": "mfcc", "num_mfccs": 41}, "num_mfccs is 41, not from 1 to 40"),
        ({"kind": "mfcc", "fft_length": 500}, "no power of two"),
        ({"kind": "mfcc", "frame_length": 600, "fft_length": 512}, "frame_length is 600"),
        ({"kind": "mfcc", "fmax": 9000}, "upper_edge_hertz is 9000, not from 125 to 8000"),
        ({"kind": "mfcc", "fmin": 500, "fmax": 500}, "are the same"),
        ({"kind": "mfcc", "log": "none"}, "cepstral coefficients are of logarithms"),
        ({"kind": "mfcc", "log_floor": 0}, "silence has no logarithm"),
        ({"kind": "mfcc", "window": "kaiser"}, "window is 'kaiser'"),
        ({"kind": "mfcc", "power": 3}, "power is 3, not one of 1, 2"),
        ({"kind": "mfcc", "frame_step": 0, "frames": 0}, "frame_step is 0.*frames is 0"),
        ({"kind": "mfcc", "window_size_ms": "x"}, "window_size_ms is 'x'"),
        ({"kind": "micro", "gain_bits": 14}, "gain_bits is 14, below the 15 that 480 samples need"),
    ],
)
def test_what_makes_no_sense_is_said(words, problem):
    with pytest.raises(EdgeqError, match=problem):
        read_description(words)


def test_the_least_gain_bits_can_be_made():
    words = {"kind": "micro", "frame_length": 64, "gain_bits": 12}
    assert compiled(words, "int16").manifest["outputs"]
    assert compiled({**words, "frame_length": 480, "enable_pcan": False}, "int16")
    loud = {"gain_bits": 30, "smoothing_bits": 20, "pcan_strength": 10, "pcan_offset": 0.001}
    assert compiled({**words, **loud}, "int16")


@pytest.mark.parametrize(
    "words",
    [
        {"kind": "log-mel", "frame_length": 2, "periodic": False, "log": "none", "fft_length": 64},
        {"kind": "mfcc", "frame_length": 2, "periodic": False, "log_offset": 1, "fft_length": 64},
        {"kind": "spectrogram", "frame_length": 2, "fft_length": 8, "log_floor": 1},
    ],
)
def test_a_front_end_that_gives_nothing_but_0_is_none(words):
    with pytest.raises(EdgeqError, match="all that it can give is 0"):
        front_end(words)


def test_files_and_names_that_are_none(tmp_path):
    with pytest.raises(UsageError, match="no front end 'mfc'"):
        read_description("mfc")
    with pytest.raises(EdgeqError, match="No such file"):
        read_description(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("kind = ")
    with pytest.raises(EdgeqError, match="no TOML"):
        read_description(broken)
