"""The mistakes that data comes with: the right figure, or an error that names the place."""

import csv
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

import edgeq
from edgeq.data import InputSpec, Normalization, open_dataset
from edgeq.errors import EdgeqError, UsageError
from tests.data import digits

pytest.importorskip("tensorflow")
pytest.importorskip("sklearn")
Image = pytest.importorskip("PIL.Image")


def evaluate(model, data, **values):
    return edgeq.evaluate(model, data=data, dataset_options=digits.options(**values))


def write_csv(folder, change=lambda row, fields: fields, separator=","):
    """The set as CSV, with each line's fields changed; line 1 is the header, line 2 row 0."""
    path, _ = digits.csv_commas(folder, digits.load())
    with path.open(newline="") as file:
        lines = list(csv.reader(file))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(lines[0])
        writer.writerows(change(row, fields) for row, fields in enumerate(lines[1:]))
    return path


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("", "The label is empty"),
        ("NA", "'NA' stands for a missing label"),
        ("nan", "'nan' stands for a missing label"),
        ("1.2 V", "The label '1.2 V' is no number, but 10 others are"),
        ("1,2", "The label '1,2' is no number, but 10 others are"),
    ],
)
def test_one_label_that_is_no_number(tmp_path, cli, model, label, words):
    """Numeric labels do not become class names because one of them is odd."""
    path = write_csv(tmp_path, lambda row, f: [*f[:-1], label] if row == 40 else f)
    for metric in ("classification", "regression"):
        done = cli("evaluate", model, "--data", path, "--label", "label", "--metric", metric)
        assert done.code == 1, done.out
        assert words in done.err
        assert "d.csv, line 42, column 'label'" in done.err


def test_names_of_classes_are_no_numbers_to_regress(tmp_path, model):
    path = write_csv(tmp_path, lambda row, f: [*f[:-1], f"d{f[-1]}"])
    with pytest.raises(EdgeqError, match=r"labels are names .*regression needs numbers"):
        edgeq.evaluate(
            model, data=path, metric="regression", dataset_options=digits.options(label="label")
        )


def test_a_regression_with_decimal_commas(tmp_path):
    """Mean absolute error as scikit-learn has it, from a file that a German Excel wrote."""
    from sklearn.metrics import mean_absolute_error

    generator = np.random.default_rng(0)
    x, noise = generator.normal(size=(50, 3)).round(3), generator.normal(size=50).round(3)
    y = (x.sum(axis=1) + noise).round(3)
    lines = [";".join(f"{v}".replace(".", ",") for v in (*row, t)) for row, t in zip(x, y)]  # noqa: B905
    (tmp_path / "d.csv").write_text("a;b;c;target\n" + "\n".join(lines) + "\n")
    model = tmp_path / "sum.tflite"
    model.write_bytes(_sum_model())
    found = edgeq.evaluate(
        model, data=tmp_path / "d.csv", metric="regression",
        dataset_options=digits.options(label="target", normalization=None),
    )  # fmt: skip
    assert found.score.value == pytest.approx(mean_absolute_error(y, x.sum(axis=1)), abs=1e-6)
    assert "separated by semicolons, decimal commas" in str(found.data)


def _sum_model():
    import keras

    from edgeq.conversion.float_model import float_model

    inputs = keras.Input((3,), name="x")
    model = keras.Model(inputs, keras.layers.Dense(1, name="sum")(inputs))
    model.layers[-1].set_weights([np.ones((3, 1)), np.zeros(1)])
    return float_model(model).data


@pytest.mark.parametrize("name", ["csv commas", "npz floats", "generator", "npz", "png"])
def test_mean_and_std_from_the_command_line(tmp_path, cli, model, right, name):
    """They are applied to all data alike, and said."""
    data, given = digits.CONTAINERS[name](tmp_path, digits.load())
    label = ["--label", given["label"]] if given else []
    arguments = ["evaluate", model, "--data", data, *label]
    done = cli(*arguments, "--mean", 120, "--std", 120)
    assert done.code == 0, done.err
    first, _, third, *_ = done.out.splitlines()
    assert first.startswith(f"data: 120 samples of {tmp_path}")
    assert "10 classes (0: " in first
    assert "input 0 to 240 (" in first
    assert "mean 120, std 120 (--mean and --std): -1 to 1" in first
    assert third.startswith(f"accuracy {right:.4f} on 120 samples (local)")


