"""One labelled set in every container: all figures are scikit-learn's."""

import json

import numpy as np
import pytest

import edgeq
from tests.data import digits

pytest.importorskip("tensorflow")
pytest.importorskip("sklearn")
pytest.importorskip("PIL")


@pytest.mark.parametrize("name", digits.CONTAINERS)
def test_the_same_figure_from_every_container(tmp_path, model, right, name):
    data, given = digits.CONTAINERS[name](tmp_path, digits.load())
    found = edgeq.evaluate(model, data=data, dataset_options=digits.options(**given))
    assert found.score.value == pytest.approx(right, abs=1e-12)
    assert found.data.samples == digits.TESTED
    counts = np.bincount(digits.load().labels, minlength=10)
    assert list(found.data.classes.values()) == counts.tolist()
    (account,) = found.data.inputs
    np.testing.assert_allclose(account.before, (0, 240))
    np.testing.assert_allclose(account.after, (-1, 1), atol=1e-6)


@pytest.mark.parametrize("name", digits.WAVS)
def test_the_same_figure_from_recordings(tmp_path, wave_model, right, name):
    data, given = digits.WAVS[name](tmp_path, digits.load())
    options = digits.options(**given, sample_rate=16000)
    found = edgeq.evaluate(wave_model, data=data, dataset_options=options)
    # Eight bits hold v / 480 in steps of 4 for 15: scikit-learn judges what is left of it.
    pixels = digits.load().pixels
    if name == "wav pcm8":
        pixels = np.round(pixels / 480 * 128) / 128 * 480
    assert found.score.value == pytest.approx(digits.load().accuracy(pixels), abs=1e-12)


def test_jpeg_is_judged_on_the_pixels_that_a_decoder_gives(tmp_path, model):
    from PIL import Image

    data, given = digits._image_folder(digits._grey, "jpg", quality=90)(tmp_path, digits.load())
    found = edgeq.evaluate(model, data=data, dataset_options=digits.options(**given))
    files = sorted(data.rglob("*.jpg"))
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    labels = np.array([int(file.parent.name) for file in files])
    assert found.score.value == pytest.approx(digits.load().accuracy(pixels, labels), abs=1e-12)


def test_integers_and_metadata_give_one_figure_too(tmp_path, cli):
    """An int8 model that carries mean, std and labels: no option is needed, the figure is one."""
    keras_file = tmp_path / "digits.keras"
    digits.keras_model().save(keras_file)
    (tmp_path / "labels.txt").write_text("".join(f"{n}\n" for n in range(10)))
    data, _ = digits.npz(tmp_path, digits.load())
    model = tmp_path / "digits.tflite"
    done = cli(
        "convert", keras_file, "-o", model, "--data", data, "--mean", 120, "--std", 120,
        "--labels", tmp_path / "labels.txt", "--eval", data, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "120 of the 120 samples" in done.err
    assert done.json["data"]["calibration"]["inputs"][0]["after"] == [-1, 1]
    figures = {}
    for name in ("npz", "npz floats", "png", "csv semicolons", "records tensor", "generator"):
        folder = tmp_path / name
        folder.mkdir()
        source, given = digits.CONTAINERS[name](folder, digits.load())
        label = ["--label", given["label"]] if given else []
        done = cli("evaluate", model, "--data", source, *label, "--json")
        assert done.code == 0, done.err
        (account,) = done.json["data"]["inputs"]
        assert "the model's metadata" in account["steps"][0]
        figures[name] = done.json["accuracy"]
    assert len(set(figures.values())) == 1
    assert figures["npz"] == pytest.approx(done.json["accuracy"])
    assert figures["npz"] == pytest.approx(digits.load().accuracy(), abs=0.02)
    _floats_that_are_normalised_already(cli, tmp_path, model, figures["npz"])


def _floats_that_are_normalised_already(cli, folder, model, figure):
    """They are known by their range; what contradicts the metadata is refused."""
    normal = (digits.load().pixels.astype(np.float32) - 120) / 120
    np.savez(folder / "normal.npz", x=normal, y=digits.load().labels)
    arguments = ("evaluate", model, "--data", folder / "normal.npz")
    done = cli(*arguments, "--json")
    assert json.loads(done.out)["accuracy"] == figure
    assert "normalised already" in done.json["data"]["inputs"][0]["steps"][0]
    assert cli(*arguments, "--mean", 0, "--std", 1, "--json").json["accuracy"] == figure
    refused = cli(*arguments, "--mean", 100, "--std", 120)
    assert refused.code == 1
    assert "--mean and --std say mean 100, std 120" in refused.err
    assert "mean 120, std 120" in refused.err
    refused = cli(*arguments, "--classes", "9,8,7,6,5,4,3,2,1,0")
    assert (refused.code, "the model's own labels" in refused.err) == (1, True)
