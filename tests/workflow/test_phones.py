"""Models for phones: what apps feed is what the model takes, and what takes it is said."""

import numpy as np
import pytest
from PIL import Image

import edgeq
from edgeq.analysis.app_runtimes import app_runtimes
from edgeq.data import DatasetOptions, Normalization
from edgeq.model.model_file import parse_graph
from tests.oracle.build import TensorSpec, single_op

PHONE = "android-helio-g99"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of pictures, none of which uses all of 0 to 255."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for number in range(6):
            pixels = random.integers(30, 220, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Input((16, 16, 3)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    path = tmp_path_factory.mktemp("net") / "net.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def reading():
    return DatasetOptions(classes=("cat", "dog"), normalization=Normalization((127.5,), (127.5,)))


@pytest.mark.slow
def test_a_phone_gets_uint8_and_the_runtimes_are_named(cli, net, photos, tmp_path):
    arguments = ["convert", net, "-o", tmp_path / "net.tflite", "--data", photos]
    arguments += ["--mean", "127.5", "--std", "127.5", "--no-quality-check"]
    said = cli(*arguments, "--target", PHONE).out
    assert "uint8 in, uint8 out" in said
    assert "in apps: LiteRT takes it" in said
    assert "in apps: MediaPipe Tasks (ImageClassifier) takes it" in said
    assert "in apps: ML Kit (custom image classifier) takes it" in said
    asked = cli(*arguments, "--target", PHONE, "--io", "int8", "--force", "--json")
    assert [words.partition(":")[0] for words in asked.json["app_runtimes"]] == [
        "LiteRT takes it",
        "MediaPipe Tasks (ImageClassifier) refuses it",
        "ML Kit (custom image classifier) refuses it",
    ]
    assert "the input is int8, uint8 or float32 is wanted" in asked.json["app_runtimes"][1]
    board = cli(*arguments, "--target", "nucleo-f446re", "--force", "--json").json
    assert board["proof"]["inputs"] == ["int8"]
    assert board["app_runtimes"] == []


@pytest.mark.slow
def test_pixel_200_is_integer_200(net, photos, reading):
    """Apps copy pixels: the scale has to be normalization's, not that of what the data reached."""
    made = edgeq.convert(
        net, data=str(photos), dataset_options=reading, target=PHONE, quality_check=False
    )
    graph = parse_graph(made.data, "net")
    (tensor,) = (graph.main.tensors[index] for index in graph.main.inputs)
    for pixel in (0, 1, 127, 200, 255):
        taken = (pixel - 127.5) / 127.5 / tensor.scale + tensor.zero_point
        assert abs(taken - pixel) <= 0.51  # the mean lies between two integers
    assert graph.info.inputs[0].mean == (127.5,)
    assert graph.info.inputs[0].std == (127.5,)
    assert graph.info.outputs[0].labels == ("cat", "dog")
    alone = edgeq.convert(net, data=str(photos), target=PHONE, quality_check=False)
    assert parse_graph(alone.data, "net").info.inputs[0].std  # metadata without being asked


@pytest.mark.slow
def test_deploy_for_a_phone_gives_the_same_model(cli, net, photos, tmp_path):
    out = tmp_path / "out"
    arguments = [net, "--data", photos, "--eval", photos, "--target", PHONE, "-o", out]
    done = cli("deploy", *arguments, "--mean", "127.5", "--std", "127.5", "--json")
    assert done.code == 0, done.err
    graph = parse_graph((out / "net.tflite").read_bytes(), "net")
    assert [graph.main.tensors[index].dtype for index in graph.main.inputs] == ["uint8"]
    assert done.json["evaluation"]["integer"]["n"] == 12
    # No phone was asked: nothing of this machine is the phone's.
    assert done.json["latency_ms"] is None
    assert done.json["kinds"]["latency_ms"] == "unknown"


def test_what_apps_refuse_is_said(models):
    found = app_runtimes(parse_graph((models / "kws_int8.tflite").read_bytes(), "kws"))
    assert not found[0].problems
    assert any("[1, 49, 10, 1], a picture" in problem for problem in found[1].problems)
    assert any("int8" in problem for problem in found[2].problems)


def test_a_float_model_without_metadata_wants_some(tmp_path):
    x, y = TensorSpec((1, 8, 8, 3), "float32"), TensorSpec((1, 192), "float32")
    found = app_runtimes(parse_graph(single_op("RESHAPE", [x], [y]), "picture"))
    assert found[1].problems == (
        "a float32 input wants its mean and std in the metadata (--mean, --std)",
    )