def test_mean_for_a_model_of_plain_integers():
    with pytest.raises(UsageError, match="cannot be applied"):
        open_dataset(
            np.zeros((2, 3), int), [InputSpec("ids", (3,), "int32")], options=digits.options()
        )


def test_raw_logs_take_no_normalization(models):
    from edgeq.analysis.drift.check import reference_profile

    raw = np.zeros((3, 30, 1, 40), np.int8)
    with pytest.raises(UsageError, match="cannot be applied"):
        reference_profile(models / "sww_int8.tflite", raw, raw=True, reading=digits.options())


def test_a_drawing_in_alpha(tmp_path, cli, model, right):
    data, _ = digits.png_alpha(tmp_path, digits.load())
    arguments = ["evaluate", model, "--data", data, "--mean", 120, "--std", 120, "--json"]
    done = cli(*arguments)
    assert done.json["accuracy"] == pytest.approx(right)
    assert "composed on black (--background settles it) (120 samples, first" in done.err
    done = cli(*arguments, "--background", "#000000")
    assert done.json["accuracy"] == pytest.approx(right)
    assert "background" not in done.err
    vanished = cli(*arguments, "--background", "white")
    assert vanished.code == 1
    assert "vanishes on the background white" in vanished.err
    assert ".png" in vanished.err
    assert cli(*arguments, "--background", "blueish").code == 2


def test_whole_numbers_of_32_bits_are_refused(tmp_path, model):
    data, _ = digits.png(tmp_path, digits.load())
    first = min((data / "0").iterdir())
    first.unlink()
    Image.fromarray(np.full((8, 8), 70000, np.int32)).save(first.with_suffix(".tif"))
    with pytest.raises(EdgeqError, match="32 bits") as caught:
        evaluate(model, data)
    assert first.stem in caught.value.where


def test_an_empty_class_folder_is_a_class(tmp_path, model, right):
    """The samples of a class are missing, its number is not."""
    data, _ = digits.png(tmp_path, digits.load())
    shutil.rmtree(data / "3")
    (data / "3").mkdir()
    (data / ".ipynb_checkpoints").mkdir()
    shutil.copy(min((data / "0").iterdir()), data / ".ipynb_checkpoints" / "0.png")
    shutil.copy(min((data / "0").iterdir()), data / "0" / "._hidden.png")
    (data / "0" / "notes.txt").write_text("a text")
    found = evaluate(model, data)
    rest = digits.load().labels != 3
    expected = digits.load().accuracy(digits.load().pixels[rest], digits.load().labels[rest])
    assert found.score.value == pytest.approx(expected)
    assert found.data.classes["3"] == 0
    assert any("Empty class folders" in warning for warning in found.data.warnings)
    assert "left out .ipynb_checkpoints" in found.data.notes
    assert "left out 1 files of other kinds" in found.data.notes


def test_a_class_folder_that_is_missing(tmp_path, model, named_model):
    data, _ = digits.png(tmp_path, digits.load())
    shutil.rmtree(data / "3")
    with pytest.raises(EdgeqError, match=r"9 classes .*the model tells 10 apart"):
        evaluate(model, data)
    names = tuple(str(n) for n in range(10))
    rest = digits.load().labels != 3
    expected = digits.load().accuracy(digits.load().pixels[rest], digits.load().labels[rest])
    found = evaluate(model, data, classes=names)
    assert found.score.value == pytest.approx(expected)
    by_metadata = edgeq.evaluate(named_model, data=data)
    assert by_metadata.data.classes["3"] == 0
    assert by_metadata.score.value == pytest.approx(expected, abs=0.02)
    (data / "misc").mkdir()
    shutil.copy(min((data / "0").iterdir()), data / "misc" / "0.png")
    with pytest.raises(EdgeqError, match="classes misc, which are not among the labels"):
        edgeq.evaluate(named_model, data=data)


