"""Compression follows networks that people have: recurrent, attention, gates, several outputs."""

import numpy as np
import pytest

import edgeq
from edgeq.compress.channels import Groups, is_maker, is_reader
from edgeq.compress.clustering import cluster
from edgeq.compress.cutting import without_channels
from edgeq.compress.factorization import factorize
from edgeq.compress.kernels import Kernel, as_matrix, from_matrix, kernels_of, variable
from edgeq.compress.network import load_network, read_network
from edgeq.compress.pruning import prune, prune_2_of_4, prune_blocks
from edgeq.compress.qat import prepare_qat, qat
from edgeq.compress.structured import prune_channels
from edgeq.compress.task import Task
from edgeq.compress.training import Training
from edgeq.errors import EdgeqError

keras = pytest.importorskip("keras")
layers = keras.layers
ops = keras.ops


def recurrent():
    """Indices with a mask, dropout in the cell, states handed on, both directions."""
    x = keras.Input((3,), dtype="int32")
    y = layers.Embedding(20, 8, mask_zero=True)(x)
    y, h, c = layers.LSTM(8, dropout=0.2, return_sequences=True, return_state=True)(y)
    y = layers.LSTM(8, return_sequences=True)(y, initial_state=[h, c])
    y = layers.Bidirectional(layers.GRU(8))(y)
    return keras.Model(x, layers.Dense(3, activation="softmax")(y))


def attention():
    """A transformer with positions as a constant, and an operation that picks a place."""
    x = keras.Input((8, 8))
    y = x + np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)
    y = layers.LayerNormalization()(layers.Add()([y, layers.MultiHeadAttention(2, 8)(y, y)]))
    y = layers.TimeDistributed(layers.Dense(8, activation="gelu"))(y)
    return keras.Model(x, layers.Dense(4)(y[:, -1]))


def gates():
    """Squeeze-and-excite twice, PReLU, separable, a map of attention, and an LSTM that reads."""
    x = keras.Input((8, 8, 3))
    y = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(16, 3, padding="same")(x))
    s = layers.Reshape((1, 1, 16))(layers.GlobalAveragePooling2D()(y))
    s = layers.Conv2D(16, 1, activation="sigmoid")(layers.Conv2D(8, 1, activation="relu")(s))
    y = layers.Multiply()([y, s])
    y = ops.silu(layers.SeparableConv2D(16, 3, depth_multiplier=2, padding="same")(y))
    y = y * layers.Conv2D(1, 3, padding="same", activation="sigmoid")(y)
    y = layers.Concatenate()([y, layers.Conv2DTranspose(8, 3, padding="same")(y)])
    y = layers.Reshape((64, 24))(layers.BatchNormalization()(y))
    y = layers.LSTM(4)(layers.AveragePooling1D(8)(y))
    return keras.Model(x, layers.Dense(3)(y))


def several():
    """Inputs by name, one of them read beside another first; two outputs by name."""
    a, b = keras.Input((16,), name="a"), keras.Input((6,), name="b")
    y = layers.Concatenate()([layers.Dense(16, activation="relu")(a), b])
    y = layers.Dense(16, activation="relu")(y)
    outputs = {"p": layers.Dense(3, activation="softmax")(y), "q": layers.Dense(1)(y)}
    return keras.Model({"a": a, "b": b}, outputs)


NETS = {net.__name__: net for net in (recurrent, attention, gates, several)}


def made(name):
    keras.utils.set_random_seed(1)
    return NETS[name]()


def inputs_of(model, count=16):
    random = np.random.default_rng(2)
    return [
        random.integers(0, 20, (count, *tensor.shape[1:])).astype(tensor.dtype)
        if tensor.dtype == "int32"
        else random.normal(0, 1, (count, *tensor.shape[1:])).astype(np.float32)
        for tensor in model.inputs
    ]


