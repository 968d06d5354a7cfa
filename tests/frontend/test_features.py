"""`edgeq features`: the device's own numbers for training, and recordings that cannot be used."""

import json
import struct
import wave

import numpy as np
import pytest

import edgeq
from edgeq.cli.main import main
from edgeq.data.wav import read_header, read_wav
from edgeq.errors import EdgeqError
from tests.frontend.signals import frames_of, recording


def write_wav(path, samples, rate=16000, channels=1, width=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(np.ascontiguousarray(samples).tobytes())
    return path


def write_float_wav(path, samples, rate=16000):
    data = samples.astype("<f4").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, 1,
                       rate, 4 * rate, 4, 32)  # fmt: skip
    path.write_bytes(head + struct.pack("<4sI", b"data", len(data)) + data)
    return path


@pytest.fixture
def words(tmp_path):
    sound = recording(6, seed=5)
    for number in range(4):
        piece = sound[number * 16000 :][:16000]
        write_wav(tmp_path / "words" / ("yes", "no")[number % 2] / f"{number}.wav", piece)
    return tmp_path / "words"


def run(*arguments):
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code or 0
    return 0


def test_the_file_holds_what_the_device_computes(words, tmp_path, capsys):
    out = tmp_path / "features.npz"
    code = run("features", "mfcc", "--data", words, "-o", out, "--frontend-precision", "int16",
               "--json")  # fmt: skip
    assert code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["shape"] == [4, 49, 13]
    assert (said["classes"], said["precision"]) == (["no", "yes"], "int16")
    with np.load(out) as found:
        assert found["y"].tolist() == [0, 0, 1, 1]
        sound = recording(6, seed=5)
        np.testing.assert_array_equal(found["x"][2], frames_of("mfcc", "int16", sound[:16000]))
    assert run("features", "mfcc", "--data", words, "-o", out) == 2 - 1
    assert "--force" in capsys.readouterr().err


def test_frames_pad_and_cut(words):
    write_wav(words / "no" / "short.wav", recording(1)[:9000])
    with pytest.raises(edgeq.EdgeqError, match="from 9,000 to 16,000 samples") as error:
        edgeq.features("log-mel", words)
    assert error.value.hint == "--frames 49"
    assert edgeq.features("log-mel", words, frames=30).x.shape == (5, 30, 40)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda p: write_wav(p, recording(1), rate=8000), "8,000 Hz"),
        (lambda p: write_wav(p, recording(1), channels=2), "2 channels"),
        (lambda p: write_wav(p, recording(1)[:0]), "no sample|empty|0 samples"),
        (lambda p: write_wav(p, recording(1)[:100]), "100 samples; a frame needs 480"),
        (lambda p: write_float_wav(p, np.full(16000, np.nan)), "NaN"),
        (lambda p: p.write_bytes(b"RIFF"), "wav"),
    ],
)
def test_recordings_that_cannot_be_used(tmp_path, make, problem):
    (tmp_path / "bad").mkdir()
    make(tmp_path / "bad" / "bad.wav")
    with pytest.raises(edgeq.EdgeqError, match=problem):
        edgeq.features("mfcc", tmp_path / "bad")


def test_other_widths_and_rates(tmp_path):
    sound = recording(1, seed=6)
    plain = frames_of("mfcc", "float32", sound)
    folders = [tmp_path / name for name in ("wide", "float", "slow")]
    for folder in folders:
        folder.mkdir()
    wide = np.zeros((len(sound), 3), np.uint8)
    wide[:, 1:] = sound.view(np.uint8).reshape(-1, 2)
    write_wav(folders[0] / "a.wav", wide, width=3)
    write_float_wav(folders[1] / "a.wav", sound / np.float32(32768))
    for folder in folders[:2]:
        np.testing.assert_array_equal(edgeq.features("mfcc", folder).x[0], plain)
    write_wav(folders[2] / "a.wav", sound[::2], rate=8000)
    slow = edgeq.features(
        "mfcc", folders[2], dataset_options=edgeq.DatasetOptions(resample=True), frames=49
    )
    assert slow.x.shape == (1, 49, 13)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 48000])
