"""Bad input: one clear error each, and nothing written."""

import json
import zipfile

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import edgeq
from edgeq.cli.main import cli
from edgeq.conversion.float_model import float_model
from edgeq.conversion.quantization.schemes import SCHEMES
from edgeq.data import DatasetOptions
from edgeq.errors import EdgeqError, UsageError
from tests.conversion.nets import NETS, samples_for
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

X = np.zeros((4, 12, 12, 2), np.float32)


@pytest.fixture(scope="module")
def net():
    return NETS["classifier"]()[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, net):
    """A good model in every format."""
    folder = tmp_path_factory.mktemp("models")
    net.save(folder / "net.keras")
    net.save(folder / "net.h5")
    net.export(folder / "saved", verbose=False)
    (folder / "net.tflite").write_bytes(edgeq.convert(net, scheme="float16").float_model.data)
    return folder


def refused(source, message, **settings):
    settings.setdefault("data", X)
    with pytest.raises(EdgeqError, match=message) as caught:
        edgeq.convert(source, **settings)
    assert caught.value.exit_code in (1, 2)
    return caught.value


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "saved", "net.tflite"])
def test_good_models_of_every_format_agree(folder, name, net):
    result = edgeq.convert(folder / name, data=samples_for(net, 20))
    assert result.proof.inputs == ("int8",)
    assert len(result.float_model.graph.main.ops) == 6


