"""Models of tf_keras and tfmot come over the bridge, or are refused with what to do."""

import numpy as np
import pytest

import edgeq
from edgeq.compress.network import load_network
from edgeq.conversion.sources.keras_models import load_keras
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


def of_keras_2(folder, ending, *layers, shape=(6, 6, 2)):
    """A file that Keras 2 writes, a few samples, and what Keras 2 makes of them."""
    model = tf_keras.Sequential([tf_keras.layers.Input(shape), *layers])
    path = folder / f"net{ending}"
    model.save(path)
    data = np.random.default_rng(1).normal(0, 2, (5, *shape)).astype(np.float32)
    return path, data, model(data, training=False).numpy()


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("kind", ["Activation", "Dense", "LSTM", "GRU"])
def test_hard_sigmoid_is_the_one_of_keras_2(kind, ending, tmp_path):
    """Keras 3 has another function of this name."""
    layers = tf_keras.layers
    made = {
        "Activation": lambda: layers.Activation("hard_sigmoid"),
        "Dense": lambda: layers.Dense(3, activation="hard_sigmoid"),
        "LSTM": lambda: layers.LSTM(3, recurrent_activation="hard_sigmoid"),
        "GRU": lambda: layers.GRU(3, recurrent_activation="hard_sigmoid"),
    }
    path, data, wanted = of_keras_2(tmp_path, ending, made[kind](), shape=(6, 2))
    model = load_keras(path)
    np.testing.assert_allclose(model(data), wanted, atol=1e-6)
    # What is made of it means the same, whatever Keras is told later.
    model.save(tmp_path / "again.keras")
    np.testing.assert_allclose(load_keras(tmp_path / "again.keras")(data), wanted, atol=1e-6)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_hard_sigmoid_of_keras_3_stays(ending, tmp_path):
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Activation("hard_sigmoid")])
    model.save(tmp_path / f"net{ending}")
    data = np.linspace(-4, 4, 20, dtype=np.float32).reshape(5, 4)
    loaded = load_keras(tmp_path / f"net{ending}")
    np.testing.assert_allclose(loaded(data), np.clip(data / 6 + 0.5, 0, 1), atol=1e-6)


LEFT_OVER = {
    "SeparableConv1D": lambda k: [k.Reshape((36, 2)), k.SeparableConv1D(3, 3)],
    "SeparableConv2D": lambda k: [k.SeparableConv2D(3, 3)],
    "DepthwiseConv1D": lambda k: [k.Reshape((36, 2)), k.DepthwiseConv1D(3)],
    "Conv1DTranspose": lambda k: [k.Reshape((36, 2)), k.Conv1DTranspose(3, 3, 2)],
    "Conv2DTranspose": lambda k: [k.Conv2DTranspose(3, 3, 2, padding="same")],
    "ConvLSTM2D": lambda k: [k.Reshape((3, 2, 6, 2)), k.ConvLSTM2D(2, (1, 2))],
    "Random": lambda k: [k.RandomFlip(), k.RandomRotation(0.1), k.RandomContrast(0.1)],
    "SpatialDropout2D": lambda k: [k.SpatialDropout2D(0.1), k.Conv2D(2, 3)],
}


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("kind", LEFT_OVER)
def test_options_that_keras_3_has_no_more_are_left_out(kind, ending, tmp_path):
    path, data, wanted = of_keras_2(tmp_path, ending, *LEFT_OVER[kind](tf_keras.layers))
    np.testing.assert_allclose(load_keras(path)(data, training=False), wanted, atol=1e-5)


def test_options_with_another_meaning_are_refused(tmp_path):
    path, _, _ = of_keras_2(tmp_path, ".h5", tf_keras.layers.Conv2DTranspose(4, 3, groups=2))
    with pytest.raises(EdgeqError, match="groups=2; Keras 3 has one"):
        load_keras(path)


SEVERAL_AXES = {
    "Softmax": lambda k: k.Softmax(axis=[1, 2]),
    "UnitNormalization": lambda k: k.UnitNormalization(axis=[1, 2]),
    "LayerNormalization": lambda k: k.LayerNormalization(axis=[1, 2], center=False, scale=False),
    "Normalization": lambda k: adapted(k.Normalization(axis=None)),
}


def adapted(layer):
    layer.adapt(np.random.default_rng(2).normal(3, 2, (9, 6, 6, 2)))
    return layer


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("kind", SEVERAL_AXES)
def test_several_axes_stay_several(kind, ending, tmp_path):
    """Keras 3 takes the last axis alone for them, of .h5 files."""
    path, data, wanted = of_keras_2(tmp_path, ending, SEVERAL_AXES[kind](tf_keras.layers))
    np.testing.assert_allclose(load_keras(path)(data), wanted, atol=1e-6)


