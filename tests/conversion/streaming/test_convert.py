"""`edgeq convert --stream`: integers, state in variables, the bytes of TensorFlow Lite Micro."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import edgeq
from edgeq.cli.main import cli
from edgeq.compiler.options import CompileOptions
from edgeq.conversion.streaming.model import to_streaming
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError, LimitError, UsageError
from edgeq.frontend.build import front_end
from edgeq.model.arrays import quantize
from edgeq.model.decision import Decision
from edgeq.model.joining import rules_for
from edgeq.model.model_file import parse_graph, read_graph
from edgeq.model.settling import ENTRY as SETTLING
from edgeq.model.settling import read_settling
from edgeq.model.stream import Stream
from tests.conversion.nets import run
from tests.conversion.streaming.shapes import SHAPES
from tests.conversion.streaming.streams import recording
from tests.frontend.signals import recording as sound_of
from tests.frontend.test_micro import micro_features

keras = pytest.importorskip("keras")
layers = keras.layers


def windows(model, count=40):
    random = np.random.default_rng(0)
    return random.normal(0, 1, (count, *model.inputs[0].shape[1:])).astype(np.float32)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A published shape by name, scheme and step, converted once."""
    folder, made = tmp_path_factory.mktemp("streams"), {}

    def get(name, scheme="int8", step=1):
        key = (name, scheme, step)
        if key not in made:
            path = folder / f"{name}-{scheme}-{step}.tflite"
            model = SHAPES[name]()
            data = None if scheme in ("dynamic", "weight-only", "float16") else windows(model)
            result = edgeq.convert(
                model, data=data, scheme=scheme, output=path, stream=1, stream_step=step
            )
            made[key] = path, result
        return made[key]

    return get


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "scheme"),
    [*((name, "int8") for name in SHAPES), ("tcn", "int16x8"), ("crnn", "int16x8")],
)
def test_bytes_of_published_shapes_are_those_of_tflm(converted, name, scheme):
    path, result = converted(name, scheme)
    graph = parse_graph(result.data)
    taken = graph.main.tensors[graph.main.inputs[0]].shape
    assert taken[:2] == (1, 1)
    assert any(tensor.is_variable for tensor in graph.main.tensors)
    assert result.proof.dtypes.keys() <= {"int8", "int16", "int32", "int64", "bool"}
    padded = name in ("bc_resnet", "tc_resnet")
    assert padded or result.quality.verdict == "good"
    assert result.quality.signal_to_noise_db > (15 if padded else 30)
    assert edgeq.verify(path, on="c", against="tflm", n=200).equal
    if scheme == "int8":
        assert edgeq.verify(path, on="sim:cortex-m4", against="tflm", n=20).equal


def test_a_tcn_does_a_tenth_of_the_work_in_a_step(converted, tmp_path):
    path, result = converted("tcn")
    assert result.stream.max_difference <= 1e-5
    assert result.stream.form.window == 49
    model = SHAPES["tcn"]()
    whole = edgeq.convert(model, data=windows(model), output=tmp_path / "whole.tflite")
    step, window = (edgeq.inspect(p).to_json()["macs"] for p in (path, whole.output))
    assert step * 10 <= window
    assert step * 45 < window


def test_state_is_forgotten_with_a_reset(converted):
    path, _ = converted("tcn")
    x = recording(SHAPES["tcn"](), 60).reshape(60, 1, 20)
    (whole,) = edgeq.run(path, inputs=x, on="c")
    (first,) = edgeq.run(path, inputs=x[:5], on="c")
    np.testing.assert_array_equal(first, whole[:5])
    (later,) = edgeq.run(path, inputs=x[5:], on="c")
    assert (later[0] != whole[5]).any()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["int4", "mixed", "dynamic", "weight-only", "float16"])
def test_other_schemes_stream(converted, scheme):
    _, result = converted("tcn", scheme)
    model = SHAPES["tcn"]()
    x = recording(model, 60)
    (found,) = run(result.data, [x[:, None]])
    ends = range(49, 61)
    wanted = model.predict(np.stack([x[end - 49 : end] for end in ends]), verbose=0)
    got = found[48:].reshape(wanted.shape)
    assert np.abs(got - wanted).max() < (0.1 if scheme in ("int4", "mixed") else 0.02)


def test_the_file_says_how_many_answers_do_not_count(converted):
    for name, step in (("tcn", 1), ("mixed_net", 3), ("tc_resnet", 1)):
        path, result = converted(name, step=step)
        form = result.stream.form
        assert read_settling(read_graph(path).metadata) == form.first_answer // step - 1
        rules = rules_for(Decision(full_scale=64.0), read_graph(path), Stream("s", 100, 1, 1))
        assert rules.settling == form.first_answer // step - 1
    assert read_settling({SETTLING: b"-1"}) == read_settling({SETTLING: b"9" * 99}) == 0


