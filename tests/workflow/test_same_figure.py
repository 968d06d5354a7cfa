"""One model, one labelled set: every command prints the figure that scikit-learn has for it."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import sklearn.metrics as known

import edgeq
from edgeq.analysis.evaluation.evaluate import evaluate
from edgeq.errors import EdgeqError
from tests.compress.nets import digits

SEVERAL = (lambda y: y % 2 == 1, lambda y: y >= 5, lambda y: y % 3 == 0)


@dataclass(frozen=True)
class Net:
    """A saved Keras file, labelled sets for it, and what is right."""

    path: object
    train: tuple
    test: tuple
    metric: str
    right: float
    kind: str


def trained(folder, name, width, activation, loss, labels, epochs):
    """A net of one layer on the digits, so little trained that the right threshold matters."""
    import keras

    keras.utils.set_random_seed(1)
    (x, y), (tx, ty) = digits()
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(width, activation=activation)])
    model.compile("adam", loss)
    model.fit(x, labels(y), epochs=epochs, verbose=0)
    path = folder / f"{name}.keras"
    model.save(path)
    return path, (x, labels(y)), (tx, labels(ty)), model.predict(tx, verbose=0)


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """Nets whose last op alone does not say everything, by name."""
    pytest.importorskip("tensorflow")
    from keras.losses import BinaryCrossentropy, CategoricalCrossentropy

    folder = tmp_path_factory.mktemp("same")

    def high(y):
        return (y >= 5).astype(np.int64)

    def several(y):
        return np.stack([rule(y) for rule in SEVERAL], axis=1).astype(np.int64)

    def one_hot(y):
        return np.eye(10, dtype=np.int64)[y]

    found = {}
    path, train, test, out = trained(
        folder, "logit", 1, None, BinaryCrossentropy(from_logits=True), high, 2
    )
    right = known.accuracy_score(test[1], out[:, 0] > 0)
    assert right != known.accuracy_score(test[1], out[:, 0] > 0.5)
    found["one logit"] = Net(path, train, test, "classification", right, "logits")

    path, train, test, out = trained(folder, "value", 1, None, "mse", high, 15)
    right = known.accuracy_score(test[1], out[:, 0] > 0.5)
    assert right != known.accuracy_score(test[1], out[:, 0] > 0)
    found["one value"] = Net(path, train, test, "classification", right, "probabilities")

    path, train, test, out = trained(
        folder, "several", 3, None, BinaryCrossentropy(from_logits=True), several, 4
    )
    right = known.f1_score(test[1], out > 0, average="micro")
    assert right != known.f1_score(test[1], out > 0.5, average="micro")
    found["several logits"] = Net(path, train, test, "multi-label", right, "logits")

    path, train, test, out = trained(
        folder, "ten", 10, None, CategoricalCrossentropy(from_logits=True), one_hot, 12
    )
    right = known.accuracy_score(test[1].argmax(1), out.argmax(1))
    found["ten logits, one-hot"] = Net(path, train, test, "classification", right, "logits")
    numbers = tuple((x, y.argmax(1)) for x, y in (train, test))
    found["ten logits"] = Net(path, *numbers, "classification", right, "logits")
    return found


NAMES = ("one logit", "one value", "several logits", "ten logits, one-hot", "ten logits")


@pytest.mark.parametrize("name", NAMES)
def test_evaluate_convert_and_compress_agree_with_scikit_learn(nets, name, tmp_path, cli):
    from edgeq.compress.qat import qat
    from edgeq.compress.task import Task
    from edgeq.compress.training import Training

    net = nets[name]
    found = evaluate(net.path, data=net.test, metric=net.metric)
    assert found.score.value == pytest.approx(net.right)
    assert found.outputs.kind == net.kind

    made = edgeq.convert(
        net.path, data=net.train[0][:100], eval_data=net.test, metric=net.metric,
        output=tmp_path / "int8.tflite",
    )  # fmt: skip
    assert made.accuracy[0].value == pytest.approx(net.right)
    assert made.compared.n == len(net.test[0])
    assert json.loads(json.dumps(made.to_json(), default=str))["accuracy"]["n"] == 497
    # What only the loss told stays in the converted file.
    integer = evaluate(tmp_path / "int8.tflite", data=net.test, metric=net.metric)
    assert integer.outputs.kind == net.kind
    assert integer.score.value == pytest.approx(made.accuracy[1].value)
    assert integer.score.value == pytest.approx(net.right, abs=0.02)

    result = qat(net.path, Task(net.train, net.test, Training(epochs=0)))
    assert result.quality[0].value == pytest.approx(net.right)
    assert result.outputs.kind == net.kind


def test_what_the_user_says_counts_more(nets, tmp_path, cli):
    net = nets["one logit"]
    np.savez(tmp_path / "test.npz", x=net.test[0], y=net.test[1])
    arguments = ("evaluate", net.path, "--data", tmp_path / "test.npz")
    found = cli(*arguments, "--json").json
    assert found["outputs"]["kind"] == "logits"
    assert "from logits" in found["outputs"]["reason"]
    assert found["accuracy"] == pytest.approx(net.right)
    low, high = found["interval"]
    assert low < net.right < high
    told = cli(*arguments, "--from-probabilities", "--json").json
    assert told["outputs"] == {"kind": "probabilities", "reason": "--from-probabilities"}
    assert told["accuracy"] < net.right
    words = cli(*arguments).out
    assert "497 samples of " in words
    assert "outputs: logits (the loss in the Keras file is BinaryCrossentropy from logits)" in words


def test_float_and_integer_on_the_very_same_samples(nets, tmp_path, cli):
    net = nets["ten logits"]
    np.savez(tmp_path / "test.npz", x=net.test[0], y=net.test[1])
    edgeq.convert(net.path, data=net.train[0][:100], output=tmp_path / "int8.tflite")
    arguments = (
        "evaluate", tmp_path / "int8.tflite", "--against", net.path,
        "--data", tmp_path / "test.npz",
    )  # fmt: skip
    found = cli(*arguments, "--json").json
    real, integer = found["against"]["float"], found["accuracy"]
    paired = found["against"]["paired"]
    assert real == pytest.approx(net.right)
    assert (paired["better"] - paired["worse"]) / 497 == pytest.approx(integer - real)
    assert not paired["significant"]
    assert "McNemar p = " in cli(*arguments).out


def test_a_teacher_of_another_kind_teaches_as_well(nets):
    """Its answers were taken for the student's kind: .39 where a matching teacher gives .64."""
    import keras

    from edgeq.compress.distillation import distill
    from edgeq.compress.task import Task
    from edgeq.compress.training import Training

    net = nets["ten logits"]
    logits = keras.models.load_model(net.path)
    shares = keras.Sequential([logits, keras.layers.Softmax()])

    def student():
        keras.utils.set_random_seed(3)
        layers = [keras.Input((8, 8, 1)), keras.layers.Flatten()]
        return keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])

    training = Training(epochs=6, learning_rate=0.02, teach=0.9)
    figures = [
        distill(
            student(), teacher,
            Task(net.train[0], net.test, training, labelled=False),
        ).quality[1].value
        for teacher in (net.path, shares)
    ]  # fmt: skip
    assert figures[0] == pytest.approx(figures[1], abs=0.01)
    assert figures[0] > 0.6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("qat", "--learning-rate", "10", "--epochs", "1"), "--max-drop"),
        (("factorize", "--rank", "1", "--epochs", "1"), "--max-drop"),
        (("factorize", "--rank", "1", "--epochs", "0", "--max-drop", "1"), ""),
    ],
)
def test_a_ruined_result_says_so(nets, tmp_path, cli, arguments, words):
    net = nets["ten logits"]
    for name, (x, y) in (("train", net.train), ("test", net.test)):
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
    method, *rest = arguments
    found = cli(
        "compress", method, net.path, "-o", tmp_path / "out.keras",
        "--data", tmp_path / "train.npz", "--eval", tmp_path / "test.npz", *rest,
    )  # fmt: skip
    assert (tmp_path / "out.keras").exists()
    if words:
        assert found.code == 3, found.err
        assert words in found.err or "no better than a guess" in found.err
    else:
        assert found.code in (0, 3), found.err


