"""docs/frontends.md: its commands run, its C is what is generated, no option is left out."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from edgeq.frontend.build import front_end
from edgeq.frontend.description import _OTHER_NAMES, BUILT_IN, Description
from edgeq.frontend.image import Image
from edgeq.frontend.motion import Motion
from edgeq.model.decision import Decision
from edgeq.model.detection import Anchors, Detection
from edgeq.support.foreign import parse_toml
from tests.frontend.signals import recording
from tests.frontend.test_features import run, write_wav

DETECTORS = (Path(__file__).parents[2] / "docs" / "detectors.md").read_text()
PAGE = (Path(__file__).parents[2] / "docs" / "frontends.md").read_text()


def save_keras(path):
    """A model of a second of sound that begins with a front end."""
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(0)
    keras.Sequential(
        [
            keras.Input((16000,)),
            layers.MelSpectrogram(512, 320, num_mel_bins=20, min_freq=60, name="mel"),
            layers.Permute((2, 1)),
            layers.Conv1D(8, 5, strides=2, activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(4),
        ]
    ).save(path)


def save_signal(path):
    """A SavedModel of a second of sound that computes its spectrum itself."""
    tf = pytest.importorskip("tensorflow")

    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 16000), tf.float32, name="audio")])
        def __call__(self, x):
            bank = tf.signal.linear_to_mel_weight_matrix(20, 257, 16000, 60.0, 7600.0)
            power = tf.square(tf.abs(tf.signal.stft(x, 480, 320, 512)))
            return tf.reduce_mean(tf.math.log(tf.tensordot(power, bank, 1) + 1e-6), 1)

    tf.saved_model.save(Net(), str(path))


@pytest.mark.slow
def test_the_commands_run(tmp_path, monkeypatch, models):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kws.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])
    (tmp_path / "kws_int8.tflite").write_bytes((models / "kws_int8.tflite").read_bytes())
    sound = recording(4, seed=8)
    for label in range(12):
        piece = np.roll(sound, 999 * label)[:16000]
        write_wav(tmp_path / "recordings" / f"{label:02}" / "a.wav", piece)
    write_wav(tmp_path / "hour.wav", sound)
    write_wav(tmp_path / "heard" / "a.wav", sound)
    (tmp_path / "heard" / "events.csv").write_text("file,start,end,label\na.wav,1,2,3\n")
    save_keras(tmp_path / "kws.keras")
    save_signal(tmp_path / "saved_model")
    lines = re.findall(r"^\$ edgeq (.*?)(?:  #.*)?$", PAGE, re.MULTILINE)
    assert len(lines) >= 6
    for line in lines:
        assert run(*shlex.split(line)) == 0, line
    with np.load("features.npz") as found:
        assert found["x"].shape == (12, 49, 10)
    assert np.load("answers.npy").shape == (4, 12)
    header = (tmp_path / "kws" / "kws_int8.h").read_text().replace("KWS_INT8", "KWS")
    for macro in re.findall(r"#define KWS_\w+ \d+", PAGE):
        assert f"{macro}\n" in header, macro


def test_every_option_stands_on_the_page():
    for kind in (Description, Motion, Image):
        for field in fields(kind):
            said = re.search(rf"(`|^){field.name}(`| = )", PAGE, re.MULTILINE)
            assert said or field.name == "name", field.name
    for field in fields(Decision):
        assert f"`{field.name}`" in PAGE or field.name == "times_ms", field.name
    assert all(f"`{name}`" in PAGE for name in (*_OTHER_NAMES, *BUILT_IN))


def test_no_option_of_a_detector_is_left_out():
    """And the page's file is one."""
    given = parse_toml(re.search(r"```toml\n(.*?)```", DETECTORS, re.DOTALL)[1].encode(), "page")
    front = front_end(given)
    assert isinstance(front.decision, Detection)
    assert len(front.decision.anchors.levels) == 2
    assert front.decision.threshold == {"person": 0.6}
    renamed = {"threshold": "score_threshold"}
    for kind in (Detection, Anchors):
        for field in fields(kind):
            assert f"`{renamed.get(field.name, field.name)}`" in DETECTORS.replace(
                "anchors.kind", "kind` `anchors"
            ), field.name
