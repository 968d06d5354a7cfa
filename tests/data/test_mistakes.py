"""The mistakes that data comes with: the right figure, or an error that names the place."""

import csv
import shutil

import numpy as np
import pytest

import edgeq
from edgeq.data import DatasetOptions, InputSpec, Normalization, open_dataset
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


def test_nothing_is_judged_on_a_broken_table(tmp_path, cli):
    """Both models would be wrong alike, and the limit on the drop met."""
    data, _ = digits.npz(tmp_path, digits.load())
    digits.keras_model().save(tmp_path / "digits.keras")
    broken = write_csv(tmp_path, lambda row, f: [*f[:-1], ""] if row == 7 else f)
    done = cli(
        "deploy", tmp_path / "digits.keras", "--data", data, "--eval", broken, "--label", "label",
        "--mean", 120, "--std", 120, "--max-drop", 0.05, "--on", "c", "-n", 1,
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert done.code == 1
    assert "d.csv, line 9, column 'label'" in done.err
    assert not (tmp_path / "out").exists()


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


def test_normalizations_that_are_the_same():
    assert Normalization((0.5,), (2.0,)).same_as(Normalization((0.5, 0.5), (2.0, 2.0)))
    assert not Normalization((0.5,), (2.0,)).same_as(Normalization((0.5, 0.6), (2.0, 2.0)))
    assert not Normalization((1.0, 2.0), (2.0,)).same_as(Normalization((1.0, 2.0, 3.0), (2.0,)))


def test_columns_in_another_order(tmp_path):
    """Those of a table go by their place: each was taken for another one without a word."""
    from edgeq.data import warnings_between

    texts = {
        "train": "a,b,c,y\n1,2,3,0\n", "test": "y,c,a,b\n1,7,5,6\n", "same": "y,a,b,c\n0,9,8,7\n",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_text(text)
    read = {
        keys: open_dataset(
            f"{tmp_path}/{keys}", [InputSpec("x", (3,))], options=DatasetOptions(label="y")
        ).understood
        for keys in ("train.csv", "test.csv", "same.csv", "test.csv:a,b,c")
    }
    (warning,) = warnings_between(read["train.csv"], read["test.csv"])
    assert "The columns of test.csv stand in another order than those of train.csv" in warning
    assert "(c, a, b; a, b, c)" in warning
    for same in ("same.csv", "test.csv:a,b,c"):
        assert warnings_between(read["train.csv"], read[same]) == ()


def test_training_data_that_is_judged_on(tmp_path):
    """What compress was trained on is no test of it."""
    from edgeq.compress.task import Task, begin
    from edgeq.compress.training import Training
    from edgeq.data import data_warnings

    data, _ = digits.npz(tmp_path, digits.load())
    half = tmp_path / "half.npz"
    np.savez(half, x=digits.load().pixels[::2], y=digits.load().labels[::2])
    task = Task(str(data), str(half), dataset_options=digits.options())
    work = begin(digits.keras_model(), task, Training(epochs=0))
    (warning,) = data_warnings(tuple(work.understood.values()))
    assert "60 of the 60 samples that the model is judged on" in warning
    assert "d.npz" in warning
    assert work.understood["train"].inputs[0].after == (-1, 1)


@pytest.mark.parametrize("digits", ["٣", "३", "３", "𝟑"])
def test_digits_of_other_scripts_are_no_numbers(tmp_path, digits):
    path = tmp_path / "t.csv"
    for row, words in ((f"{digits},1", "in column 'a' is no number"), (f"1,{digits}", "label")):
        path.write_text(f"a,label\n1,0\n2,1\n{row}\n", encoding="utf-8")
        options = DatasetOptions(label="label")
        with pytest.raises(EdgeqError, match=words):
            list(open_dataset(path, [InputSpec("x", (1,))], labelled=True, options=options))