def task(model, epochs=1):
    data = inputs_of(model)
    training = Training(epochs=epochs, learning_rate=1e-4, batch_size=8, teach=1.0)
    return Task(data if len(data) > 1 else data[0], training=training, labelled=False)


def results(model):
    """Every output; inputs in the form that the model was built with."""
    data = keras.tree.pack_sequence_as(model._inputs_struct, inputs_of(model))
    return keras.tree.flatten(model.predict(data, verbose=0))


METHODS = {
    "qat": lambda model: qat(model, task(model), scheme="int4"),
    "prune": lambda model: prune(model, task(model), sparsity=0.5),
    "2:4": lambda model: prune_2_of_4(model, task(model)),
    "cluster": lambda model: cluster(model, task(model), clusters=8),
    "factorize": lambda model: factorize(model, task(model), rank=1),
}


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("recurrent", "qat"), ("recurrent", "cluster"), ("attention", "qat"), ("attention", "2:4"),
        ("gates", "prune"), ("several", "factorize"),
    ],
)  # fmt: skip
def test_results_are_ordinary_files_and_convert(name, method, tmp_path):
    model = made(name)
    result = METHODS[method](model)
    path = tmp_path / "out.keras"
    result.model.save(path)
    again = keras.saving.load_model(path)  # compiled, if it was saved so, and without edgeq
    assert not again.compiled
    assert [value.shape for value in results(again)] == [value.shape for value in results(model)]
    assert keras.tree.flatten(again.input_shape) == keras.tree.flatten(model.input_shape)
    data = inputs_of(model)
    assert edgeq.convert(path, data=data if len(data) > 1 else data[0]).proof


def test_weights_inside_of_layers_are_pruned_shared_and_rounded():
    model = made("recurrent")
    pruned = prune(model, task(model, 0), sparsity=0.5).model
    shared = cluster(model, task(model, 0), clusters=8).model
    for layer in pruned.layers:
        for kernel in kernels_of(layer):
            weights = np.asarray(variable(layer, kernel))
            assert np.mean(weights == 0) == pytest.approx(0.5 if weights.size >= 64 else 0, abs=0.1)
    bidirectional = next(x for x in shared.layers if type(x).__name__ == "Bidirectional")
    assert len(kernels_of(bidirectional)) == 4
    assert all(len(np.unique(variable(bidirectional, k))) <= 8 for k in kernels_of(bidirectional))


def test_two_of_four_runs_along_the_inputs_of_any_kernel():
    model = made("attention")
    result = prune_2_of_4(model, task(model, 0)).model
    attention_layer = next(x for x in result.layers if type(x).__name__ == "MultiHeadAttention")
    for kernel in kernels_of(attention_layer):
        matrix = as_matrix(np.asarray(variable(attention_layer, kernel)), kernel)
        fours = (matrix != 0).T.reshape(-1, 4)
        assert (fours.sum(axis=1) == 2).all()


def test_a_matrix_is_the_same_weights_in_another_order():
    weights = np.arange(2 * 3 * 5 * 4, dtype=np.float32).reshape(2, 3, 5, 4)
    kernel = Kernel("kernel", (0, 1, 3), "TRANSPOSE_CONV")
    matrix = as_matrix(weights, kernel)
    assert matrix.shape == (24, 5)
    np.testing.assert_array_equal(matrix[:, 2], weights[:, :, 2].ravel())
    np.testing.assert_array_equal(from_matrix(matrix, weights, kernel), weights)


