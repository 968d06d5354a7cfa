"""What the numbers of a model's outputs are is known of its compressed one, too."""

import numpy as np
import pytest

from edgeq.compress.equalization import equalize
from edgeq.compress.pruning import prune
from edgeq.compress.result import keras_bytes
from edgeq.compress.task import Task
from edgeq.compress.training import Training
from edgeq.conversion.sources.keras_loss import outputs_by_loss
from edgeq.metrics.outputs import LOGITS, PROBABILITIES


def _net(loss):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential([keras.Input((4,)), layers.Dense(32, "relu"), layers.Dense(1)])
    model.compile("adam", loss)
    return model


def _from_logits():
    return pytest.importorskip("keras").losses.BinaryCrossentropy(from_logits=True)


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        (lambda: "mse", PROBABILITIES),
        (lambda: "MeanSquaredError", PROBABILITIES),
        (lambda: "hinge", LOGITS),
        (_from_logits, LOGITS),
    ],
)
def test_the_loss_is_kept_in_memory_and_in_the_file(tmp_path, loss, kind):
    model = _net(loss())
    made = equalize(model).model
    path = tmp_path / "made.keras"
    path.write_bytes(keras_bytes(made))
    for known in (outputs_by_loss(made), outputs_by_loss(path)):
        assert known is not None
        assert known.kind == kind
    keras = pytest.importorskip("keras")
    again = keras.saving.load_model(path)  # no warning of an optimizer that does not fit
    assert len(again.optimizer.variables) == 2


def test_a_loss_that_says_nothing_is_left_out(tmp_path):
    def own(truth, outputs):
        return abs(truth - outputs)

    made = equalize(_net(own)).model
    path = tmp_path / "made.keras"
    path.write_bytes(keras_bytes(made))
    assert not made.compiled
    assert outputs_by_loss(path) is None


def test_one_method_after_another_knows_what_the_outputs_are():
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, 400).astype(np.float32)
    x = (y[:, None] + generator.normal(0, 0.2, (400, 4))).astype(np.float32)
    model = _net("mse")
    model.fit(x, y, epochs=20, verbose=0)
    task = Task((x, y), training=Training(epochs=1))
    first = prune(model, task)
    second = prune(first.model, task)
    assert first.outputs is not None and second.outputs is not None
    assert (first.outputs.kind, second.outputs.kind) == (PROBABILITIES, PROBABILITIES)
