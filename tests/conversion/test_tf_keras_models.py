"""Models of tf_keras and tfmot come over the bridge, or are refused with what to do."""

import numpy as np
import pytest

import edgeq
from edgeq.compress.network import load_network
from edgeq.errors import EdgeqError

tf_keras = pytest.importorskip("tf_keras")
X = np.random.default_rng(0).uniform(0, 1, (40, 8, 8, 1)).astype(np.float32)
Y = np.arange(40) % 4


def net():
    layers = tf_keras.layers
    return tf_keras.Sequential(
        [layers.Input((8, 8, 1)), layers.Conv2D(8, 3), layers.BatchNormalization(), layers.ReLU(),
         layers.DepthwiseConv2D(3), layers.Flatten(), layers.Dense(4, activation="softmax")]
    )  # fmt: skip


def test_a_model_in_memory_converts_and_compresses():
    model = net()
    expected = model.predict(X, verbose=0)
    flat = load_network(model)
    np.testing.assert_allclose(flat.predict(X, verbose=0), expected, atol=1e-6)
    assert edgeq.convert(model, data=X).proof.inputs == ("int8",)


def test_what_tfmot_pruned_stays_pruned():
    sparsity = pytest.importorskip("tensorflow_model_optimization").sparsity.keras
    wrapped = sparsity.prune_low_magnitude(net(), sparsity.ConstantSparsity(0.5, 0, frequency=1))
    wrapped.compile("adam", "sparse_categorical_crossentropy")
    wrapped.fit(X, Y, epochs=1, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
    with pytest.raises(EdgeqError, match="wrapped by tfmot") as refusal:
        edgeq.convert(wrapped, data=X)
    assert "strip_pruning" in refusal.value.hint
    flat = load_network(sparsity.strip_pruning(wrapped))
    kernel = flat.layers[1].get_weights()[0]
    assert np.mean(kernel == 0) == pytest.approx(0.5, abs=0.02)


def test_tfmot_quantized_models_are_refused():
    quantization = pytest.importorskip("tensorflow_model_optimization").quantization.keras
    layers = tf_keras.layers
    plain = tf_keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(4)])
    with pytest.raises(EdgeqError, match="wrapped by tfmot") as refusal:
        edgeq.convert(quantization.quantize_model(plain), data=X)
    assert "edgeq compress qat" in refusal.value.hint
