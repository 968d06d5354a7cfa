"""What leaves convert computes what the float model computes, or convert says that it does not."""

import json

import numpy as np
import pytest

import edgeq
from edgeq.conversion.proof import quality as proof
from edgeq.conversion.proof.agreement import NO_SIGNAL_DB, Closeness
from edgeq.errors import LimitError
from tests.conversion import nets

keras = pytest.importorskip("keras")


def snr(wanted, found):
    return 10 * np.log10((wanted**2).sum() / ((wanted - found) ** 2).sum())


@pytest.fixture(scope="module")
def dense():
    """Six numbers to five, as a float .tflite; Keras is not needed any more then."""
    keras, layers = nets._keras()
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), layers.Dense(5)])
    return edgeq.convert(model, scheme="float16").float_model


@pytest.fixture
def files(dense, tmp_path):
    """The model, data like it, and data 150 times as large, as files."""
    x = np.random.default_rng(1).normal(0, 1, (60, 6)).astype(np.float32)
    (tmp_path / "m.tflite").write_bytes(dense.data)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "large.npy", 150 * x)
    np.savez(tmp_path / "eval.npz", x=x, y=np.zeros(60, np.int64))
    return tmp_path


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_the_figures_are_those_of_the_outputs(scheme):
    model, _ = nets.classifier()
    (x,) = nets.samples_for(model, 80)
    made = edgeq.convert(model, data=x, scheme=scheme)
    (output,) = made.quality.outputs
    (wanted,), (found,) = nets.run(made.float_model.data, [x]), nets.run(made.data, [x])
    step = 1 / 256 if scheme == "int8" else 1 / 32768
    assert made.quality.samples == 80
    assert output.signal_to_noise_db == pytest.approx(snr(wanted, found), abs=0.1)
    assert output.max_difference == pytest.approx(np.abs(wanted - found).max(), abs=1e-5)
    assert output.max_difference_steps == pytest.approx(output.max_difference / step, rel=1e-3)
    same = (wanted.argmax(-1) == found.argmax(-1)).mean()
    assert output.top1_agreement == pytest.approx(same)
    assert output.logits_db > 15
    assert made.quality.verdict == "good"
    assert made.warnings == () or "signal-to-noise" not in " ".join(made.warnings)


def test_a_wrong_model_is_refused_and_leaves_no_file(cli, files):
    args = ("convert", files / "m.tflite", "-o", files / "q.tflite", "--data", files / "large.npy")
    done = cli(*args, "--eval", files / "eval.npz")
    assert done.code == 3
    assert not (files / "q.tflite").exists()
    assert "signal-to-noise" in done.err
    assert "--accept-loss" in done.err
    assert "Most of the error comes from" in done.err
    accepted = cli(*args, "--eval", files / "eval.npz", "--accept-loss", "--json")
    assert accepted.code == 0
    assert (files / "q.tflite").exists()
    assert accepted.json["quality"]["verdict"] == "failed"
    assert accepted.json["quality"]["signal_to_noise_db"] < 3
    assert "signal-to-noise" in accepted.err
    unchecked = cli(*args, "--eval", files / "eval.npz", "--no-quality-check", "--force", "--json")
    assert unchecked.code == 0
    assert unchecked.json["quality"] is None
    assert "signal-to-noise" not in unchecked.err


def test_python_raises_a_limit_error(files):
    x = np.load(files / "x.npy")
    with pytest.raises(LimitError, match="signal-to-noise"):
        edgeq.convert(files / "m.tflite", data=150 * x, eval_data=(x, np.zeros(60, int)))


def test_a_good_model_says_so_in_text_and_json(cli, files):
    args = ("convert", files / "m.tflite", "-o", files / "q.tflite", "--data", files / "x.npy")
    done = cli(*args)
    assert done.code == 0
    assert "quality: good, 60 samples" in done.out
    assert "signal-to-noise" not in done.err
    found = cli(*args, "--force", "--json").json["quality"]
    assert found["verdict"] == "good"
    assert found["signal_to_noise_db"] == found["outputs"][0]["signal_to_noise_db"] > 25
    assert found["limits"] == {"warn_db": 10.0, "fail_db": 3.0, "agreement": 0.5}


def detector():
    """Boxes in pixels beside scores between 0 and 1, joined; and what it is joined of."""
    keras, layers = nets._keras()
    source = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(8, 3, activation="relu")(source)
    boxes = layers.Rescaling(320.0)(layers.Conv2D(4, 1, activation="sigmoid")(hidden))
    scores = layers.Conv2D(5, 1, activation="sigmoid", name="scores")(hidden)
    joined = layers.Concatenate(name="joined")([boxes, scores])
    count = layers.Dense(2, name="count")(layers.GlobalAveragePooling2D()(hidden))
    return keras.Model(source, joined), keras.Model(source, [count, joined])


def test_channels_that_a_common_scale_leaves_nothing_are_named():
    model, _ = detector()
    made = edgeq.convert(model, data=nets.samples_for(model, 60)[0])
    (output,) = made.quality.outputs
    assert output.signal_to_noise_db > 30
    assert output.bad_channels == (4, 5, 6, 7, 8)
    (warning,) = [text for text in made.warnings if "channel" in text]
    assert "channels 4 to 8 of 9" in warning
    assert "signal-to-noise" in warning
    assert "--split-outputs" in warning