def test_recordings_of_other_rates_are_as_long_as_they_last(rate, tmp_path):
    """As many frames as the file has samples: two thirds of silence, or half of it cut away."""
    from scipy.signal import resample_poly

    t = np.arange(rate) / rate
    tone = np.rint(9000 * np.sin(2 * np.pi * 440 * t) * (1 + np.sin(9 * t))).astype(np.int16)
    for name in "ab":
        write_wav(tmp_path / "set" / name / "0.wav", tone, rate=rate)
    options = edgeq.DatasetOptions(resample=True)
    alone = edgeq.features("mfcc", tmp_path / "set" / "a" / "0.wav", dataset_options=options)
    assert alone.x.shape == (1, 49, 13)
    common = np.gcd(rate, 16000)
    other = resample_poly(tone / 32768, 16000 // common, rate // common, window=("kaiser", 5.0))
    right = frames_of("mfcc", "float32", np.rint(other[:16000] * 32768).astype(np.int16))
    assert np.abs(alone.x[0] - right)[2:-2].max() < 1.0
    both = edgeq.features("mfcc", tmp_path / "set", dataset_options=options)
    assert np.array_equal(both.x, np.repeat(alone.x, 2, axis=0))
    write_wav(tmp_path / "set" / "a" / "1.wav", recording(1, seed=6))  # of 16 kHz, among them
    assert edgeq.features("mfcc", tmp_path / "set", dataset_options=options).x.shape == (3, 49, 13)
    with pytest.raises(edgeq.EdgeqError, match=f"has {rate:,} Hz; the model takes 16,000 Hz"):
        edgeq.features("mfcc", tmp_path / "set")


def test_keras_layer_and_tf_data_call_the_same_c():
    tf = pytest.importorskip("tensorflow")
    sound = recording(2, seed=7).reshape(2, 16000)
    exact = np.stack([frames_of("mfcc", "int16", row) for row in sound])
    layer = edgeq.feature_layer("mfcc", "int16")
    assert layer.compute_output_shape((None, 16000)) == (None, 49, 13)
    np.testing.assert_array_equal(layer(tf.constant(sound)).numpy(), exact)
    pairs = tf.data.Dataset.from_tensor_slices((sound, [3, 4]))
    mapped = list(pairs.map(edgeq.feature_map("mfcc", "int16")))
    np.testing.assert_array_equal(np.stack([x.numpy() for x, _ in mapped]), exact)
    assert [int(y) for _, y in mapped] == [3, 4]


def test_keras_layer_and_tf_data_know_how_many_frames_of_axes_and_cameras_there_are():
    """Only the first axis of a recording was counted: tf.data refused its own frames."""
    tf = pytest.importorskip("tensorflow")
    motion = {"kind": "motion", "axes": 3, "unit": 0.001, "frame_length": 200, "frame_step": 100,
              "statistics": ["mean", "std"]}  # fmt: skip
    camera = {"kind": "image", "width": 32, "height": 24, "out_width": 16, "out_height": 16}
    rng = np.random.default_rng(3)
    moved = rng.normal(0, 0.3, (2, 1000, 3)).astype(np.float32)
    seen = rng.integers(0, 256, (2, 24, 32, 3), np.uint8)
    for front, data, shape in [(motion, moved, (9, 6)), (camera, seen, (1, 768))]:
        with edgeq.Extractor(front) as extract:
            exact = np.stack([extract(each) for each in data])
        layer = edgeq.feature_layer(front)
        assert exact.shape == (2, *shape)
        assert layer.compute_output_shape((None, *data.shape[1:])) == (None, *shape)
        np.testing.assert_array_equal(layer(tf.constant(data)).numpy(), exact)
        mapped = tf.data.Dataset.from_tensor_slices(data).map(edgeq.feature_map(front)).batch(2)
        assert mapped.element_spec.shape == (None, *shape)
        np.testing.assert_array_equal(next(iter(mapped)).numpy(), exact)


@pytest.mark.parametrize("frames", [2_000_000_000, 10**30, 100_000_000])
def test_frames_that_no_memory_holds(words, frames):
    with pytest.raises(EdgeqError, match="samples of each recording"):
        edgeq.features("micro", words, frames=frames, limit=1)


@pytest.mark.parametrize("name", ["a.npz", "a.npz:x,y", "a.npz:x", "x.npy,y.npy", "b.npz"])
def test_labels_beside_arrays_are_kept(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    samples = np.random.default_rng(0).normal(0, 0.1, (6, 2720)).astype(np.float32)
    labels = np.array([0, 2, 1, 1, 0, 2])
    np.savez("a.npz", x=samples, y=labels)
    np.savez("b.npz", x=samples)
    np.save("x.npy", samples)
    np.save("y.npy", labels)
    edgeq.features("log-mel", name, "features.npz", frames=8)
    with np.load("features.npz") as found:
        assert ("y" in found) == (name not in ("a.npz:x", "b.npz"))
        assert "y" not in found or found["y"].tolist() == labels.tolist()


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_what_follows_samples_of_unknown_length_is_not_heard(tmp_path, size):
    sound = recording(0.2)
    file = write_wav(tmp_path / "s.wav", sound)
    plain = bytearray(file.read_bytes())
    plain[40:44] = struct.pack("<I", size)
    tags = struct.pack("<4sI", b"LIST", 27) + b"INFO" + bytes(24) + struct.pack("<4sI", b"id3 ", 0)
    none = b"LIST" + bytes(2) + b"LIST"  # in the samples themselves
    heard = sound.tobytes()
    for more, added in ((b"", b""), (tags, b""), (tags[:-9], b""), (none, none)):
        file.write_bytes(plain + more)
        _, values = read_wav(file.read_bytes(), "s.wav")
        assert (values * 32768).astype("<i2").tobytes() == heard + added
        assert read_header(file).frames == len(values)


def test_many_names_of_chunks_are_samples_in_time(tmp_path):
    file = write_wav(tmp_path / "s.wav", np.zeros(4, "<i2"))
    content = bytearray(file.read_bytes()) + (b"JUNK" + bytes(4)) * 500_000 + b"end."
    content[40:44] = bytes(4)
    file.write_bytes(content)
    assert read_header(file).frames == (len(content) - 44) // 2


def test_one_quiet_recording(tmp_path, capsys):
    """As loud as speech is, a tenth of what can be: no data that was scaled wrongly."""
    sound = recording(6, seed=5)[:16000] // 10
    file = write_wav(tmp_path / "one.wav", sound)
    assert run("features", "mfcc", "--data", file, "-o", tmp_path / "x.npz") == 0
    assert capsys.readouterr().err == ""
    with np.load(tmp_path / "x.npz") as found:
        np.testing.assert_array_equal(found["x"], frames_of("mfcc", "float32", sound)[None])


@pytest.mark.parametrize(("length", "count"), [(100, 40), (480, 40), (480, 128)])
def test_bands_of_the_kind_micro_without_a_bin_are_told(length, count, tmp_path, capsys):
    """What never changes, of noise that is as loud in all bands, is what the words name."""
    ears = tmp_path / "ears.toml"
    ears.write_text(f'kind = "micro"\nframe_length = {length}\nnum_mel_bins = {count}\n')
    noise = np.random.default_rng(0).normal(0, 4000, 32000).clip(-32768, 32767).astype(np.int16)
    write_wav(tmp_path / "s.wav", noise)
    output = tmp_path / "f.npz"
    assert run("features", ears, "--data", tmp_path / "s.wav", "-o", output) == 0
    said = capsys.readouterr().err
    constant = np.flatnonzero(np.ptp(np.load(output)["x"][0], axis=0) == 0).tolist()
    assert bool(constant) == ((length, count) != (480, 40))
    assert ("bands" in said) == bool(constant)
    if constant:
        named = ", ".join(map(str, constant[:8]))
        words = f"{len(constant)} of {count} bands hold no bin of the spectrum"
        assert f"{words} and are always silent ({named}" in said
        assert "a larger frame_length" in said


@pytest.mark.parametrize(
    ("length", "fft", "count"), [(48, 64, 40), (400, 512, 128), (400, 512, 20)]
)
def test_bands_without_a_bin_are_told(length, fft, count, tmp_path, capsys):
    """They are log(1e-10) for ever, and a model learns nothing of them."""
    import tensorflow as tf

    (tmp_path / "ears.toml").write_text(
        f'kind = "log-mel"\nsample_rate = 16000\nframe_length = {length}\nframe_step = 160\n'
        f"num_mel_bins = {count}\nlower_edge_hertz = 20\nupper_edge_hertz = 7600\n"
    )
    write_wav(tmp_path / "s.wav", recording(1))
    output = tmp_path / "f.npz"
    assert run("features", tmp_path / "ears.toml", "--data", tmp_path / "s.wav", "-o", output) == 0
    said = capsys.readouterr().err
    matrix = tf.signal.linear_to_mel_weight_matrix(count, fft // 2 + 1, 16000, 20, 7600).numpy()
    silent = np.flatnonzero(~matrix.any(axis=0)).tolist()
    constant = np.flatnonzero(np.ptp(np.load(output)["x"][0], axis=0) == 0).tolist()
    assert constant == silent
    assert bool(silent) == (count != 20)
    named = ", ".join(map(str, silent[:8]))
    words = (
        f"{len(silent)} of {count} bands hold no bin of the spectrum and are always silent ({named}"
    )
    assert (words in said) == bool(silent)
    assert ("bands" in said) == bool(silent)


def test_threads_that_share_a_front_end_take_turns():
    """As tf.data calls it with num_parallel_calls: the C has memory of its own."""
    from concurrent.futures import ThreadPoolExecutor

    sound = recording(8, seed=9)[: 16 * 8000].reshape(16, 8000)
    with edgeq.Extractor("mfcc", "int16") as extract:
        exact = [extract(row) for row in sound]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(extract, np.tile(sound, (8, 1))))
    np.testing.assert_array_equal(found, np.tile(exact, (8, 1, 1)))


def test_int16_values_as_floats_are_no_sound_from_minus_1_to_1():
    """They were clipped, and the features were those of a square wave."""
    sound = recording(1, seed=5)
    with edgeq.Extractor("mfcc", "int16") as extract:
        for samples in (sound.astype(np.float32), sound.astype(np.float64) / 256):
            with pytest.raises(EdgeqError, match="as floats they go from -1 to 1"):
                extract(samples)
        loud = sound / 32768 * 2  # a gain goes beyond, and saturates as in a microphone
        assert extract(loud).shape == extract(sound).shape
        assert np.array_equal(extract(sound / 32768), extract(sound))
