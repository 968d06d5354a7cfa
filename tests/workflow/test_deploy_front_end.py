"""`edgeq deploy --frontend`: what is compiled, measured and judged begins with samples."""

import json

import numpy as np
import pytest

from tests.analysis.evaluation.test_recordings import place  # noqa: F401  (a fixture)
from tests.frontend.signals import recording
from tests.frontend.test_features import run
from tests.frontend.test_image import picture


def test_from_samples_to_events(place, capsys):  # noqa: F811
    target = ("-t", "nucleo-f446re", "-n", 3)
    files = ("--frontend", "ears.toml", "--recordings", "heard", "-o", "out")
    assert run("deploy", "louder.tflite", *files, *target, "--json") == 0, capsys.readouterr().err
    found = json.loads(capsys.readouterr().out)
    assert found["met"]
    assert (found["events"]["found"], found["events"]["misses"]) == (3, 1)
    checks = [(check["on"], check["against"]) for check in found["verify"]]
    assert checks[-1] == ("sim:nucleo-f446re", "c")
    assert "tflm" in checks[0][1]
    assert all(check["equal"] for check in found["verify"])
    stages = [op["op"] for op in found["profile"]["ops"]]
    assert stages[0] == "FRONTEND_WINDOW"
    assert stages[-1] == "FRONTEND_DECISION"
    assert found["account"]["image"]["golden"]
    assert "louder_push" in (place / "out" / "c" / "louder.h").read_text()
    assert "DET curve" in (place / "out" / "report.html").read_text()
    manifest = json.loads((place / "out" / "manifest.json").read_text())["manifest"]
    assert set(manifest["sources"]) == {"model", "frontend", "recordings"}
    assert "frontend" not in manifest["configuration"]
    assert run("deploy", "louder.tflite", "--recordings", "heard", "-o", "no", *target) == 2
    (place / "edgeq.toml").write_text(
        '[deploy]\nmodel = "louder.tflite"\nfrontend = "ears.toml"\nrecordings = "heard"\n'
        'output = "again"\ntarget = "nucleo-f446re"\nverify = 2\nfrontend_precision = "int16"\n'
    )
    capsys.readouterr()
    assert run("deploy") == 0
    assert "3 of 4 found, 1 false accepts" in capsys.readouterr().out


@pytest.mark.slow
def test_a_keras_model_that_begins_with_a_front_end(tmp_path, cli):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(1)
    given = keras.Input((4000, 1))
    x = layers.STFTSpectrogram(frame_length=200, frame_step=200, name="stft")(given)
    x = layers.Conv1D(6, 5, activation="relu")(x)
    model = keras.Model(given, layers.Dense(3, activation="softmax")(x[:, -1]))
    model.save(tmp_path / "net.keras")
    sound = recording(9)[: 36 * 4000].reshape(36, 4000).astype(np.float32) / np.float32(32768)
    labels = np.asarray(keras.ops.argmax(model(sound[..., None]), -1))
    np.savez(tmp_path / "clips.npz", x=sound, y=labels)
    clips, out = tmp_path / "clips.npz", tmp_path / "out"
    target = ("-t", "cortex-m4", "-n", 2, "--sample-rate", "8000", "--json")
    done = cli("deploy", tmp_path / "net.keras", "--data", clips, "--eval", clips, "-o", out,
               *target)  # fmt: skip
    assert done.code == 0, done.err
    found = done.json
    assert found["conversion"]["frontend"]["output"] == "net.frontend.toml"
    assert found["conversion"]["frontend"]["layer"] == "stft (STFTSpectrogram)"
    assert "sample_rate = 8000" in (out / "net.frontend.toml").read_text()
    assert found["evaluation"]["float"]["accuracy"] > 0.95  # the labels are what Keras says
    assert found["evaluation"]["integer"]["accuracy"] > 0.85
    assert found["profile"]["ops"][0]["op"] == "FRONTEND_WINDOW"
    assert found["layers"]
    assert "net_push" in (out / "c" / "net.h").read_text()
    manifest = json.loads((out / "manifest.json").read_text())["manifest"]
    assert "net.frontend.toml" in manifest["files"]
    refused = cli("deploy", tmp_path / "net.keras", "--data", clips, "--frontend", "micro",
                  "-o", tmp_path / "no", *target)  # fmt: skip
    assert refused.code == 2
    assert "begins with one, the layer stft" in refused.err

    steps = cli("deploy", tmp_path / "net.keras", "--data", clips, "--stream", 1, "-o",
                tmp_path / "steps", *target)  # fmt: skip
    assert steps.code == 0, steps.err
    assert steps.json["conversion"]["stream"]["window"] == 20
    assert steps.json["profile"]["model"]["macs"] < found["profile"]["model"]["macs"] / 5
    windows = cli("deploy", tmp_path / "net.keras", "--data", clips, "--stream", 1, "--eval", clips,
                  "-o", tmp_path / "no", *target)  # fmt: skip
    assert windows.code == 2
    assert "whole windows" in windows.err


@pytest.mark.slow
def test_a_keras_model_that_begins_with_resizing(tmp_path, cli):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(1)
    given = keras.Input((60, 80, 3))
    x = layers.Rescaling(1 / 255)(layers.Resizing(28, 36)(layers.CenterCrop(56, 72)(given)))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, strides=2, activation="relu")(x))
    model = keras.Model(given, layers.Dense(3, activation="softmax")(x))
    model.save(tmp_path / "net.keras")
    frames = np.stack([picture(seed=seed) for seed in range(16)])
    labels = np.asarray(model(frames.astype(np.float32))).argmax(1)
    np.savez(tmp_path / "frames.npz", x=frames, y=labels)
    (tmp_path / "edgeq.toml").write_text(
        '[deploy]\nmodel = "net.keras"\ndata = "frames.npz"\neval = "frames.npz"\nverify = 2\n'
        'image_front_end = true\noutput = "out"\n'
    )
    done = cli("deploy", tmp_path / "edgeq.toml", "--json")
    assert done.code == 0, done.err
    found, out = done.json, tmp_path / "out"
    assert "RESIZE_BILINEAR" not in {op["op"] for op in found["profile"]["ops"]}
    assert found["profile"]["ops"][0]["op"].startswith("FRONTEND_")
    assert found["evaluation"]["float"]["accuracy"] == 1
    assert found["evaluation"]["integer"]["accuracy"] > 0.8
    assert [check["equal"] for check in found["verify"]] == [True] * 3  # c, sim, sim with frames
    assert found["layers"]
    assert "net_push" in (out / "c" / "net.h").read_text()
    assert 'format = "rgb888"' in (out / "net.frontend.toml").read_text()
    image = ("--image-front-end", "-t", "cortex-m4")
    refused = cli("deploy", out / "net.tflite", *image, "-o", tmp_path / "no")
    assert (refused.code, "this one is integer" in refused.err) == (2, True)