@pytest.mark.parametrize("name", ["gates", "several"])
def test_channels_that_nothing_reads_are_cut_without_a_trace(name):
    flat = load_network(made(name))
    network = read_network(flat)
    groups = Groups(network)
    random = np.random.default_rng(0)
    kept = {g: np.sort(random.permutation(groups.sizes[g])[::2]) for g in groups.free}
    assert len(kept) == {"gates": 4, "several": 2}[name]
    fewer = without_channels(flat, network, groups, kept)
    for step in network.steps:
        if is_maker(step.layer) or is_reader(step.layer):
            _ignore(step, groups, kept)
    for wanted, found in zip(results(flat), results(fewer), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert fewer.count_params() < flat.count_params()


def _ignore(step, groups, kept):
    """Set the weights to zero that read channels which are not kept."""
    found, repeats = groups.of(step.inputs[0])
    gone, start = [], 0
    for group in found:
        everything = np.arange(groups.sizes[group])
        gone += list(start + np.setdiff1d(everything, kept.get(group, everything)))
        start += groups.sizes[group]
    gone = np.concatenate([np.asarray(gone, int) + start * turn for turn in range(repeats)])
    weight = next(w for w in step.layer.weights if w.name in ("kernel", "depthwise_kernel"))
    values = np.array(weight)
    if is_reader(step.layer):
        values[gone] = 0
    elif step.kind.endswith("Transpose"):
        values[..., gone] = 0
    else:
        values[..., gone, :] = 0
    weight.assign(values)


def test_fewer_multiplications_in_the_file_with_gates(tmp_path):
    from edgeq.analysis.macs import model_macs
    from edgeq.model.model_file import parse_graph

    model = made("gates")
    result = prune_channels(model, task(model, 0), macs=0.5)
    files = [edgeq.convert(m, data=inputs_of(m)[0]).data for m in (model, result.model)]
    before, after = (sum(model_macs(parse_graph(data)).values()) for data in files)
    assert after < 0.55 * before


def test_what_was_frozen_is_trained_and_counts():
    model = made("gates")
    for layer in model.layers[:-1]:
        layer.trainable = False
    flat = load_network(model)
    assert len(flat.trainable_weights) > 10


def test_an_adapted_normalization_is_copied_with_what_it_learned():
    normalization = layers.Normalization()
    normalization.adapt(np.random.default_rng(0).normal(5, 3, (100, 4)))
    model = keras.Sequential([keras.Input((4,)), normalization, layers.Dense(64)])
    data = inputs_of(model)[0]
    for copy in (load_network(model), prune(model, task(model, 0), sparsity=0.01).model):
        wanted = model.predict(data, verbose=0)
        np.testing.assert_allclose(copy.predict(data, verbose=0), wanted, atol=0.05)


def test_mixed_precision_trains_in_float32():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        steps = [layers.Conv2D(8, 3), layers.BatchNormalization(), layers.Flatten()]
        model = keras.Sequential([keras.Input((8, 8, 3)), *steps, layers.Dense(3)])
    finally:
        keras.config.set_dtype_policy("float32")
    result = qat(model, task(model)).model
    assert {layer.compute_dtype for layer in result.layers} == {"float32"}


def test_dense_layers_train_with_the_one_scale_that_int4_gives_them():
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), layers.Dense(16)])
    kernel = np.random.default_rng(0).normal(0, 1, (8, 16)).astype(np.float32)
    kernel[:, 0] *= 100
    model.layers[0].set_weights([kernel, np.zeros(16, np.float32)])
    prepared = prepare_qat(model, "int4")
    found = prepared(tf.eye(8), training=False).numpy()
    scale = np.abs(kernel).max() / 7
    np.testing.assert_allclose(found, np.round(kernel / scale) * scale, rtol=1e-5)


def test_what_has_nothing_to_compress_is_refused_and_what_is_left_out_named():
    x = keras.Input((6, 4, 4, 2))
    y = layers.Flatten()(layers.Conv3D(4, 2)(x))
    small = keras.Model(x, layers.Activation("relu")(y))
    with pytest.raises(EdgeqError, match="No layer has weights to prune"):
        prune(small, task(small))
    with pytest.raises(EdgeqError, match="No layer with blocks"):
        prune_blocks(small, task(small))
    with pytest.raises(EdgeqError, match="No layer has weights to share"):
        cluster(small, task(small))
    larger = keras.Model(x, layers.Dense(8)(y))
    assert "conv3d" in " ".join(prune(larger, task(larger, 0)).warnings)
