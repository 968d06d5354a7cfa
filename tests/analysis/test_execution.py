"""`edgeq run`: what TensorFlow Lite Micro answers is what lands in the file."""

import numpy as np
import pytest

import edgeq
from edgeq.devices.base import ProfileOptions
from edgeq.errors import EdgeqError

pytest.importorskip("tflite_micro")


@pytest.fixture
def model(models):
    return models / "kws_int8.tflite"


@pytest.fixture
def inputs():
    generator = np.random.default_rng(0)
    return generator.integers(-128, 128, (5, 49, 10, 1), dtype=np.int8)


def oracle(model, inputs):
    """TFLM called directly, one sample after the other."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(str(model))
    outputs = []
    for sample in inputs:
        interpreter.set_input(sample.reshape(1, 49, 10, 1), 0)
        interpreter.invoke()
        outputs.append(np.array(interpreter.get_output(0))[0])
    return np.stack(outputs)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_the_bytes_are_tflm_s(cli, tmp_path, model, inputs, suffix):
    np.save(tmp_path / "x.npy", inputs)
    target = tmp_path / f"y{suffix}"
    done = cli("run", model, "--on", "tflm", "-i", tmp_path / "x.npy", "-o", target, "--json")
    assert done.code == 0, done.err
    assert done.json["shapes"] == [[5, 12]]
    loaded = np.load(target)
    written = loaded["0"] if suffix == ".npz" else loaded
    assert written.dtype == np.int8
    assert np.array_equal(written, oracle(model, inputs))


def test_floats_and_both_shapes_give_the_same(model, inputs):
    scale, zero_point = 0.58470666, 83
    real = (inputs.astype(np.float64) - zero_point) * scale
    expected = edgeq.run(model, inputs=inputs, on="tflm")[0]
    for given in (real, real[:, None], {"0": inputs}):
        assert np.array_equal(edgeq.run(model, inputs=given, on="tflm")[0], expected)


def test_existing_output_needs_force(cli, tmp_path, model, inputs):
    np.save(tmp_path / "x.npy", inputs)
    (tmp_path / "y.npy").write_text("precious")
    arguments = ("run", model, "--on", "tflm", "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    refused = cli(*arguments)
    assert refused.code == 1
    assert "--force" in refused.err
    assert (tmp_path / "y.npy").read_text() == "precious"
    assert cli(*arguments, "--force").code == 0
    assert np.load(tmp_path / "y.npy").shape == (5, 12)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((5, 7, 7, 1), np.int8), "shape"),
        (np.zeros((0, 49, 10, 1), np.int8), "no samples"),
        (np.full((1, 49, 10, 1), 300), "300"),
        (np.full((1, 49, 10, 1), np.nan), "NaN"),
    ],
)
def test_bad_input_leaves_nothing_behind(cli, tmp_path, model, array, words):
    np.save(tmp_path / "x.npy", array)
    done = cli("run", model, "--on", "tflm", "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    assert done.code == 1
    assert words in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


@pytest.mark.parametrize("content", [b"", b"no model at all", None])
def test_what_is_no_model_is_one_clear_error(cli, tmp_path, inputs, content):
    np.save(tmp_path / "x.npy", inputs)
    if content is not None:
        (tmp_path / "m.tflite").write_bytes(content)
    done = cli("run", tmp_path / "m.tflite", "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    assert done.code == 1
    assert done.err.startswith("Error: ")
    assert not (tmp_path / "y.npy").exists()


def test_an_output_of_no_known_kind(model, inputs, cli, tmp_path):
    np.save(tmp_path / "x.npy", inputs)
    done = cli("run", model, "-i", tmp_path / "x.npy", "-o", tmp_path / "y.csv")
    assert done.code == 1
    assert ".npy" in done.err


def test_a_keras_file_runs_as_float(models):
    pytest.importorskip("tensorflow")
    model = models / "str_ww_ref_model.h5"
    samples = np.load(models / "str_ww_calibration_samples.npz")["specs"][:4]
    (found,) = edgeq.run(model, inputs=samples)
    assert found.dtype == np.float32
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert edgeq.verify(model, on="local", against="local", n=2).equal
    assert edgeq.profile(model, on="local", profile_options=ProfileOptions(runs=2)).macs == 826368


def test_an_unknown_device_is_a_usage_error(cli, model):
    assert cli("run", model, "--on", "sim", "-i", "x.npy", "-o", "y.npy").code in (1, 2)
    with pytest.raises(EdgeqError):
        edgeq.run(model, inputs=np.zeros((1, 49, 10, 1)), on="nowhere:1")