def block(k, *first):
    """A model that stands in another one; two layers have weights of the same shape."""
    return tf_keras.Sequential(
        [*first, k.Conv2D(2, 3, padding="same"), k.BatchNormalization(), k.BatchNormalization()]
    )


def base(k):
    x = k.Input((6, 6, 2))
    y = k.BatchNormalization()(k.Conv2D(2, 3, padding="same")(x))
    model = tf_keras.Model(x, [y, k.ReLU()(y)])
    model.trainable = False
    return model


def twice(k, x, model):
    return k.Subtract()([model(x), model(k.ReLU()(x))])


def from_states(k, x, kind):
    rows = k.Reshape((12, 6))(x)
    _, *states = k.LSTM(3, return_state=True)(rows)
    return kind(k)(rows, initial_state=states)


def attended(k, x):
    rows = k.Reshape((12, 6))(x)
    return k.MultiHeadAttention(2, 3)(rows, value=k.Dense(6)(rows))


FUNCTIONAL = {
    "plain": lambda k, x: k.Flatten()(k.Conv2D(2, 3)(x)),
    "Sequential with input": lambda k, x: twice(k, x, block(k, k.Input((6, 6, 2)))),
    "Sequential": lambda k, x: twice(k, x, block(k)),
    "Sequential last": lambda k, x: block(k)(x),
    "functional": lambda k, x: k.Subtract()(base(k)(x, training=False)),
    "functional last": lambda k, x: base(k)(x),
    "LSTM": lambda k, x: from_states(k, x, lambda k: k.LSTM(3)),
    "Bidirectional": lambda k, x: from_states(k, x, lambda k: k.Bidirectional(k.GRU(3))),
    "MultiHeadAttention": attended,
    "Attention": lambda k, x: k.Attention()([k.Reshape((12, 6))(x)] * 2),
}


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("kind", FUNCTIONAL)
def test_functional_models_of_keras_2(kind, ending, tmp_path):
    """Models inside others, arguments by name, and the class that lies elsewhere in Keras 3."""
    x = tf_keras.layers.Input((6, 6, 2))
    model = tf_keras.Model(x, FUNCTIONAL[kind](tf_keras.layers, x))
    rng = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(rng.uniform(0.1, 1, weight.shape))
    model.save(path := tmp_path / f"net{ending}")
    loaded = load_keras(path)
    wanted, found = model(X2, training=False), loaded(X2, training=False)
    for one, other in zip(
        *(each if isinstance(each, list) else [each] for each in (wanted, found)), strict=True
    ):
        np.testing.assert_allclose(other, one, atol=1e-4)


X2 = np.random.default_rng(4).normal(0, 1, (3, 6, 6, 2)).astype(np.float32)


@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_mixed_precision_and_the_shape_of_the_first_layer(ending, tmp_path):
    policy = tf_keras.mixed_precision.Policy("mixed_float16")
    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [layers.Conv2D(3, 3, input_shape=(6, 6, 2), dtype=policy), layers.BatchNormalization()]
    )
    model.save(path := tmp_path / f"net{ending}")
    loaded = load_keras(path)
    assert loaded.layers[0].dtype_policy.name == "mixed_float16"
    np.testing.assert_allclose(loaded(X2), model(X2), atol=1e-2)


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot"])
def test_boundaries_of_keras_2(mode, ending, tmp_path):
    layer = tf_keras.layers.Discretization([-0.5, 0.0, 1.0], output_mode=mode)
    shape = (1,) if mode == "one_hot" else (4,)
    path, data, expected = of_keras_2(tmp_path, ending, layer, shape=shape)
    np.testing.assert_array_equal(load_keras(path)(data), expected)
    learned = tf_keras.layers.Discretization(num_bins=3, output_mode=mode)
    learned.adapt(data)
    path, _, _ = of_keras_2(tmp_path, ending, learned, shape=shape)
    with pytest.raises(EdgeqError, match="give them as bin_boundaries"):
        load_keras(path)


@pytest.mark.parametrize("both", [False, True])
def test_a_gru_that_is_older_than_its_option_is_reset_before_the_product(both, tmp_path):
    import h5py

    layer = tf_keras.layers.GRU(3, reset_after=False)
    layer = tf_keras.layers.Bidirectional(layer) if both else layer
    path, data, expected = of_keras_2(tmp_path, ".h5", layer, shape=(5, 2))
    with h5py.File(path, "a") as file:
        text = file.attrs["model_config"]
        assert '"reset_after": false' in text
        file.attrs["model_config"] = text.replace(', "reset_after": false', "")
        file.attrs["keras_version"] = "2.1.3"
    np.testing.assert_allclose(load_keras(path)(data), expected, atol=1e-6)
