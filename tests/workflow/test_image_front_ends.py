"""Keras models that begin with Resizing or CenterCrop: the layers as a front end for cameras."""

import numpy as np
import pytest

import edgeq
from edgeq.analysis.evaluation.evaluate import evaluate
from edgeq.compiler.options import CompileOptions
from edgeq.conversion.hearing import Hearing
from edgeq.conversion.sources.image_front_ends import split_image_front_end
from edgeq.errors import EdgeqError, UsageError
from edgeq.frontend.build import front_end
from edgeq.frontend.description import read_description
from tests.frontend.test_image import picture

keras = pytest.importorskip("keras")
layers = keras.layers


def net(*head, shape=(60, 80, 3), classes=3):
    """A model that begins with some layers."""
    keras.utils.set_random_seed(1)
    given = keras.Input(shape, name="camera")
    x = given
    for layer in head:
        x = layer(x)
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    x = layers.Dense(classes)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(given, layers.Softmax()(x))


HEADS = {
    "bilinear": lambda: [layers.Resizing(24, 32)],
    "enlarged": lambda: [layers.Resizing(70, 90)],
    "nearest": lambda: [layers.Resizing(24, 32, interpolation="nearest")],
    "odd": lambda: [layers.Resizing(23, 31), layers.Rescaling(1 / 255)],
    "cut and resized": lambda: [layers.CenterCrop(48, 48), layers.Resizing(24, 24)],
    "cut alone": lambda: [layers.CenterCrop(31, 48)],
    "aspect": lambda: [layers.Resizing(24, 24, crop_to_aspect_ratio=True)],
    "aspect, wide": lambda: [layers.Resizing(20, 64, crop_to_aspect_ratio=True)],
    "augmented": lambda: [
        layers.RandomFlip(), layers.Resizing(24, 32), layers.RandomRotation(0.1),
        layers.RandomContrast(0.2), layers.Rescaling(1 / 64, -2),
    ],
    "scaled first": lambda: [layers.Rescaling(1 / 127, -127 / 127), layers.Resizing(24, 32)],
    "another mean": lambda: [layers.Resizing(24, 32), layers.Rescaling(1 / 127.5, -1)],
    "inside": lambda: [keras.Sequential([layers.CenterCrop(40, 60), layers.Resizing(20, 30)])],
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_the_front_end_is_the_layers(name):
    head, channels = HEADS[name](), 1 if name in ("odd", "cut alone") else 3
    model = net(*head, shape=(60, 80, channels))
    found = split_image_front_end(model, "model")
    frame = picture()[..., :channels]
    x = frame[None].astype(np.float32)
    for layer in head:
        x = layer(x, training=False) if "Random" in type(layer).__name__ else layer(x)
    values = found.front.values
    hearing = Hearing(found.name, values, frame.shape)
    (ours,) = hearing.features([frame.astype(np.float32)])
    assert ours.shape == tuple(found.rest.inputs[0].shape[1:])
    theirs = np.asarray(x)[0]
    if name == "another mean":  # no whole number: the layer stays, and folds into the model
        assert (values["mean"], values["std"]) == (0, 1.0)
        assert "Rescaling" in {type(layer).__name__ for layer in found.rest.layers}
        theirs = (theirs + 1) * 127.5
    else:
        assert "Rescaling" not in {type(layer).__name__ for layer in found.rest.layers}
    exact = "nearest" in name or name == "cut alone"
    # A step of a pixel, as tests/frontend/test_image.py has it of tf.image.resize.
    assert np.abs(ours - theirs).max() * values["std"] <= (1e-4 if exact else 1.001)
    kinds = {type(layer).__name__ for layer in found.rest.layers}
    assert not kinds & {"Resizing", "CenterCrop", "RandomFlip", "RandomRotation"}
    whole, rest = np.asarray(model(frame[None])), np.asarray(found.rest(ours[None]))
    np.testing.assert_allclose(rest, whole, atol=0.01)


@pytest.mark.parametrize(
    ("head", "shape", "why"),
    [
        ([], (60, 80, 3), "does not begin with Resizing"),
        ([layers.Rescaling(1 / 255)], (60, 80, 3), "does not begin with Resizing"),
        ([layers.Resizing(24, 32, interpolation="bicubic")], (60, 80, 3), "does not begin"),
        ([layers.Resizing(24, 32, antialias=True)], (60, 80, 3), "does not begin"),
        ([layers.Resizing(24, 32, pad_to_aspect_ratio=True)], (60, 80, 3), "does not begin"),
        ([layers.CenterCrop(90, 90)], (60, 80, 3), "does not begin"),
        ([layers.Resizing(24, 32)], (60, 80, 2), "is no picture"),
        ([layers.Resizing(24, 32)], (None, None, 3), "is no picture"),
    ],
)
def test_what_is_no_front_end_is_named(head, shape, why):
    with pytest.raises(EdgeqError, match=why) as caught:
        split_image_front_end(net(*head, shape=shape), "net.keras")
    assert caught.value.hint == "leave out --image-front-end"


class RandomShade(layers.Layer):
    """A layer of the user's, in inference too, whose name sounds like augmentation."""

    def call(self, x):
        return 255.0 - x


class Resizing(layers.Resizing):
    """Another one, which has a name of Keras's and does more."""

    def call(self, x):
        return super().call(x) * 0.5


@pytest.mark.parametrize(
    "kind", [RandomShade, lambda: Resizing(24, 32)], ids=["random", "resizing"]
)
def test_layers_of_the_users_own_are_of_the_model(kind):
    with pytest.raises(EdgeqError, match="does not begin with Resizing"):
        split_image_front_end(net(kind(), layers.Resizing(24, 32)), "m")
    found = split_image_front_end(net(layers.CenterCrop(50, 60), kind()), "m")
    assert any(type(layer).__module__ == __name__ for layer in found.rest.layers)


def test_what_takes_the_picture_otherwise_is_refused():
    given = keras.Input((60, 80, 3))
    small = layers.Resizing(24, 32)(given)
    both = [layers.GlobalAveragePooling2D()(x) for x in (small, layers.Conv2D(3, 5)(given))]
    with pytest.raises(EdgeqError, match="takes the picture otherwise"):
        split_image_front_end(keras.Model(given, layers.Concatenate()(both)), "m")


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A model, frames with Keras's answers as labels, and what convert made of it."""
    folder = tmp_path_factory.mktemp("camera")
    model = net(layers.CenterCrop(56, 72), layers.Resizing(28, 36), layers.Rescaling(1 / 255))
    model.save(folder / "net.keras")
    frames = np.stack([picture(seed=seed) for seed in range(16)])
    labels = np.asarray(model(frames.astype(np.float32))).argmax(1)
    np.savez(folder / "frames.npz", x=frames, y=labels)
    result = edgeq.convert(
        folder / "net.keras", data=folder / "frames.npz", output=folder / "net.tflite",
        image_front_end=True,
    )  # fmt: skip
    return folder, result


@pytest.mark.slow
def test_convert_writes_it_beside_the_model(converted):
    folder, result = converted
    found = read_description(folder / "net.frontend.toml")
    assert (found.crop, found.out_width, found.out_height) == ((4, 2, 72, 56), 36, 28)
    assert (found.width, found.height, found.format, found.std) == (80, 60, "rgb888", 255.0)
    assert result.frontend.quality.signal_to_noise_db > 40
    assert "RESIZE_BILINEAR" not in {op.name for op in edgeq.inspect(folder / "net.tflite").ops}


@pytest.mark.slow
def test_every_core_sees_the_same_frames(converted):
    folder, _ = converted
    options = CompileOptions(frontend=front_end(folder / "net.frontend.toml"))
    found = evaluate(
        folder / "net.tflite", data=folder / "frames.npz", on="c", also_on="sim:cortex-m4",
        options=options, limit=6,
    )  # fmt: skip
    assert found.also_on.equal == 6
    assert found.score.value >= 5 / 6


@pytest.mark.slow
def test_the_float_model_and_other_schemes_see_the_same_frames(converted, cli):
    folder, _ = converted
    frames, model = folder / "frames.npz", folder / "net.keras"
    judged = cli("evaluate", folder / "net.tflite", "--data", frames, "--on", "c", "--against",
                 model, "--json")  # fmt: skip
    assert judged.code == 0, judged.err
    assert judged.json["against"]["float"] == 1
    compared = cli("convert", model, "--data", frames, "--eval", frames, "--image-front-end",
                   "--compare", "float32,int8,float16", "--on", "c", "--json")  # fmt: skip
    assert compared.code == 0, compared.err
    rows = compared.json["schemes"]
    assert [row["error"] for row in rows] == [None] * 3
    front = [row["profile"]["ops"][0]["op"].startswith("FRONTEND") for row in rows]
    assert front == [True, True, False]  # a scheme that keeps float keeps the layers


def test_where_it_makes_no_sense(tmp_path):
    model = net(layers.Resizing(8, 8), shape=(16, 16, 1))
    data = np.zeros((2, 16, 16, 1), np.float32)
    with pytest.raises(UsageError, match="for integer schemes"):
        edgeq.convert(model, data=data, scheme="float16", image_front_end=True)
    with pytest.raises(UsageError, match="whole frames"):
        edgeq.convert(model, data=data, stream=1, image_front_end=True)
    with pytest.raises(EdgeqError, match="pixels are from 0 to 255; the data go from -1 to -1"):
        edgeq.convert(model, data=data - [[[[0.0]]], [[[1.0]]]], image_front_end=True)
