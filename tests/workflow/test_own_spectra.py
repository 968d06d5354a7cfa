"""Models that compute a spectrum themselves: converted, run on samples, held against themselves."""

import subprocess
import sys

import numpy as np
import pytest

from edgeq.frontend.description import read_description
from tests.frontend.signals import recording

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow
COUNT = 8000
MODULE = """
import keras
import tensorflow as tf

class LogMel(keras.layers.Layer):
    def call(self, x):
        bank = tf.signal.linear_to_mel_weight_matrix(20, 257, 16000, 60.0, 7600.0)
        power = tf.square(tf.abs(tf.signal.stft(x, 480, 320, 512)))
        return tf.math.log(tf.tensordot(power, bank, 1) + 1e-6)
"""
KERAS = """
import keras, own_spectra
keras.utils.set_random_seed(3)
x = keras.Input((8000,), name="audio")
y = keras.layers.Rescaling(1 / 10, 0.5)(own_spectra.LogMel()(x))
y = keras.layers.Conv1D(8, 5, strides=2, activation="relu")(y)
y = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling1D()(y))
keras.Model(x, y).save("net.keras")
model = keras.Model(x, y)
model.export("net", verbose=False)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """net.keras with a layer of one's own, net/ (a SavedModel), clips.npz with its answers."""
    folder = tmp_path_factory.mktemp("own_spectra")
    (folder / "own_spectra.py").write_text(MODULE)
    subprocess.run([sys.executable, "-c", KERAS], cwd=folder, check=True, capture_output=True)
    sound = recording(13, seed=2)[: 24 * COUNT].reshape(24, COUNT) / np.float32(32768)
    net = tf.saved_model.load(str(folder / "net"))
    np.savez(folder / "clips.npz", x=sound, y=net.serve(sound).numpy().argmax(1))
    return folder


def test_a_saved_model_from_samples_to_scores(place, cli, tmp_path):
    output, clips = tmp_path / "kws.tflite", place / "clips.npz"
    found = cli("convert", place / "net", "--data", clips, "-o", output, "--eval", clips,
                "--json")  # fmt: skip
    assert found.code == 0, found.err
    front = found.json["frontend"]
    assert "(spectrum)" in front["layer"]
    assert front["float_signal_to_noise_db"] is None or front["float_signal_to_noise_db"] > 80
    described = read_description(tmp_path / "kws.frontend.toml")
    assert (described.kind, described.num_mel_bins, described.log_offset) == ("log-mel", 20, 1e-6)
    judged = cli("evaluate", output, "--data", clips, "--on", "c", "--also-on", "sim:cortex-m4",
                 "--limit", 4, "--json")  # fmt: skip
    assert judged.code == 0, judged.err
    assert judged.json["also_on"]["equal"] == 4
    compared = cli("evaluate", output, "--data", clips, "--on", "c", "--against", place / "net",
                   "--json")  # fmt: skip
    assert compared.code == 0, compared.err
    assert compared.json["accuracy"] > 0.85


def test_a_layer_of_ones_own(place, cli, tmp_path):
    output, clips = tmp_path / "kws.tflite", place / "clips.npz"
    found = cli("convert", place / "net.keras", "--import", place / "own_spectra.py", "--data",
                clips, "-o", output)  # fmt: skip
    assert found.code == 0, found.err
    assert "became a front end" in found.err + found.out
    assert read_description(tmp_path / "kws.frontend.toml").upper_edge_hertz == 7600


def test_samples_as_integers_have_them(place, cli, tmp_path):
    with np.load(place / "clips.npz") as clips:
        np.save(tmp_path / "loud.npy", np.rint(clips["x"] * 32768).astype(np.float32))
    found = cli("convert", place / "net", "--data", tmp_path / "loud.npy", "-o",
                tmp_path / "kws.tflite", "--json")  # fmt: skip
    assert found.code == 0, found.err
    front = found.json["frontend"]
    assert front["description"]["log_offset"] == pytest.approx(1e-6 / 32768**2)
    assert front["float_signal_to_noise_db"] > 80
    assert found.json["quality"]["signal_to_noise_db"] > 25


def test_schemes_are_compared_behind_it(place, cli):
    clips = place / "clips.npz"
    found = cli("convert", place / "net", "--data", clips, "--eval", clips, "--compare",
                "float32,int8", "--on", "c", "--json")  # fmt: skip
    assert found.code == 0, found.err
    assert [row["error"] for row in found.json["schemes"]] == [None, None]
    assert found.json["schemes"][0]["evaluation"]["accuracy"] == 1
