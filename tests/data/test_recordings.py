"""Recordings: rates, lengths, codings."""

import struct

import numpy as np
import pytest

import edgeq
from edgeq.data import resampling
from edgeq.data.wav import read_header
from edgeq.errors import EdgeqError
from tests.data import digits

pytest.importorskip("tensorflow")
pytest.importorskip("sklearn")


def evaluate(model, data, **values):
    return edgeq.evaluate(model, data=data, dataset_options=digits.options(**values))


def _waves(folder, rate, kind="pcm16"):
    data, _ = digits.wav_folder(kind, rate)(folder, digits.load())
    return data


def test_the_rate_of_recordings(tmp_path, cli, wave_model, right):
    """Known, or said to be unknown; another one is refused; a mix is refused."""
    data = _waves(tmp_path, 8000)
    arguments = ["evaluate", wave_model, "--data", data, "--mean", 0.25, "--std", 0.25]
    unknown = cli(*arguments)
    assert unknown.code == 0
    assert "Recordings of 8,000 Hz; what the model takes is not known" in unknown.err
    known = cli(*arguments, "--sample-rate", 8000)
    assert f"accuracy {right:.4f}" in known.out
    assert not known.err
    other = cli(*arguments, "--sample-rate", 16000)
    assert other.code == 1
    assert "has 8,000 Hz; the model takes 16,000 Hz" in other.err
    assert ".wav" in other.err
    odd = max(data.rglob("*.wav"))
    odd.write_bytes(digits.wav_bytes(np.zeros(64), 16000))
    mixed = cli(*arguments)
    assert mixed.code == 1
    assert "different sample rates: 8,000 Hz and 16,000 Hz" in mixed.err
    assert odd.name in mixed.err
    assert cli(*arguments, "--sample-rate", 0).code == 2


def test_resampling_when_asked(tmp_path, wave_model):
    """As scipy resamples the same recordings, judged by scikit-learn."""
    signal = pytest.importorskip("scipy.signal")
    values = digits.load().pixels.reshape(-1, 64) / 480
    doubled = np.round(signal.resample_poly(values, 2, 1, axis=1) * 32768) / 32768

    def save(pixels, path):
        row = (digits.load().pixels == pixels).all(axis=(1, 2)).argmax()
        path.with_suffix(".wav").write_bytes(digits.wav_bytes(doubled[row], 16000))

    data = digits._folders(tmp_path, digits.load(), save)
    found = edgeq.evaluate(
        wave_model, data=data,
        dataset_options=digits.options(
            normalization=digits.WAVES, sample_rate=8000, resample=True
        ),
    )  # fmt: skip
    back = signal.resample_poly(doubled, 1, 2, axis=1) * 480
    assert found.score.value == pytest.approx(digits.load().accuracy(back))
    assert any("resampled to 8,000 Hz (120 samples" in note for note in found.data.notes)


def test_the_rate_travels_in_the_model(tmp_path, cli):
    data = _waves(tmp_path, 8000)
    digits.keras_model((64, 1)).save(tmp_path / "w.keras")
    model = tmp_path / "w.tflite"
    done = cli(
        "convert", tmp_path / "w.keras", "-o", model, "--data", data, "--mean", 0.25,
        "--std", 0.25, "--sample-rate", 8000,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert cli("evaluate", model, "--data", data).code == 0
    (tmp_path / "fast").mkdir()
    refused = cli("evaluate", model, "--data", _waves(tmp_path / "fast", 16000))
    assert refused.code == 1
    assert "the model takes 8,000 Hz" in refused.err
    refused = cli("evaluate", model, "--data", data, "--sample-rate", 16000)
    assert "--sample-rate 16000 is given; the model takes 8,000 Hz" in refused.err


def test_recordings_that_are_damaged_or_coded(tmp_path, wave_model):
    data = _waves(tmp_path, 8000)
    file = min(data.rglob("*.wav"))
    whole = file.read_bytes()
    coded = whole[:20] + struct.pack("<H", 7) + whole[22:]
    for content, words in (
        (whole[:-10], "cut off: 128 bytes are promised, 118 follow"),
        (coded, "coded as µ-law"),
        (b"", "no .wav file"),
        (whole[:30], "no header, or it is damaged"),
    ):
        file.write_bytes(content)
        with pytest.raises(EdgeqError, match=words) as caught:
            evaluate(wave_model, data, normalization=digits.WAVES)
        assert file.name in caught.value.where


def test_long_and_short_recordings_are_said(tmp_path, wave_model):
    data = _waves(tmp_path, 8000)
    first, second = sorted(data.rglob("*.wav"))[:2]
    first.write_bytes(digits.wav_bytes(np.zeros(100), 8000))
    second.write_bytes(digits.wav_bytes(np.zeros(10), 8000))
    found = evaluate(wave_model, data, normalization=digits.WAVES)
    assert any("cut at the end (1 sample, first" in warning for warning in found.data.warnings)
    assert any("padded with silence (1 sample" in note for note in found.data.notes)


@pytest.mark.parametrize(("rate", "wanted"), [(44_100, 16_000), (16_000, 22_050), (8_000, 16_000)])
def test_long_recordings_are_resampled_in_blocks(monkeypatch, rate, wanted):
    signal = pytest.importorskip("scipy.signal")
    monkeypatch.setattr(resampling, "_BLOCK", 1000)
    values = np.random.default_rng(0).normal(size=(5_000, 2)).astype(np.float32)
    common = np.gcd(rate, wanted)
    wanted_values = signal.resample_poly(values.astype(float), wanted // common, rate // common)
    found = resampling.resample(values, rate, wanted)
    assert found.shape == wanted_values.shape
    np.testing.assert_allclose(found, wanted_values, atol=1e-6)


@pytest.mark.parametrize("rate", [1, 3, 99, 768_001, 767_999, 1 << 31, (1 << 32) - 1])
def test_rates_that_no_recording_has(cli, tmp_path, rate):
    """The filter's length is that of the ratio: 32 KB asked for 128 GiB."""
    content = bytearray(digits.wav_bytes(np.zeros(8000), 8000))
    content[24:28] = struct.pack("<I", rate)
    (tmp_path / "x.wav").write_bytes(bytes(content))
    words = ["mfcc", "--data", tmp_path, "-o", tmp_path / "f.npz", "--resample"]
    done = cli("features", *words)
    assert done.code == 1
    assert f"at {rate:,} Hz are not resampled" in done.err
    assert "x.wav" in done.err


def test_a_ratio_that_makes_too_many_values():
    with pytest.raises(EdgeqError, match="at most 268,435,456 values"):
        resampling.resample(np.zeros((1 << 17, 1), np.float32), 100, 384_000)


def test_a_long_chunk_before_the_samples_may_hold_the_word_data(tmp_path):
    plain = digits.wav_bytes(np.linspace(-0.5, 0.5, 64), 16000)
    text = b"some data of the session " * 4000
    chunk = b"LIST" + struct.pack("<I", len(text)) + text
    (tmp_path / "a.wav").write_bytes(plain[:36] + chunk + plain[36:])
    found = read_header(tmp_path / "a.wav")
    assert (found.frames, found.start) == (64, 44 + len(chunk))