def test_split_outputs_have_scales_of_their_own(cli, tmp_path):
    _, model = detector()
    (x,) = nets.samples_for(model, 60)
    model.save(tmp_path / "m.keras")
    np.save(tmp_path / "x.npy", x)
    args = ("convert", tmp_path / "m.keras", "--data", tmp_path / "x.npy", "-o")
    done = cli(*args, tmp_path / "q.tflite", "--split-outputs", "--json")
    assert done.code == 0, done.err
    assert "channel" not in done.err
    found = nets.run((tmp_path / "q.tflite").read_bytes(), [x])
    count, joined = model.predict(x, verbose=0)
    assert [part.shape[-1] for part in found] == [2, 4, 5]
    wanted = [count, joined[..., :4], joined[..., 4:]]
    for part, exact in zip(found, wanted, strict=True):
        assert snr(exact, part.reshape(exact.shape)) > 25
    graph = edgeq.read_graph(tmp_path / "q.tflite")
    names = [graph.main.tensors[i].name for i in graph.main.outputs]
    assert names[0] == "count"
    assert names[2].startswith("scores")
    assert [o["name"] for o in done.json["quality"]["outputs"]] == names


def test_nothing_to_split(cli, files):
    args = ("convert", files / "m.tflite", "-o", files / "q.tflite", "--data", files / "x.npy")
    done = cli(*args, "--split-outputs")
    assert done.code == 2
    assert "concatenation" in done.err


@pytest.mark.parametrize(
    ("classes", "spread"),
    [(1000, 1.0), (10, 0.01)],
    ids=["every probability below a step", "all classes as likely"],
)
def test_a_model_that_is_not_trained_is_not_judged(classes, spread):
    keras, layers = nets._keras()
    start = keras.initializers.RandomNormal(0, spread, seed=1)
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(classes, "softmax", kernel_initializer=start)]
    )
    x = np.random.default_rng(1).normal(0, 0.3, (60, 6)).astype(np.float32)
    made = edgeq.convert(model, data=x)
    (output,) = made.quality.outputs
    assert output.top1_agreement < 0.5
    assert output.verdict == "not judged"
    assert any("signal-to-noise" in text and "not judged" in text for text in made.warnings)


def test_agreement_beyond_chance():
    random = np.random.default_rng(3)
    real = 10 + 0.1 * random.normal(0, 1, (200, 1, 4))
    answers = proof.Answers()
    wrong = real[:, :, ::-1]
    answers.add(real.argmax(-1).ravel(), wrong.argmax(-1).ravel(), np.full(200, 9.0), 1.0)
    assert answers.agreement < 0.4
    assert answers.beyond_chance < 0.1
    same = proof.Answers()
    same.add(np.zeros(50), np.zeros(50), np.full(50, 9.0), 1.0)
    assert same.beyond_chance == 1


def test_it_ends_after_its_time(files, monkeypatch):
    monkeypatch.setattr(proof, "SECONDS", -1.0)
    made = edgeq.convert(files / "m.tflite", data=np.load(files / "x.npy"))
    assert made.quality.samples == 1


def test_at_most_a_hundred_samples_are_looked_at(files):
    x = np.random.default_rng(1).normal(0, 1, (500, 6)).astype(np.float32)
    assert edgeq.convert(files / "m.tflite", data=x).quality.samples == 100


def test_schemes_without_data_are_checked_on_labelled_data_only(files):
    x = np.load(files / "x.npy")
    made = edgeq.convert(files / "m.tflite", scheme="float16")
    assert made.quality is None
    made = edgeq.convert(files / "m.tflite", scheme="float16", eval_data=(x, np.zeros(60, int)))
    assert made.quality.signal_to_noise_db > 45


def test_the_figures_stand_in_manifest_and_report(cli, files):
    out = files / "deployed"
    done = cli(
        "deploy",
        files / "m.tflite",
        "--data",
        files / "x.npy",
        "-t",
        "cortex-m4",
        "-o",
        out,
        "-n",
        2,
    )
    assert done.code == 0, done.err
    result = json.loads((out / "deploy.json").read_text())
    ratio = result["conversion"]["quality"]["signal_to_noise_db"]
    assert ratio > 25
    manifest = json.loads((out / "manifest.json").read_text())["manifest"]
    assert manifest["figures"]["signal_to_noise_db"] == ratio
    assert f"{ratio:.1f} dB" in (out / "report.html").read_text()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_answers_that_are_no_numbers_are_not_close_to_anything(side, value):
    found = Closeness()
    pair = [np.ones(3), np.ones(3)]
    pair[side][1] = value
    with np.errstate(invalid="ignore"):
        found.add(*pair)
    assert found.decibels == NO_SIGNAL_DB


def test_how_far_down_a_masked_class_is_does_not_count():
    scores, taken = keras.Input((4,), name="scores"), keras.Input((4,), dtype="bool", name="taken")
    masked = keras.ops.where(taken, keras.layers.Dense(4)(scores), -1e9)
    model = keras.Model([scores, taken], keras.ops.softmax(masked))
    random = np.random.default_rng(0)
    values, mask = random.normal(0, 1, (40, 4)).astype(np.float32), random.random((40, 4)) > 0.4
    found = edgeq.convert(model, data={"scores": values, "taken": mask})
    assert found.quality.verdict == "good"
    assert found.quality.outputs[0].logits_db > 20