def test_no_model(tmp_path):
    refused(tmp_path / "nowhere.keras", "There is no")
    (tmp_path / "notes.keras").write_text("not a model")
    refused(tmp_path / "notes.keras", "no model that edgeq reads")
    (tmp_path / "empty.h5").write_bytes(b"")
    refused(tmp_path / "empty.h5", "no model that edgeq reads")
    refused(tmp_path, "no SavedModel")


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "net.tflite", "saved/saved_model.pb"])
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_models(folder, tmp_path, name, damage):
    import shutil

    source = tmp_path / name.split("/")[0]
    if "/" in name:
        shutil.copytree(folder / "saved", source)
    whole = (folder / name).read_bytes()
    broken = bytearray(whole[: len(whole) // 2] if damage == "cut" else whole)
    if damage == "flipped":
        for position in range(8, len(broken), max(len(broken) // 200, 1)):
            broken[position] ^= 0x55
    (tmp_path / name).write_bytes(broken)
    target = tmp_path / "out.tflite"
    refused(source, ".", output=target)
    assert not target.exists()


def test_weights_without_a_model(net, tmp_path):
    net.save_weights(tmp_path / "net.weights.h5")
    refused(tmp_path / "net.weights.h5", "weights only")


def test_integer_model_where_float_is_needed(models):
    refused(models / "kws_int8.tflite", "quantized already")


@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_lambda_layers_are_not_run_unless_trusted(tmp_path, kind):
    import keras

    net = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            keras.layers.Lambda(lambda x: x * 2, name="twice", output_shape=(12, 12, 2)),
        ]
    )
    path = tmp_path / f"net.{kind}"
    net.save(path)
    error = refused(path, "code in the layers twice")
    assert "--trust" in error.hint
    assert edgeq.convert(path, data=X + 1, trust=True).proof.inputs == ("int8",)


def test_lambda_hidden_in_a_wrapper_is_found_before_keras_sees_it(folder, tmp_path):
    hidden = {"class_name": "Lambda", "config": {"name": "evil"}}
    with (
        zipfile.ZipFile(folder / "net.keras") as old,
        zipfile.ZipFile(tmp_path / "net.keras", "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][1]["config"]["activation"] = hidden
                content = json.dumps(config)
            new.writestr(name, content)
    refused(tmp_path / "net.keras", "code in the layers evil")


def test_unknown_layers_and_layer_settings(folder, tmp_path):
    with h5py.File(folder / "net.h5") as old, h5py.File(tmp_path / "net.h5", "w") as new:
        for key in old:
            old.copy(key, new)
        config = old.attrs["model_config"].replace('"ReLU"', '"MyOwnLayer"')
        new.attrs["model_config"] = config
    assert "--import" in refused(tmp_path / "net.h5", "'MyOwnLayer'.*not Keras's own").hint


@pytest.mark.parametrize("scheme", ["int8", "float16"])
def test_what_is_not_converted_of_a_tflite(tmp_path, scheme):
    """The second signature was left behind without a word; a variable was "no sound model"."""
    values = [TensorSpec((1, 4), "float32"), TensorSpec((1, 4), "float32")]
    one = SubgraphSpec(values, [OpSpec("RELU", [0], [1])], [0], [1])
    names = {"first": 0, "second": 1}
    (tmp_path / "two.tflite").write_bytes(build([one, one], signatures=names))
    refused(tmp_path / "two.tflite", 'several signatures \\("first", "second"\\)', scheme=scheme)
    handle = TensorSpec((1,), "resource")
    ops = [OpSpec("VAR_HANDLE", [], [2]), OpSpec("ASSIGN_VARIABLE", [2, 1], [])]
    kept = SubgraphSpec([*values, handle], [*one.ops, *ops], [0], [1])
    (tmp_path / "kept.tflite").write_bytes(build([kept]))
    refused(tmp_path / "kept.tflite", "variables of the runtime .ASSIGN_VARIABLE", scheme=scheme)


def test_open_axes():
    import keras

    x = keras.Input((None, 3))
    net = keras.Model(x, keras.layers.Conv1D(2, 3)(x))
    refused(net, r"open axes.*\(None, None, 3\)", data=np.zeros((1, 8, 3)))


@pytest.mark.parametrize(
    ("shape", "said"),
    [((4, 8), "no batch"), ((8,), "no batch"), ((), "no batch"), (None, "has no inputs")],
)
def test_a_saved_model_without_a_batch_of_one(shape, said, tmp_path):
    """They ended in TensorFlow's words about bindings, and in a traceback."""
    import tensorflow as tf

    module = tf.Module()
    specs = () if shape is None else (tf.TensorSpec(shape, tf.float32, name="x"),)
    module.serve = tf.function(lambda *x: {"y": tf.add_n([tf.ones(3), *x[:0]])}, specs)
    tf.saved_model.save(module, tmp_path, signatures={"serving_default": module.serve})
    with pytest.raises(EdgeqError, match=said):
        float_model(tmp_path)


@pytest.mark.parametrize("kind", ["mean", "frames", "each"])
def test_an_open_axis_of_a_saved_model_that_is_no_batch(kind, tmp_path):
    """A waveform of any length became one number; numbers that have one answer each stay."""
    import tensorflow as tf

    weights = tf.Variable(np.ones((400, 4), np.float32))
    functions = {
        "mean": lambda x: {"y": tf.reduce_mean(x) * weights[0]},
        "frames": lambda x: {"y": tf.matmul(tf.signal.frame(x, 400, 400, pad_end=True), weights)},
        "each": lambda x: {"y": tf.expand_dims(x, 1) * weights[0]},
    }
    module = tf.Module()
    module.weights = weights
    spec = tf.TensorSpec((None,), tf.float32, name="waveform")
    module.serve = tf.function(functions[kind], (spec,))
    tf.saved_model.save(module, tmp_path, signatures={"serving_default": module.serve})
    if kind == "each":
        assert float_model(tmp_path).inputs[0].shape == ()
        return
    with pytest.raises(EdgeqError, match="which is no batch"):
        float_model(tmp_path)


@pytest.mark.parametrize("kind", ["one", "list", "dict"])
def test_the_lines_that_give_open_axes_a_length_work(kind):
    import keras

    x, kept = keras.Input((None, 3), name="x"), keras.Input((4,), dtype="int32", name="kept")
    value = keras.layers.Dense(2)(keras.layers.LSTM(4)(x))
    embedded = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(kept))
    both = keras.layers.Concatenate()([value, embedded])
    model = {
        "one": lambda: keras.Model(x, value),
        "list": lambda: keras.Model([x, kept], both),
        "dict": lambda: keras.Model({"x": x, "kept": kept}, both),
    }[kind]()
    lines = refused(model, "open axes", data=np.zeros((1, 8, 3))).hint.partition(": ")[2]
    names = {"keras": keras, "model": model}
    exec(lines.replace("LENGTH", "8"), names)
    random = np.random.default_rng(0)
    data = {"x": random.normal(0, 1, (5, 8, 3)), "kept": random.integers(0, 5, (5, 4))}
    given = {"one": data["x"], "list": list(data.values()), "dict": data}[kind]
    found = names["fixed"](given)
    assert np.array_equal(np.asarray(found), np.asarray(model(given)))
    assert float_model(names["fixed"]).graph.main.inputs


def test_subclassed_model_that_was_never_built():
    import keras

    class Own(keras.Model):
        def call(self, x):
            return x

    assert "model.export" in refused(Own(), "inputs are not known").hint


def test_signature_that_does_not_exist(folder):
    error = refused(folder / "saved", "no signature 'train'", signature="train")
    assert isinstance(error, UsageError) and "serving_default" in error.hint


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "net.tflite", "module:function"])
def test_signatures_of_what_has_none(folder, name):
    source = name if ":" in name else folder / name
    error = refused(source, "Only SavedModels have signatures", signature="serving_default")
    assert isinstance(error, UsageError)
    refused(folder / "none.keras", "There is no", signature="x")


def test_op_without_integer_kernel_is_named_by_layer():
    import keras

    x = keras.Input((4, 4))
    net = keras.Model(x, keras.ops.cumsum(keras.layers.Dense(4, name="head")(x), 1))
    error = refused(net, "CUMSUM stayed float32", data=np.ones((4, 4, 4)))
    assert "cumsum" in error.where


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((4, 5, 5, 2)), r"shape \(5, 5, 2\)"),
        (np.full((4, 12, 12, 2), np.nan), "NaN"),
        (np.full((4, 12, 12, 2), np.inf), "infinity"),
        (np.zeros((0, 12, 12, 2)), "empty"),
        ("nowhere.npz", "There is no 'nowhere.npz'"),
    ],
)
def test_bad_data(net, tmp_path, data, message):
    refused(net, message, data=data, output=tmp_path / "out.tflite")
    assert not list(tmp_path.iterdir())