def test_folders_named_1_to_10(tmp_path, model, right):
    """In numeric order, with a word on Keras's; --classes settles it."""

    def save(pixels, path):
        Image.fromarray(pixels).save(f"{path}.png")

    data = digits._folders(tmp_path, digits.load(), save, lambda number: str(number + 1))
    found = evaluate(model, data)
    assert found.score.value == pytest.approx(right)
    assert any("alphabetical order (1, 10, 2" in warning for warning in found.data.warnings)
    names = tuple(str(n + 1) for n in range(10))
    found = evaluate(model, data, classes=names)
    assert found.score.value == pytest.approx(right)
    assert not found.data.warnings
    # scikit-learn on the alphabetical numbers is what a model trained with Keras would get.
    alphabetical = tuple(sorted(names))
    index = [alphabetical.index(str(label + 1)) for label in digits.load().labels]
    found = evaluate(model, data, classes=alphabetical)
    expected = digits.load().accuracy(labels=np.array(index))
    assert found.score.value == pytest.approx(expected)


def test_a_level_of_splits_is_no_class(tmp_path, model):
    data, _ = digits.png(tmp_path, digits.load())
    for split in ("train", "test"):
        shutil.copytree(data, tmp_path / "set" / split)
    with pytest.raises(EdgeqError, match="test, train are splits") as caught:
        evaluate(model, tmp_path / "set")
    assert f"--data {tmp_path}/set/test" in caught.value.hint
    shutil.copytree(data, tmp_path / "wrapped" / "images")
    with pytest.raises(EdgeqError, match="one subfolder, 'images'") as caught:
        evaluate(model, tmp_path / "wrapped")
    assert caught.value.hint == f"--data {tmp_path}/wrapped/images"


def test_class_folders_that_are_links(tmp_path, model, right):
    data, _ = digits.png(tmp_path, digits.load())
    (tmp_path / "linked").mkdir()
    for folder in data.iterdir():
        (tmp_path / "linked" / folder.name).symlink_to(folder)
    assert evaluate(model, tmp_path / "linked").score.value == pytest.approx(right)


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_records_resize_images_as_folders_do(tmp_path, model, resize):
    """The same wide pictures in records and in folders: one figure, whatever the way."""
    import io

    def wide(pixels):
        return Image.fromarray(np.pad(pixels, ((0, 0), (6, 2)), mode="edge").repeat(2, 1))

    def encode(pixels):
        stream = io.BytesIO()
        wide(pixels).save(stream, "png")
        return stream.getvalue()

    folders, _ = digits._image_folder(wide)(tmp_path, digits.load())
    records, _ = digits._records(encode)(tmp_path, digits.load())
    figures = [
        evaluate(model, data, resize=resize).score.details["confusion"].tolist()
        for data in (folders, records)
    ]
    assert figures[0] == figures[1]


