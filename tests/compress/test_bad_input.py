"""What compression cannot do, it says: one clear error, no traceback, no file."""

import numpy as np
import pytest

from edgeq.compress.clustering import cluster
from edgeq.compress.distillation import distill
from edgeq.compress.factorization import factorize
from edgeq.compress.network import load_network
from edgeq.compress.objective import choose_objective
from edgeq.compress.pruning import prune
from edgeq.compress.qat import prepare_qat, qat
from edgeq.compress.structured import prune_channels
from edgeq.compress.task import Task
from edgeq.compress.training import Training
from edgeq.data import DatasetOptions
from edgeq.errors import EdgeqError, UsageError
from edgeq.metrics.outputs import Outputs
from tests.compress.nets import cnn, digits, mlp


def task(**training):
    return Task(digits()[0], training=Training(**{"epochs": 1, **training}))


def test_an_untrained_model():
    with pytest.raises(EdgeqError, match="not trained"):
        qat(cnn(epochs=0), task())


def test_a_subclassed_model():
    import keras

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(10)

        def call(self, x):
            return self.dense(x)

    own = Own()
    own(np.zeros((1, 4)))
    with pytest.raises(EdgeqError, match="subclassed") as caught:
        load_network(own)
    assert "keras.Model(x, model.call(x))" in caught.value.hint
    x = keras.Input((4,))
    load_network(keras.Model(x, own.call(x)))


def test_a_teacher_of_another_shape():
    import keras

    other = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    with pytest.raises(EdgeqError, match="teacher's output"):
        distill(cnn(), other, task(teach=0.5))


def test_nan_while_training():
    (x, y), _ = digits()
    with pytest.raises(EdgeqError, match="NaN") as caught:
        qat(mlp(), Task((x, y), training=Training(epochs=2, learning_rate=1e30)))
    assert "learning rate" in caught.value.hint


def test_training_that_fails_prints_nothing_on_stdout(capfd):
    (x, y), _ = digits()
    with pytest.raises(EdgeqError, match="NaN"):
        qat(mlp(), Task((x, y), training=Training(epochs=2, learning_rate=1e30)))
    assert capfd.readouterr().out == ""


def test_held_out_data_that_does_not_fit_comes_to_light_before_training(monkeypatch):
    (x, y), _ = digits()
    monkeypatch.setattr("edgeq.compress.task.fit", lambda *_: pytest.fail("trained"))
    with pytest.raises(EdgeqError, match="10 classes"):
        qat(cnn(), Task((x, y), eval_data=(x, y + 5)))


def test_one_held_out_sample_is_enough():
    (x, y), _ = digits()
    found = qat(cnn(), Task((x, y), (x[:1], y[:1]), training=Training(epochs=0)))
    assert found.quality[0].samples == 1


@pytest.mark.parametrize("temperature", [-1.0, 0.0, float("nan")])
def test_a_temperature_that_turns_the_teacher_s_answers_over(temperature):
    with pytest.raises(UsageError, match="temperature"):
        Training(temperature=temperature)


def test_what_changes_nothing_says_so():
    (x, y), _ = digits()
    training = Training(epochs=0)
    assert (
        "Nothing is zero"
        in prune(mlp(), Task((x, y), training=training), sparsity=1e-6).warnings[0]
    )
    small = load_network(cnn())
    found = cluster(small, Task((x, y), training=training), clusters=256)
    assert found.details["values"] or "nothing is clustered" in found.warnings[0]


def test_labels_of_another_problem():
    (x, y), _ = digits()
    with pytest.raises(EdgeqError, match="10 classes"):
        qat(cnn(), Task((x, y + 5)))
    with pytest.raises(EdgeqError, match="not trained"):
        qat(cnn(), Task((x, np.random.default_rng(0).permutation(y))))
    with pytest.raises(EdgeqError, match="no whole numbers"):
        qat(cnn(), Task((x, y + 0.5)))