def test_labels_that_do_not_match(net, tmp_path):
    options = DatasetOptions(classes=("one", "two", "three"))
    refused(net, "3 labels .* tells 4 classes apart", dataset_options=options)
    refused(net, "Labels go from 0 to 9", data=X + 1, eval_data=(X, [0, 1, 2, 9]))
    refused(net, "same number of samples", data=X + 1, eval_data=(X, [0, 1]))


def test_output_that_exists_or_cannot_be_written(net, tmp_path):
    target = tmp_path / "out.tflite"
    target.write_bytes(b"precious")
    assert "--force" in refused(net, "exists already", output=target).hint
    assert target.read_bytes() == b"precious"
    (tmp_path / "file").write_bytes(b"")
    refused(net, "cannot be written", output=tmp_path / "file" / "out.tflite")


def test_command_line_ends_without_traceback_or_output(cli, folder, tmp_path):
    np.save(tmp_path / "pickled.npy", np.array([{}]), allow_pickle=True)
    target = tmp_path / "out.tflite"
    for data in ("pickled.npy", "absent.npz"):
        done = cli("convert", folder / "net.keras", "-o", target, "--data", tmp_path / data)
        assert done.code == 1
        assert done.err.startswith("Error: ") and "Traceback" not in done.err
    assert cli("convert", folder / "net.keras", "-o", target, "--scheme", "int7").code == 2
    assert not target.exists()


def test_a_scheme_that_the_target_cannot_run_is_refused_before_anything_is_read():
    with pytest.raises(UsageError, match="nucleo-f446re cannot run the scheme dynamic") as refusal:
        edgeq.convert("no-such-model.keras", scheme="dynamic", target="nucleo-f446re")
    assert "int8, int8-per-tensor, int16x8" in refusal.value.hint
    with pytest.raises(EdgeqError, match="no-such-model"):
        edgeq.convert("no-such-model.keras", scheme="dynamic", target="raspberry-pi-4")


@pytest.mark.parametrize("name", SCHEMES)
def test_schemes_run_in_c_where_they_say_so(name, tmp_path):
    model, _ = NETS["classifier"]()
    data = samples_for(model, 20)
    result = edgeq.convert(model, data=data, scheme=name, output=tmp_path / "model.tflite")
    if result.scheme.in_c:
        edgeq.compile(tmp_path / "model.tflite", output=tmp_path / "c", target="cortex-m4")
    else:
        with pytest.raises(EdgeqError):
            edgeq.compile(tmp_path / "model.tflite", output=tmp_path / "c", target="cortex-m4")


def test_what_a_scheme_saves_is_said_before_converting(tmp_path):
    arguments = ["convert", "no-such-model.keras", "-o", str(tmp_path / "m"), "--scheme", "int4"]
    said = CliRunner().invoke(cli, arguments)
    assert "int4 saves: weights" in said.output
    assert "int4 runs on: edgeq's C" in said.output
    assert said.exit_code
