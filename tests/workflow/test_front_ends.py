"""Keras models that begin with a front end: converted, run on samples, held against Keras."""

import shutil
import wave

import numpy as np
import pytest

import edgeq
from edgeq.analysis.recordings import in_form_of
from edgeq.boards.target import load_target
from edgeq.compiler.options import CompileOptions
from edgeq.data import DatasetOptions, Normalization
from edgeq.devices import inventory
from edgeq.errors import EdgeqError, LimitError
from edgeq.frontend.build import front_end
from edgeq.frontend.description import read_description
from edgeq.model.arrays import quantize
from edgeq.model.model_file import read_graph
from edgeq.workflow.front_ends import front_end_for
from tests.frontend.signals import recording

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.slow
layers = keras.layers

COUNT = 8000
MEL = {"fft_length": 512, "sequence_length": 480, "sequence_stride": 320, "num_mel_bins": 20,
       "min_freq": 60.0, "max_freq": 7600.0}  # fmt: skip


def pieces(count=24):
    sound = recording(count * COUNT / 16000 + 1)
    return sound[: count * COUNT].reshape(count, COUNT)


def net(**options):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((COUNT,), name="audio"),
            layers.MelSpectrogram(**{**MEL, **options}, name="mel"),
            layers.Permute((2, 1)),
            layers.Rescaling(1 / 20, 1.0),
            layers.Conv1D(8, 5, strides=2, activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, name="scores"),
        ]
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """net.keras, net.h5, wavs/, and clips.npz with Keras's own answers as labels."""
    folder = tmp_path_factory.mktemp("heard")
    model = net()
    model.save(folder / "net.keras")
    model.save(folder / "net.h5")
    (folder / "wavs").mkdir()
    for number, piece in enumerate(pieces()):
        with wave.open(str(folder / "wavs" / f"{number:02}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(piece.tobytes())
    real = pieces().astype(np.float32) / np.float32(32768)
    answers = np.asarray(model(real)).argmax(1)
    np.savez(folder / "clips.npz", x=real, y=answers)
    return folder


@pytest.fixture(scope="module")
def converted(place):
    """net.tflite and its front end, made from the wavs."""
    result = edgeq.convert(place / "net.keras", data=place / "wavs", output=place / "net.tflite")
    return place, result


def test_the_command_writes_both_and_says_so(place, cli, tmp_path):
    output = tmp_path / "kws.tflite"
    found = cli("convert", place / "net.h5", "--data", place / "wavs", "-o", output, "--json")
    assert found.code == 0, found.err
    assert "The layer mel (MelSpectrogram) became a front end" in found.err
    front = found.json["frontend"]
    assert front["layer"] == "mel (MelSpectrogram)"
    assert front["output"] == str(tmp_path / "kws.frontend.toml")
    assert front["description"]["num_mel_bins"] == 20
    assert found.json["quality"]["verdict"] == "good"
    described = read_description(tmp_path / "kws.frontend.toml")
    assert (described.frame_length, described.frame_step, described.frames) == (480, 320, 26)
    assert (described.center, described.log, described.sample_rate) == (True, "db", 16000)
    graph = read_graph(output)
    assert graph.main.tensors[graph.main.inputs[0]].shape == (1, 26, 20)
    compiled = cli("compile", output, "--frontend", front["output"], "-o", tmp_path / "c")
    assert compiled.code == 0, compiled.err
    assert "int kws_push(const int16_t *samples" in (tmp_path / "c" / "kws.h").read_text()


def test_the_float_halves_are_the_keras_model_but_for_the_ends_of_recordings(converted):
    _, result = converted
    assert result.quality.verdict == "good"
    assert 40 < result.frontend.quality.signal_to_noise_db < 60
    assert any("mirrors the sound at both ends" in words for words in result.warnings)


def test_the_floor_is_that_of_all_recordings_at_once(converted):
    place, result = converted
    model = keras.models.load_model(place / "net.keras")
    real = pieces().astype(np.float32) / np.float32(32768)
    together = keras.ops.convert_to_numpy(model.layers[0](real))
    floor = result.frontend.values["log_floor"]
    assert 10 * np.log10(floor) == pytest.approx(together.max() - 80, abs=0.01)
    # Keras itself says something else of a single recording here.
    assert any("otherwise to a recording by itself" in words for words in result.warnings)


def test_it_runs_on_samples_and_says_what_keras_says(converted):
    place, _ = converted
    front = front_end(place / "net.frontend.toml")
    options = CompileOptions(frontend=front)
    samples = np.pad(pieces(), ((0, 0), (0, front.stream.step)))
    needed = front.graph(fpu=True).stream.first_answer + 25 * front.stream.step
    (answers,) = edgeq.run(
        place / "net.tflite", inputs=samples[:, :needed], on="c", options=options
    )
    graph = read_graph(place / "net.tflite")
    given = graph.main.tensors[graph.main.inputs[0]]
    features = edgeq.features(place / "net.frontend.toml", data=pieces() / 32768).x
    (oracle,) = edgeq.run(place / "net.tflite", inputs=quantize(features, given), on="tflm")
    np.testing.assert_array_equal(answers.reshape(-1, 3), oracle.reshape(-1, 3))
    agreed = np.load(place / "clips.npz")["y"] == answers.reshape(len(answers), -1).argmax(1)
    assert agreed.mean() > 0.9


def test_what_runs_generated_c_takes_recordings_by_itself(converted, cli, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    inventory.add("m4", "sim:cortex-m4")
    place, _ = converted
    model, clips = place / "net.tflite", place / "clips.npz"
    judged = cli("evaluate", model, "--data", clips, "--on", "c", "--json")
    assert judged.code == 0, judged.err
    assert "net.frontend.toml stands before the model" in judged.err
    assert judged.json["accuracy"] > 0.9
    features = edgeq.features(place / "net.frontend.toml", data=pieces() / 32768).x
    np.savez(tmp_path / "features.npz", x=features, y=np.load(clips)["y"])
    for more in (["--on", "c", "--frontend", "none"], ["--on", "local"]):
        same = cli("evaluate", model, "--data", tmp_path / "features.npz", *more, "--json")
        assert same.json["accuracy"] == pytest.approx(judged.json["accuracy"], abs=0.05)
    np.save(tmp_path / "hour.npy", pieces().reshape(-1))
    heard = cli("run", model, "--on", "c", "-i", tmp_path / "hour.npy", "-o", tmp_path / "y.npy")
    assert heard.code == 0, heard.err
    assert np.load(tmp_path / "y.npy").shape[0] > 20
    found = cli("profile", model, "--on", "m4", "--json")
    assert "net.frontend.toml stands before the model" in found.err
    assert any(op["op"].startswith("FRONTEND_") for op in found.json["ops"])
    proof = cli("verify", model, "--on", "c", "--against", "tflm", "-n", "5")
    assert proof.code == 0, proof.err  # of the model's own input: TFLM has no front end


def test_the_float_model_is_judged_on_the_same_recordings(converted, cli):
    place, _ = converted
    given = ["--data", place / "clips.npz", "--on", "c", "--against", place / "net.keras", "--json"]
    found = cli("evaluate", place / "net.tflite", *given)
    assert found.code == 0, found.err
    assert found.json["against"]["float"] == 1.0
    assert found.json["accuracy"] > 0.9


def test_recordings_are_heard_by_the_front_end_beside_the_model(converted, cli, tmp_path):
    place, _ = converted
    for name in ("net.tflite", "net.frontend.toml"):
        shutil.copy(place / name, tmp_path)
    with (tmp_path / "net.frontend.toml").open("a") as file:
        file.write("[decision]\nfull_scale = 4\n")
    (tmp_path / "heard").mkdir()
    with wave.open(str(tmp_path / "heard/all.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(recording(4).tobytes())
    (tmp_path / "heard/events.csv").write_text("file,start,end,label\n")
    found = cli("evaluate", tmp_path / "net.tflite", "--recordings", tmp_path / "heard", "--json")
    assert found.code == 0, found.err
    assert "net.frontend.toml stands before the model" in found.err
    assert found.json["device"]["address"] == "c"


def test_schemes_are_compared_behind_the_front_end(place):
    found = edgeq.compare_schemes(
        place / "net.keras", data=place / "wavs", eval_data=f"{place / 'clips.npz'}:x,y",
        schemes=["float32", "int8", "float16"], on=["c", "local"],
    )  # fmt: skip
    rows = {(row.scheme, row.on): row for row in found.rows}
    for scheme, on in (("float32", "c"), ("int8", "c"), ("float32", "local")):
        row = rows[scheme, on]
        assert not row.error
        assert row.evaluation.score.value > 0.9
        stages = any(op.op.startswith("FRONTEND_") for op in row.profile.measurement.ops)
        assert stages == (on == "c")
    assert rows["int8", "local"].error == "No front ends run on local."
    assert rows["float32", "c"].file_bytes < rows["float32", "local"].file_bytes
    assert not rows["float16", "local"].error
    assert ": " in rows["float16", "c"].error


def test_labelled_recordings_judge_both(place):
    clips = f"{place / 'clips.npz'}:x,y"
    result = edgeq.convert(place / "net.keras", data=place / "clips.npz", eval_data=clips)
    before, after = result.accuracy
    assert before.value == 1.0  # the labels are what Keras says
    assert after.value > 0.9
    assert result.frontend.output is None


def test_an_edited_description_stays_where_it_is_the_same_front_end(converted, tmp_path):
    place, _ = converted
    for name in ("net.tflite", "net.frontend.toml"):
        shutil.copy(place / name, tmp_path)
    file = tmp_path / "net.frontend.toml"
    edited = "stride = 5\n" + file.read_text() + "[decision]\nthreshold = 0.7\n"
    file.write_text(edited)
    given = {"data": place / "clips.npz", "output": tmp_path / "net.tflite"}
    (tmp_path / "net.tflite").unlink()
    with pytest.raises(EdgeqError, match=r"net\.frontend\.toml' exists already"):
        edgeq.convert(place / "net.keras", **given)
    assert not (tmp_path / "net.tflite").exists()
    edgeq.convert(place / "net.keras", **given, force=True)
    assert file.read_text() == edited
    edgeq.convert(net(min_freq=100.0), **given, force=True)
    assert "lower_edge_hertz = 100.0" in file.read_text()
    assert "decision" not in file.read_text().partition("\nkind")[2]


def test_a_front_end_of_another_model_is_not_taken(converted, cli, tmp_path):
    """What was converted over the model since then takes features, or other ones."""
    place, _ = converted
    for name in ("net.tflite", "net.frontend.toml"):
        shutil.copy(place / name, tmp_path)
    model, file = tmp_path / "net.tflite", tmp_path / "net.frontend.toml"
    assert cli("profile", model, "--on", "c", "--no-ops").code == 0
    data = bytearray(model.read_bytes())
    model.write_bytes(data + b"\0\0\0\0")
    other = cli("profile", model, "--on", "c", "--no-ops")
    assert other.code == 2
    assert "net.frontend.toml was written for another model" in other.err
    assert cli("profile", model, "--on", "c", "--no-ops", "--frontend", file).code == 0
    assert cli("profile", model, "--on", "c", "--no-ops", "--frontend", "none").code == 0


def test_nothing_is_written_of_a_front_end_that_leads_elsewhere(tmp_path):
    # The model looks at the first frame alone, half of which is mirrored in Keras: a click there
    # has four times the power.
    low = {**MEL, "max_freq": 500.0, "num_mel_bins": 4}
    model = keras.Sequential(
        [
            keras.Input((COUNT,)),
            layers.MelSpectrogram(**low, power_to_db=False, name="mel"),
            layers.Permute((2, 1)),
            layers.Cropping1D((0, 25)),
            layers.Flatten(),
            layers.Dense(3, kernel_initializer="ones"),
        ]
    )
    data = np.zeros((8, COUNT), np.float32)
    data[:, 1:6] = np.random.default_rng(0).uniform(0.2, 0.9, (8, 5))
    with pytest.raises(LimitError, match="the layer mel \\(MelSpectrogram\\) leads to other"):
        edgeq.convert(model, data=data, output=tmp_path / "n.tflite")
    assert not list(tmp_path.iterdir())


def test_bands_of_the_layer_without_a_bin_are_told(place):
    model = net(num_mel_bins=128, min_freq=20.0)
    result = edgeq.convert(model, data=place / "wavs")
    matrix = keras.ops.convert_to_numpy(
        model.layers[0].linear_to_mel_weight_matrix(128, 257, 16000, 20.0, 7600.0)
    )
    silent = int((~matrix.any(axis=0)).sum())
    assert silent > 0
    words = f"{silent} of 128 bands hold no bin of the spectrum and are always silent"
    assert any(words in warning for warning in result.warnings), result.warnings


def test_a_recording_of_another_rate_is_refused(place):
    with pytest.raises(EdgeqError, match="16,000 Hz"):
        edgeq.convert(net(sampling_rate=8000, max_freq=3900.0), data=place / "wavs")


def test_behind_it_the_model_may_stream(place, tmp_path):
    keras.utils.set_random_seed(1)
    given = keras.Input((COUNT, 1))
    x = layers.STFTSpectrogram(frame_length=256, frame_step=200, name="stft")(given)
    x = layers.Conv1D(8, 5, dilation_rate=2, activation="relu")(x)
    model = keras.Model(given, layers.Dense(3)(x[:, -1]))
    model.save(tmp_path / "s.keras")
    output = tmp_path / "s.tflite"
    result = edgeq.convert(tmp_path / "s.keras", data=place / "clips.npz", output=output, stream=1)
    assert result.quality.verdict == "good"
    assert result.frontend.quality.signal_to_noise_db > 60  # nothing is padded here
    assert result.stream.form.window == 39
    options = CompileOptions(frontend=front_end(tmp_path / "s.frontend.toml"))
    samples = pieces(1)[0]
    (answers,) = edgeq.run(output, inputs=samples, on="c", options=options)
    assert len(answers) == 39
    exact = np.asarray(model(samples[None, :, None].astype(np.float32) / 32768))[0]
    graph = read_graph(output)
    scale = graph.main.tensors[graph.main.outputs[0]]
    last = (answers[-1].astype(np.float32) - scale.zero_point) * scale.scale
    np.testing.assert_allclose(last, exact, atol=0.05 * np.abs(exact).max())
    assert not any("not compared with the model itself" in words for words in result.warnings)
    # A recording by itself is answered once its whole window was there.
    (alone,) = edgeq.run(output, inputs=pieces(3), on="c", options=options)
    np.testing.assert_array_equal(alone[0], answers[-1])
    real = pieces().astype(np.float32) / np.float32(32768)
    labels = np.asarray(model(real[..., None])).argmax(1)
    assert len(set(labels)) > 1
    found = edgeq.evaluate(output, data=(real, labels), on="c", options=options)
    assert found.score.value > 0.9
    quiet = edgeq.evaluate(output, data=(real / 100, labels), on="c", options=options)
    assert not any("of the range" in words for words in quiet.warnings)


def test_schemes_that_keep_float_keep_the_layer(place):
    result = edgeq.convert(place / "net.keras", scheme="float16")
    assert result.frontend is None
    graph = result.float_model.graph
    assert graph.main.tensors[graph.main.inputs[0]].shape == (1, COUNT)


def test_recordings_are_normalized_once_on_their_way_to_the_features(place, tmp_path):
    """Samples as a microphone gives them, divided by --std: the same figures as from -1 to 1."""
    with np.load(place / "clips.npz") as clips:
        steps = np.rint(clips["x"] * 32768).astype(np.int16)
        np.savez(tmp_path / "steps.npz", x=steps, y=clips["y"])
    options = DatasetOptions(normalization=Normalization((0.0,), (32768.0,)))
    data, model = tmp_path / "steps.npz", place / "net.keras"
    given = {"data": data, "eval_data": data, "dataset_options": options}
    found = edgeq.convert(model, output=tmp_path / "n.tflite", **given)
    clips = place / "clips.npz"
    plain = edgeq.convert(model, data=clips, eval_data=clips)
    assert [s.value for s in found.accuracy] == [s.value for s in plain.accuracy]
    assert not any(each.std for each in read_graph(tmp_path / "n.tflite").info.inputs)
    # What is said of the data is said of the recordings, and they are those of the calibration.
    assert found.understood["eval"].source == str(data)
    assert found.understood["eval"].shared_with(found.understood["calibration"]) == 24
    assert any("24 of the 24 samples" in words for words in found.warnings)


def test_a_layer_that_does_not_say_its_rate_is_told_of(place, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((COUNT, 1)),
            layers.STFTSpectrogram(frame_length=256, frame_step=200, name="stft"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3),
        ]
    )
    words = "does not say the sample rate"
    found = edgeq.convert(model, data=place / "wavs")
    assert any(words in warning for warning in found.warnings)
    asked = DatasetOptions(sample_rate=16000)
    found = edgeq.convert(model, data=place / "wavs", dataset_options=asked)
    assert not any(words in warning for warning in found.warnings)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(pieces()[0].tobytes())
    with pytest.raises(EdgeqError, match="does not say what it takes") as refused:
        edgeq.convert(model, data=tmp_path)
    assert "--sample-rate 8000" in refused.value.hint


@pytest.mark.parametrize(("target", "form"), [("cortex-m3", "int16"), ("cortex-m4f", "float32")])
def test_what_stands_for_a_core_computes_its_form_of_a_front_end(target, form):
    assert front_end_for(load_target(target), "mfcc", None).precision == form
    assert front_end_for(load_target(target), "mfcc", "int16").precision == "int16"
    options = CompileOptions(frontend=front_end("mfcc"))
    assert in_form_of(f"sim:{target}", options).frontend.precision == form
    assert in_form_of("c", options).frontend.precision is None


def test_a_core_without_floats_is_compared_with_its_own_form(place, tmp_path):
    """In int16 the last bits of features are others than in float32; no fault of the core."""
    output = tmp_path / "w.tflite"
    edgeq.convert(place / "net.keras", data=place / "wavs", output=output, scheme="int16x8")
    options = CompileOptions(frontend=front_end(tmp_path / "w.frontend.toml"))
    found = edgeq.verify(output, on="sim:cortex-m3", against="c", n=4, options=options)
    assert found.equal