def test_a_step_of_several_frames(converted):
    path, result = converted("mixed_net", step=3)
    graph = parse_graph(result.data)
    assert graph.main.tensors[graph.main.inputs[0]].shape == (1, 3, 40)
    assert edgeq.verify(path, on="c", against="tflm", n=30).equal
    form = result.to_json()["stream"]
    assert form == {
        "axis": 1, "step": 3, "window": 60, "delay": 0, "first_answer": 60, "padded": [],
        "carried": [], "float_max_difference": form["float_max_difference"],
        "float_signal_to_noise_db": form["float_signal_to_noise_db"], "windows": form["windows"],
    }  # fmt: skip
    assert form["float_max_difference"] < 1e-5
    assert form["windows"] > 100


@pytest.mark.parametrize("step", [1, 3])
def test_front_ends_feed_it_sample_by_sample(converted, step):
    path, _ = converted("mixed_net", step=step)
    sound = sound_of(3, seed=4)
    graph = read_graph(path)
    entry = graph.main.tensors[graph.main.inputs[0]]
    features = micro_features(sound)
    steps = features[: len(features) // step * step].reshape(-1, 1, step, 40)
    (wanted,) = edgeq.run(path, inputs=quantize(steps, entry), on="c")
    options = CompileOptions(frontend=front_end("micro"))
    with open_device("c").open(path, options) as session:
        (found,) = session.stream(sound)
        (again,) = session.stream(sound, 160)
    np.testing.assert_array_equal(found, again)
    assert len(found) == len(steps) > 60
    # Quantizing from 16 bits may round a feature to its neighbour.
    assert np.abs(found.reshape(wanted.shape).astype(int) - wanted).max() <= 4
    assert len(np.unique(found)) > 3


def test_the_command_says_how_it_streams(tmp_path):
    model = keras.Sequential(
        [keras.Input((20, 6)), layers.Conv1D(8, 5, padding="same", name="ahead"), layers.ReLU(),
         layers.GlobalAveragePooling1D(), layers.Dense(3)]
    )  # fmt: skip
    model.save(tmp_path / "net.keras")
    np.save(tmp_path / "x.npy", windows(model, 30))
    arguments = [
        "convert", str(tmp_path / "net.keras"), "--data", str(tmp_path / "x.npy"),
        "--stream", "1", "-o", str(tmp_path / "net.tflite"),
    ]  # fmt: skip
    said = CliRunner().invoke(cli, arguments)
    assert said.exit_code == 0, said.output
    assert (
        "stream: 1 of 20 frames a call, first answer after 22 frames, 2 frames after" in said.output
    )
    assert "padding makes layers look ahead" in said.output
    assert "ahead pad a window with zeros" in said.output
    told = CliRunner().invoke(cli, [*arguments, "--force", "--json", "--stream-step", "4"])
    stream = json.loads(told.stdout)["stream"]
    assert (stream["delay"], stream["first_answer"], stream["padded"]) == (4, 24, ["ahead"])


def refused(*parts, shape=(12, 4), step=None):
    model = keras.Sequential([keras.Input(shape), *parts])
    with pytest.raises(EdgeqError) as error:
        edgeq.convert(model, data=windows(model, 4), stream=1, stream_step=step)
    return str(error.value)


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (lambda: layers.Bidirectional(layers.LSTM(3), name="bad"), "reads the window backwards"),
        (lambda: layers.GRU(3, go_backwards=True, name="bad"), "reads the window backwards"),
        (lambda: layers.UpSampling1D(2, name="bad"), "several frames of one"),
        (lambda: layers.Conv1DTranspose(3, 2, name="bad"), "several frames of one"),
        (lambda: layers.Reshape((6, 8), name="bad"), "mixes frames with other axes"),
        (lambda: layers.Softmax(axis=1, name="bad"), "works along time"),
        (lambda: layers.LayerNormalization(axis=[1, 2], name="bad"), "works along time"),
        (lambda: layers.PReLU(name="bad"), "other slopes at each place"),
        (lambda: layers.GroupNormalization(2, name="bad"), "normalises over the whole window"),
    ],
)
def test_what_cannot_stream_is_refused_with_its_name(layer, why):
    told = refused(layer())
    assert '"bad" cannot stream' in told
    assert why in told


def test_frames_are_no_features():
    told = refused(layers.Permute((2, 1)), layers.Dense(2, name="mixes"))
    assert '"mixes" cannot stream: it takes the frames of a window for features' in told


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (lambda: layers.Activation("softmax", name="bad"), "it works along time"),
        (lambda: layers.Rescaling([0.5] * 4 + [1.0] * 8, name="bad"), "it has other constants"),
    ],
)
def test_what_works_along_the_last_axis_is_refused_where_that_is_time(layer, why):
    with pytest.raises(EdgeqError, match=f'"bad" cannot stream: {why}'):
        to_streaming(keras.Sequential([keras.Input((4, 12)), layer()]), 2, 1, "net")


def test_what_another_input_says_of_each_place_of_the_window_is_refused():
    x, who = keras.Input((12, 4)), keras.Input((3,))
    places = layers.Reshape((12, 4))(layers.Dense(48)(who))
    model = keras.Model([x, who], layers.Add(name="bad")([x, places])[:, -1])
    with pytest.raises(EdgeqError, match='"bad" cannot stream: it has other constants at each'):
        to_streaming(model, 1, 1, "net")