def test_no_layer_to_change():
    with pytest.raises(EdgeqError, match="No layer becomes smaller"):
        factorize(mlp(), task(), rank=400)
    import keras

    x = keras.Input((8, 8, 1))
    y = keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(x))
    single = keras.Model(x, y)
    single.compile("adam", "sparse_categorical_crossentropy")
    single.fit(*digits()[0], epochs=2, verbose=0)
    with pytest.raises(EdgeqError, match="No channels"):
        prune_channels(single, task())


def test_a_scheme_without_training():
    with pytest.raises(EdgeqError, match="int16x8"):
        prepare_qat(cnn(), "int16x8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prune", "--sparsity", "1.5"), "between 0 and 1"),
        (("prune", "--structured", "--two-of-four"), "exclude each other"),
        (("prune", "--structured", "--block"), "exclude each other"),
        (("cluster", "--clusters", "1"), "2<=x<=256"),
        (("prune", "--macs", "0.3"), "goes with --structured"),
        (("prune", "--structured", "--sparsity", "0.3"), "goes with single weights"),
        (("qat", "--max-drop", "0.1"), "judged on held-out data"),
        (("factorize", "--rank", "2", "--energy", "0.5"), "leave one out"),
        (("qat", "--epochs", "-1"), "range x>=0"),
        (("qat", "--learning-rate", "nan"), "is no finite number"),
        (("qat", "--learning-rate", "inf"), "is no finite number"),
        (("qat", "--seed", "-1"), "range x>=0"),
        (("distill", "--teacher", "nowhere.keras"), "There is no 'nowhere.keras'"),
        (("qat", "--data", "nowhere.npz"), "nowhere.npz"),
    ],
)
def test_arguments_that_cannot_be(cli, tmp_path, arguments, message):
    model, data = tmp_path / "m.keras", tmp_path / "d.npz"
    cnn().save(model)
    np.savez(data, x=digits()[0][0][:50], y=digits()[0][1][:50])
    name, *rest = arguments
    given = [] if "--data" in rest else ["--data", data]
    result = cli("compress", name, model, "-o", tmp_path / "out.keras", *given, *rest)
    assert result.code in (1, 2)
    assert message in result.err
    assert not (tmp_path / "out.keras").exists()


def test_the_output_is_kept_without_force(cli, tmp_path):
    model = tmp_path / "m.keras"
    cnn().save(model)
    assert cli("compress", "equalize", model, "-o", tmp_path / "e.keras").code == 0
    assert "exists already" in cli("compress", "equalize", model, "-o", tmp_path / "e.keras").err
    tflite = tmp_path / "m.tflite"
    tflite.write_bytes(b"no model")
    assert "Keras model" in cli("compress", "equalize", tflite, "-o", tmp_path / "f.keras").err


@pytest.mark.parametrize("last", ["sigmoid", None])
def test_models_of_one_answer_learn_from_a_teacher(last, tmp_path):
    """Keras takes the last axis off what is wanted of them: a traceback, with every default."""
    pytest.importorskip("tensorflow")
    import keras

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    y = (x @ rng.normal(size=6) > 0).astype(np.float32)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(16, "relu"), layers.Dense(1, activation=last)]
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=last is None)
    model.compile(keras.optimizers.Adam(0.02), loss)
    model.fit(x, y, epochs=20, verbose=0)
    found = model.predict(x, verbose=0)
    options = {} if last else {"outputs": Outputs("logits", "said")}
    objective = choose_objective(model, y, None, **options)
    both, with_teacher = objective.with_teacher(found, 0.5, 1.0)
    model.compile("sgd", with_teacher)
    hard = float(loss(y[:, None], found))
    chance = found if last else 1 / (1 + np.exp(-found))
    soft = float(keras.losses.BinaryCrossentropy()(chance, chance))
    given = model.evaluate(x, both, batch_size=200, verbose=0)
    assert given == pytest.approx((hard + soft) / 2, rel=1e-3)
    reading = DatasetOptions(from_logits=last is None)
    task = Task((x, y), training=Training(epochs=2), dataset_options=reading)
    after = prune(model, task).model.predict(x, verbose=0)[:, 0]
    assert ((after > (0.5 if last else 0.0)) == (y > 0.5)).mean() > 0.9