def test_nothing_is_judged_on_data_that_is_not_the_model_s(nets, tmp_path, cli):
    net = nets["ten logits"]
    x, y = net.test
    np.savez(tmp_path / "cal.npz", x=net.train[0][:50])
    np.savez(tmp_path / "broken.npz", x=x, y=(y * 7 + 3) % 10)
    found = cli(
        "deploy", net.path, "--data", tmp_path / "cal.npz", "--eval", tmp_path / "broken.npz",
        "--max-drop", "0.05", "-o", tmp_path / "deployed", "-n", "2",
    )  # fmt: skip
    assert found.code == 1
    assert "Nothing can be judged on this data" in found.err
    assert "no better than chance" in found.err
    assert not (tmp_path / "deployed").exists()
    broken = evaluate(net.path, data=(x, (y + 1) % 10))
    assert any("numbered otherwise" in words for words in broken.warnings)
    assert broken.by_chance


def test_what_looks_wrong_is_warned_of(nets):
    net = nets["ten logits"]
    x, y = net.test
    one = evaluate(net.path, data=(x[y == 3], y[y == 3]))
    assert "one class only" in one.warnings[0]
    assert not one.by_chance
    constant = evaluate(net.path, data=(np.zeros_like(x), y))
    assert any("predictions are the class" in words for words in constant.warnings)
    assert not evaluate(net.path, data=(x, y)).warnings
    with pytest.raises(EdgeqError, match="whole numbers"):
        evaluate(net.path, data=(x, y + 0.5))