def shares_of_places():
    def shares(values):
        return keras.activations.softmax(3 * values)

    keras.saving.register_keras_serializable("tests")(shares)
    return layers.Activation(shares)


def test_a_stream_that_is_not_its_windows_for_no_reason_is_refused():
    x = keras.Input((4, 8))
    model = keras.Model(x, shares_of_places()(x)[:, :, -1])
    data = windows(model, 8)
    with pytest.raises(LimitError, match="In float the stream does not answer as windows do"):
        edgeq.convert(model, data=data, stream=2)
    kept = edgeq.convert(model, data=data, stream=2, accept_loss=True)
    assert any("no layer pads over time" in warning for warning in kept.warnings)


def test_gates_over_time_and_attention_are_refused():
    x = keras.Input((12, 4))
    gate = layers.Dense(4)(layers.GlobalAveragePooling1D(keepdims=True)(x))
    model = keras.Model(x, layers.Multiply(name="gate")([x, gate]))
    with pytest.raises(EdgeqError, match='"gate" cannot stream: it joins frames that have gone by'):
        edgeq.convert(model, data=windows(model, 4), stream=1)
    model = keras.Model(x, layers.MultiHeadAttention(2, 2, name="looks")(x, x))
    with pytest.raises(EdgeqError, match='"looks" cannot stream: each frame of it looks at all'):
        edgeq.convert(model, data=windows(model, 4), stream=1)


def test_strides_before_recurrent_layers_want_a_step_that_they_divide():
    told = refused(layers.Conv1D(3, 2, strides=2), layers.GRU(3, name="gru"), step=3)
    assert '"gru" cannot stream' in told
    assert "--stream-step 2, or a multiple of it" in told


def test_answers_that_are_far_from_those_of_windows_are_refused():
    sums = layers.SimpleRNN(3, activation="linear", name="sums")
    model = keras.Sequential([keras.Input((16, 3)), sums])
    sums.set_weights([np.eye(3), np.eye(3), np.zeros(3)])
    data = windows(model, 30)
    with pytest.raises(LimitError, match="does not compute what the float model does"):
        edgeq.convert(model, data=data, stream=1)
    kept = edgeq.convert(model, data=data, stream=1, accept_loss=True)
    assert any("sums start each window from zeros" in warning for warning in kept.warnings)


def test_wrong_use_is_told(tmp_path):
    model = keras.Sequential([keras.Input((12, 4)), layers.Conv1D(3, 3)])
    data = windows(model, 4)
    for options, words in (
        ({"stream": 3}, "no such axis"),
        ({"stream": 1, "stream_step": 13}, "a window has 12 frames"),
        ({"stream_step": 2}, "is for models that stream"),
        ({"stream": 1, "eval_data": data}, "--eval takes whole windows"),
    ):
        with pytest.raises(UsageError, match=words):
            edgeq.convert(model, data=data, **options)
    whole = edgeq.convert(model, data=data, output=tmp_path / "net.tflite")
    with pytest.raises(EdgeqError, match="Only a Keras model"):
        edgeq.convert(whole.output, data=data, stream=1)


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_types_at_the_edges_are_not_those_of_what_is_kept(io, tmp_path):
    x = keras.Input((12, 4))
    y = layers.Dense(3)(layers.Flatten()(layers.Conv1D(4, 3)(layers.Rescaling(1 / 255)(x))))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 12, 4)).astype(np.float32)
    path = tmp_path / "net.tflite"
    found = edgeq.convert(keras.Model(x, y), data=pixels, io=io, stream=1, output=path)
    assert found.quality.signal_to_noise_db > 20
    assert (found.proof.inputs, found.proof.outputs) == ((io,), (io,))
    kept = [t.dtype for t in parse_graph(found.data).main.tensors if t.is_variable]
    assert kept == ["int8", "int8"]
    assert edgeq.verify(path, on="c", against="tflm", n=20).equal


def test_several_inputs_and_outputs(tmp_path):
    sound, who = keras.Input((14, 4), name="sound"), keras.Input((3,), name="who")
    frames = layers.Conv1D(4, 5, padding="same", name="frames")(sound)
    both = layers.Concatenate()([layers.Conv1D(4, 3)(sound)[:, -1], who])
    model = keras.Model([sound, who], [frames, layers.Dense(2)(both)])
    random = np.random.default_rng(0)
    np.savez(
        tmp_path / "x.npz",
        **{
            "0": random.normal(0, 1, (30, 14, 4)).astype(np.float32),
            "1": random.normal(0, 1, (30, 3)).astype(np.float32),
        },
    )
    found = edgeq.convert(model, data=tmp_path / "x.npz", stream=1)
    # A frame that looks ahead comes two frames late; what is not padded is exact.
    assert found.stream.form.delays == (2, 0)
    assert found.stream.max_difference < 1e-5
    assert found.quality.signal_to_noise_db > 25
    taken = parse_graph(found.data).main
    assert [taken.tensors[i].shape for i in taken.inputs] == [(1, 1, 4), (1, 3)]
