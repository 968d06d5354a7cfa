"""A loss that is asked for by name takes outputs and labels for what they are."""

import numpy as np
import pytest

from edgeq.compress.losses import label_loss
from edgeq.compress.pruning import prune
from edgeq.compress.task import Task
from edgeq.compress.training import Training
from edgeq.errors import EdgeqError

keras = pytest.importorskip("keras")
LABELS = np.eye(3, dtype=np.float32)[[0, 2, 1, 1]]
LOGITS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32) * 3
SHARES = (np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    "name",
    ["categorical_crossentropy", "sparse_categorical_crossentropy", "CategoricalCrossentropy",
     "SparseCategoricalCrossentropy", "kl_divergence", "categorical_focal_crossentropy"],
)  # fmt: skip
def test_a_loss_of_classes_is_the_same_for_logits_and_for_their_probabilities(name):
    found = label_loss("classes", logits=True, name=name)(LABELS, LOGITS)
    wanted = label_loss("classes", logits=False, name=name)(LABELS, SHARES)
    assert np.allclose(found, wanted, rtol=1e-3)
    if "focal" not in name:  # what one-hot labels leave of all of these
        assert np.allclose(wanted, -np.log((LABELS * SHARES).sum(-1)), rtol=1e-3)


def test_a_loss_of_values_takes_them_as_they_are():
    found = label_loss("values", logits=True, name="mean_squared_error")(LABELS, LOGITS)
    assert np.allclose(found, ((LABELS - LOGITS) ** 2).mean(-1), rtol=1e-4)
    with pytest.raises(EdgeqError, match="no loss 'nonsense'"):
        label_loss("values", logits=True, name="nonsense")


def _learned():
    """A model that tells which of five numbers is the largest, and what it learned from."""
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
    y = x[:, :5].argmax(1)
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(5)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(x, y, epochs=20, verbose=0)
    return model, (x, y)


def test_training_takes_the_loss_that_is_asked_for_or_says_why_not():
    model, data = _learned()
    made = prune(model, Task(data, data, Training(4, loss="sparse_categorical_crossentropy")))
    before, after = made.quality
    assert after.value > before.value - 0.1
    with pytest.raises(EdgeqError, match="loss ctc does not go with labels of shape"):
        prune(model, Task(data, data, Training(1, loss="ctc")))
