"""4-bit scales that were trained are those that the converter comes to."""

import numpy as np
import pytest

import edgeq
from edgeq.compress.rules import constrained_class, least_error_scale
from edgeq.model.model_file import parse_graph


def test_the_first_scale_leaves_less_error_than_the_largest_weight_s():
    weights = np.random.default_rng(0).normal(0, 1, (3, 3, 8, 5)).astype(np.float32)
    for axes in ((0, 1, 2), None):
        found = least_error_scale(weights, axes, 7)
        assert found.shape == ((1, 1, 1, 5) if axes else (1, 1, 1, 1))

        whole = axes or (0, 1, 2, 3)

        def error(scale, whole=whole):
            rounded = np.clip(np.round(weights / scale), -7, 7) * scale
            return np.square(rounded - weights).sum(axis=whole)

        widest = np.abs(weights).max(axis=whole, keepdims=True) / 7
        assert (found <= widest).all()
        assert (error(found) <= error(widest)).all()
        # A finer search finds nothing that is much better.
        finer = np.min([error(widest * part) for part in np.linspace(0.3, 1, 500)], axis=0)
        assert (error(found) <= 1.02 * finer).all()


@pytest.fixture(scope="module")
def prepared():
    """A small net in int4 training, with weights far beyond the others."""
    pytest.importorskip("tensorflow")
    import keras

    from edgeq.compress.qat import prepare_qat

    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    y = generator.integers(0, 4, 200)
    x = (generator.normal(0, 0.4, (200, 6, 6, 1)) + y[:, None, None, None]).astype(np.float32)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    weights = [w * (1 + 4 * (generator.random(w.shape) < 0.03)) for w in model.get_weights()]
    model.set_weights(weights)
    made = prepare_qat(model, "int4")
    made.compile("adam", "sparse_categorical_crossentropy")
    made.fit(x, y, epochs=3, verbose=0)
    return made, x


def test_converted_weights_are_those_of_the_training(prepared):
    from edgeq.compress.qat import finish_qat

    model, x = prepared
    finished = finish_qat(model)
    graph = parse_graph(
        edgeq.convert(finished, data=x, scheme="int4", rounding="nearest").data, "net"
    )
    integer = [t for t in graph.main.tensors if t.dtype == "int4"]
    trained = [
        np.asarray(layer.weights_by_rule(kernel, settled=False))
        for layer in model.layers
        if isinstance(layer, constrained_class())
        for kernel in layer.rules
    ]
    assert len(integer) == len(trained) == 3
    for wanted in trained:
        # Convolutions are stored with their outputs first, dense layers transposed.
        stored = np.moveaxis(wanted, -1, 0)
        (same,) = [t for t in integer if t.shape == stored.shape]
        scales = np.reshape(same.quantization.scale, (-1, *[1] * (stored.ndim - 1)))
        np.testing.assert_allclose(same.data * scales, stored, atol=1e-6)
    for rounding in ("nearest", "adaptive"):
        other = edgeq.convert(finished, data=x, scheme="int4", rounding=rounding)
        same = [t for t in parse_graph(other.data, "net").main.tensors if t.dtype == "int4"]
        for one, two in zip(integer, same, strict=True):
            np.testing.assert_array_equal(one.data, two.data)
    # Weights beyond the scale were cut off in training already, and the file holds the rest.
    np.testing.assert_allclose(finished.layers[1].get_weights()[0], trained[0], atol=1e-7)


def test_rounded_weights_are_not_taken_for_pruned_or_clustered_ones(prepared):
    from edgeq.compress.kernels import kernels_of
    from edgeq.compress.qat import finish_qat
    from edgeq.compress.rules import Masked, rules_kept

    finished = finish_qat(prepared[0])
    layers = [layer for layer in finished.layers if kernels_of(layer)]
    assert [rules_kept(layer, kernels_of(layer)[0]) for layer in layers] == [[], [], []]
    dense = layers[-1]
    kernel, bias = dense.get_weights()
    kept = np.arange(kernel.size).reshape(kernel.shape) % 4 == 0
    kept |= np.abs(kernel) == np.abs(kernel).max()
    dense.set_weights([kernel * kept, bias])
    (rule,) = rules_kept(dense, kernels_of(dense)[0])
    assert isinstance(rule, Masked)