@pytest.mark.parametrize("packing", ["", "GZIP", "ZLIB"])
@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_damaged_records_are_noticed(tmp_path, model, packing, damage):
    data, _ = digits._records(digits._png_bytes, packing=packing)(tmp_path, digits.load())
    file = Path(data)
    raw = bytearray(file.read_bytes())
    if damage == "flip":
        raw[len(raw) // 2] ^= 4
    else:
        del raw[-5:]
    file.write_bytes(raw)
    with pytest.raises(EdgeqError, match=r"damaged|cannot be read|cut short"):
        evaluate(model, data)


def test_what_a_feature_holds_is_named(tmp_path, model):
    data, _ = digits._records(lambda p: b"\x07\x00" * 70)(tmp_path, digits.load())
    with pytest.raises(EdgeqError, match=r"'image' holds 140 bytes .*07 00 07 00") as caught:
        evaluate(model, data)
    assert caught.value.where.endswith("record 0")


def test_a_table_without_a_header(tmp_path):
    """UCI's iris.data: the first line is a sample, and named by its number the label is found."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    names = [f"Iris-{name}" for name in iris.target_names]
    lines = [
        ",".join(map(str, [*row, names[label]]))
        for row, label in zip(iris.data, iris.target, strict=True)
    ]
    (tmp_path / "iris.csv").write_text("\n".join(lines) + "\n\n")
    data = open_dataset(
        tmp_path / "iris.csv", [InputSpec("x", (4,))], labelled=True,
        options=digits.options(label="4", normalization=None),
    )  # fmt: skip
    samples = list(data)
    np.testing.assert_allclose([s.inputs[0] for s in samples], iris.data, rtol=1e-6)
    assert [s.label for s in samples] == iris.target.tolist()
    assert data.classes == tuple(names)


def _waves(folder, rate, kind="pcm16"):
    data, _ = digits.wav_folder(kind, rate)(folder, digits.load())
    return data


def test_the_rate_of_recordings(tmp_path, cli, wave_model, right):
    """Known, or said to be unknown; another one is refused; a mix is refused."""
    data = _waves(tmp_path, 8000)
    arguments = ["evaluate", wave_model, "--data", data, "--mean", 0.25, "--std", 0.25]
    unknown = cli(*arguments)
    assert unknown.code == 0
    assert "Recordings of 8,000 Hz; what the model takes is not known" in unknown.err
    known = cli(*arguments, "--sample-rate", 8000)
    assert f"accuracy {right:.4f}" in known.out
    assert not known.err
    other = cli(*arguments, "--sample-rate", 16000)
    assert other.code == 1
    assert "has 8,000 Hz; the model takes 16,000 Hz" in other.err
    assert ".wav" in other.err
    odd = max(data.rglob("*.wav"))
    odd.write_bytes(digits.wav_bytes(np.zeros(64), 16000))
    mixed = cli(*arguments)
    assert mixed.code == 1
    assert "different sample rates: 8,000 Hz and 16,000 Hz" in mixed.err
    assert odd.name in mixed.err
    assert cli(*arguments, "--sample-rate", 0).code == 2


def test_resampling_when_asked(tmp_path, wave_model):
    """As scipy resamples the same recordings, judged by scikit-learn."""
    signal = pytest.importorskip("scipy.signal")
    values = digits.load().pixels.reshape(-1, 64) / 480
    doubled = np.round(signal.resample_poly(values, 2, 1, axis=1) * 32768) / 32768

    def save(pixels, path):
        row = (digits.load().pixels == pixels).all(axis=(1, 2)).argmax()
        path.with_suffix(".wav").write_bytes(digits.wav_bytes(doubled[row], 16000))

    data = digits._folders(tmp_path, digits.load(), save)
    found = edgeq.evaluate(
        wave_model, data=data,
        dataset_options=digits.options(
            normalization=digits.WAVES, sample_rate=8000, resample=True
        ),
    )  # fmt: skip
    back = signal.resample_poly(doubled, 1, 2, axis=1) * 480
    assert found.score.value == pytest.approx(digits.load().accuracy(back))
    assert any("resampled to 8,000 Hz (120 samples" in note for note in found.data.notes)


def test_the_rate_travels_in_the_model(tmp_path, cli):
    data = _waves(tmp_path, 8000)
    digits.keras_model((64, 1)).save(tmp_path / "w.keras")
    model = tmp_path / "w.tflite"
    done = cli(
        "convert", tmp_path / "w.keras", "-o", model, "--data", data, "--mean", 0.25,
        "--std", 0.25, "--sample-rate", 8000,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert cli("evaluate", model, "--data", data).code == 0
    (tmp_path / "fast").mkdir()
    refused = cli("evaluate", model, "--data", _waves(tmp_path / "fast", 16000))
    assert refused.code == 1
    assert "the model takes 8,000 Hz" in refused.err
    refused = cli("evaluate", model, "--data", data, "--sample-rate", 16000)
    assert "--sample-rate 16000 is given; the model takes 8,000 Hz" in refused.err


def test_recordings_that_are_damaged_or_coded(tmp_path, wave_model):
    data = _waves(tmp_path, 8000)
    file = min(data.rglob("*.wav"))
    whole = file.read_bytes()
    coded = whole[:20] + struct.pack("<H", 7) + whole[22:]
    for content, words in (
        (whole[:-10], "cut off: 128 bytes are promised, 118 follow"),
        (coded, "coded as µ-law"),
        (b"", "no .wav file"),
        (whole[:30], "no header, or it is damaged"),
    ):
        file.write_bytes(content)
        with pytest.raises(EdgeqError, match=words) as caught:
            evaluate(wave_model, data, normalization=digits.WAVES)
        assert file.name in caught.value.where


def test_long_and_short_recordings_are_said(tmp_path, wave_model):
    data = _waves(tmp_path, 8000)
    first, second = sorted(data.rglob("*.wav"))[:2]
    first.write_bytes(digits.wav_bytes(np.zeros(100), 8000))
    second.write_bytes(digits.wav_bytes(np.zeros(10), 8000))
    found = evaluate(wave_model, data, normalization=digits.WAVES)
    assert any("cut at the end (1 sample, first" in warning for warning in found.data.warnings)
    assert any("padded with silence (1 sample" in note for note in found.data.notes)


def test_a_range_unlike_the_model_s(tmp_path, cli, named_model):
    """Pixels of 0..1 for a model of pixels, and pixels normalised twice."""
    for factor, words in (
        (1 / 255, "The values use 47% of the range"),
        (400.0, "of the values lie"),
    ):
        x = digits.load().pixels.astype(np.float32) * factor
        np.savez(tmp_path / "d.npz", x=x, y=digits.load().labels)
        done = cli("evaluate", named_model, "--data", tmp_path / "d.npz", "--mean", 0, "--std", 1)
        assert done.code == 0
        assert words in done.err
        assert "the model takes -1 to 1" in done.err


def test_one_class_only(tmp_path, cli, model):
    ones = digits.load().labels == 1
    np.savez(tmp_path / "d.npz", x=digits.load().pixels[ones], y=digits.load().labels[ones])
    done = cli("evaluate", model, "--data", tmp_path / "d.npz", "--mean", 120, "--std", 120)
    assert f"All {ones.sum()} samples have the label 1: one class only" in done.err


def test_which_class_is_the_anomaly(tmp_path, models):
    for name in ("normal", "broken"):
        (tmp_path / name).mkdir()
    x = np.concatenate([np.full((9, 640), 0.1), np.random.default_rng(0).normal(0, 3, (9, 640))])
    names = np.array(["normal"] * 9 + ["broken"] * 9)
    np.savez(tmp_path / "d.npz", x=x, y=names)
    arguments = {"data": tmp_path / "d.npz", "metric": "anomaly"}
    with pytest.raises(EdgeqError, match="Which of broken and normal is the anomaly"):
        edgeq.evaluate(models / "ad01_int8.tflite", **arguments)
    found = edgeq.evaluate(
        models / "ad01_int8.tflite", **arguments,
        dataset_options=digits.options(normalization=None, classes=("normal", "broken")),
    )  # fmt: skip
    assert found.score.value == 1.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a;b;y\n1,5;2;0\n1.5;2;0\n", "'1,5' .line 2. has a decimal comma, '1.5' a decimal point"),
        ("1.5,2.5,1\n3,4,0\n", "names of columns or a sample"),
        ("a,a,y\n1,2,0\n", "Two columns have the name 'a'"),
        ('a,b,y\n1,2,"0\n', "cannot be read"),
        ("a;b;y\n1;2;0;\n", r"line 2|4 fields; the header has 3"),
        ("a,b,y\n1_0,2,0\n", "'1_0' in column 'a' is no number"),
        ("a,b,y\n1,,0\n", "An empty field in column 'b' is no number"),
    ],
)
def test_tables_that_cannot_be_understood(tmp_path, text, words):
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(EdgeqError, match=words) as caught:
        list(
            open_dataset(
                tmp_path / "d.csv", [InputSpec("x", (2,))], labelled=True,
                options=digits.options(label="y", normalization=None),
            )
        )  # fmt: skip
    assert "d.csv" in caught.value.where


def test_a_checksum_at_the_end_of_an_archive(tmp_path):
    """A flipped bit in the last value of an array that is stored as it is."""
    np.savez(tmp_path / "d.npz", x=np.zeros((4, 3), np.float32))
    raw = bytearray((tmp_path / "d.npz").read_bytes())
    raw[raw.index(b"PK\x01\x02") - 2] ^= 1
    (tmp_path / "d.npz").write_bytes(raw)
    with pytest.raises(EdgeqError, match="CRC"):
        list(open_dataset(tmp_path / "d.npz", [InputSpec("x", (3,))]))


def test_a_flipped_bit_in_a_picture(tmp_path, model):
    data, _ = digits.png(tmp_path, digits.load())
    file = min(data.rglob("*.png"))
    raw = bytearray(file.read_bytes())
    raw[raw.index(b"IDAT") + 8] ^= 1
    file.write_bytes(raw)
    with pytest.raises(EdgeqError, match="checksum does not match") as caught:
        evaluate(model, data)
    assert caught.value.where == str(file)


def test_normalizations_that_are_the_same():
    assert Normalization((0.5,), (2.0,)).same_as(Normalization((0.5, 0.5), (2.0, 2.0)))
    assert not Normalization((0.5,), (2.0,)).same_as(Normalization((0.5, 0.6), (2.0, 2.0)))
    assert not Normalization((1.0, 2.0), (2.0,)).same_as(Normalization((1.0, 2.0, 3.0), (2.0,)))
