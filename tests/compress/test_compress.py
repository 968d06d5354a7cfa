"""Each method of compression does what it says, and its results convert like any model."""

import numpy as np
import pytest

import edgeq
from edgeq.compress.channels import Groups
from edgeq.compress.clustering import cluster, share_weights
from edgeq.compress.cutting import without_channels
from edgeq.compress.distillation import distill
from edgeq.compress.equalization import equalize
from edgeq.compress.factorization import factorize
from edgeq.compress.folding import fold_batch_norm
from edgeq.compress.network import load_network, read_network
from edgeq.compress.pruning import (
    largest_blocks,
    prune,
    prune_2_of_4,
    prune_blocks,
    two_of_four,
)
from edgeq.compress.qat import finish_qat, prepare_qat, qat
from edgeq.compress.structured import _spread, prune_channels
from edgeq.compress.task import Task
from edgeq.compress.training import STRUCTURED_RATE, Training
from edgeq.devices.base import ProfileOptions
from tests.compress.nets import accuracy, cnn, digits, mlp, narrow

SHORT = Training(epochs=2, teach=0.5, batch_size=64)


def task(training=SHORT, **more):
    train, held_out = digits()
    return Task(train, held_out, training, **more)


def outputs(model):
    return model.predict(digits()[1][0][:64], verbose=0)


def kernels(model):
    return {
        layer.name: np.asarray(layer.get_weights()[0])
        for layer in model.layers
        if layer.get_weights() and layer.get_weights()[0].ndim > 1
    }


def instructions(model, path):
    """Cortex-M4 instructions of one inference as int8."""
    edgeq.convert(model, data=digits()[0][0][:100], output=path)
    options = ProfileOptions(ops=False)
    return edgeq.profile(path, on="sim:cortex-m4", profile_options=options).measurement.instructions


def test_folding_changes_nothing_but_the_layers():
    folded = fold_batch_norm(load_network(cnn()))
    assert not any("BatchNormalization" in type(layer).__name__ for layer in folded.layers)
    np.testing.assert_allclose(outputs(folded), outputs(cnn()), atol=1e-5)


def spoiled(model):
    """The same function with channel ranges that differ by a factor of a thousand."""
    folded = fold_batch_norm(load_network(model))
    factor = np.logspace(-1.5, 1.5, 16).astype(np.float32)
    first, depthwise = folded.get_layer("first"), folded.get_layer("depthwise")
    first.set_weights([w * factor for w in first.get_weights()])
    kernel, bias = depthwise.get_weights()
    depthwise.set_weights([kernel / factor[:, None], bias])
    return folded


def test_equalization_repairs_spoiled_channel_ranges():
    model = spoiled(cnn())
    before, quantized = accuracy(model, "int8-per-tensor")
    result = equalize(model)
    np.testing.assert_allclose(outputs(result.model), outputs(model), atol=1e-4)
    after = accuracy(result.model, "int8-per-tensor")[1]
    assert quantized < before - 0.1
    assert after > before - 0.01
    assert result.details["imbalance_after"] < 0.1 * result.details["imbalance_before"]


def test_pruned_weights_are_zero_and_stay_so_in_qat():
    pruned = prune(cnn(), task(), sparsity=0.5)
    for name, share in pruned.details["zeros"].items():
        assert share == pytest.approx(0.5, abs=0.01), name
    assert pruned.quality[1].value > pruned.quality[0].value - 0.05
    trained = qat(pruned.model, task(), scheme="int8")
    before, after = kernels(pruned.model), kernels(trained.model)
    for name in pruned.details["zeros"]:
        assert (after[name][before[name] == 0] == 0).all(), name
        assert not np.array_equal(before[name], after.get(name))


def test_whole_blocks_of_the_smallest_weights_are_zero():
    weights = np.random.default_rng(0).normal(size=(3, 1, 8, 10))
    kept = largest_blocks(weights, 0.5)
    squares = {True: [], False: []}
    for place in range(3):
        for row in range(0, 8, 4):
            for column in range(0, 10, 4):
                block = (place, 0, slice(row, row + 4), slice(column, column + 4))
                assert kept[block].all() or not kept[block].any()
                squares[bool(kept[block].any())].append(np.square(weights[block]).mean())
    assert len(squares[True]) == len(squares[False]) == 9
    assert max(squares[False]) < min(squares[True])


def test_pruned_blocks_win_flash_and_instructions_and_survive_qat(tmp_path):
    plain = mlp()
    results = {"dense": plain}
    for share, drop in ((0.5, 0.02), (0.75, 0.05)):
        result = prune_blocks(plain, task(Training(epochs=8, teach=0.5)), sparsity=share)
        assert result.details["block"] == "4x4"
        for name, zeros in result.details["zeros"].items():
            assert zeros == pytest.approx(share, abs=0.1), name
        assert result.quality[1].value > result.quality[0].value - drop
        results[share] = result.model
    trained = qat(results[0.5], task(), scheme="int8").model
    before, after = kernels(results[0.5]), kernels(trained)
    assert len(before) == 3
    for name, weights in before.items():
        assert (after[name][weights == 0] == 0).all(), name
    results["qat"] = trained
    (x, _), _ = digits()
    figures = {}
    for name, model in results.items():
        path = tmp_path / f"{name}.tflite"
        edgeq.convert(model, data=x[:100], output=path)
        found = edgeq.profile(path, on="sim:cortex-m4").measurement
        figures[name] = (found.memory_bytes.flash_total, found.instructions)
        assert edgeq.verify(path, on="sim:cortex-m4", against="tflm", n=5).equal
    for better, worse in (("qat", "dense"), (0.5, "dense"), (0.75, 0.5)):
        assert all(a < 0.75 * b for a, b in zip(figures[better], figures[worse], strict=True))


def test_kernels_whose_blocks_c_does_not_store_stay_whole():
    result = prune_blocks(cnn(), task(Training(epochs=1)), sparsity=0.5)
    assert set(result.details["zeros"]) == {"pointwise", "second", "dense"}


def test_two_of_every_four_weights():
    weights = np.random.default_rng(0).normal(size=(3, 3, 5, 7))
    kept = two_of_four(weights)
    rows = (weights * kept).reshape(-1, 7).T
    for row, whole in zip(rows, weights.reshape(-1, 7).T, strict=True):
        for start in range(0, 44, 4):
            largest = np.sort(np.abs(whole[start : start + 4]))[2:]
            left = np.sort(np.abs(row[start : start + 4]))
            assert (left[:2] == 0).all()
            np.testing.assert_array_equal(left[2:], largest)
    result = prune_2_of_4(cnn(), task())
    assert result.details["zeros"]["second"] == pytest.approx(0.5)


def test_shared_weights_stay_shared_in_qat():
    result = cluster(cnn(), task(), clusters=16)
    assert all(len(np.unique(kernel)) <= 16 for kernel in kernels(result.model).values())
    trained = qat(result.model, task(), scheme="int8-per-tensor")
    assert all(len(np.unique(kernel)) <= 16 for kernel in kernels(trained.model).values())
    real, integer = accuracy(trained.model, "int8-per-tensor")
    assert integer > real - 0.02


def test_shared_weights_are_the_best_of_their_number():
    weights = np.array([1.0, 1.1, 0.9, -5, -5.2, 0, 0, 3, 3], np.float32)
    values, numbers = share_weights(weights, 3)
    np.testing.assert_allclose(values[numbers], [1, 1, 1, -5.1, -5.1, 0, 0, 3, 3], atol=1e-5)


def test_low_rank_makes_a_dense_network_small():
    result = factorize(mlp(), task(Training(epochs=4, teach=0.5)), rank=12)
    assert result.after.parameters * 5 < result.before.parameters
    assert result.quality[1].value > result.quality[0].value - 0.01


def test_channels_go_and_accuracy_stays(tmp_path):
    training = Training(epochs=10, learning_rate=STRUCTURED_RATE, teach=0.5)
    result = prune_channels(cnn(), task(training), macs=0.5)
    assert result.details["macs_after"] <= 0.5 * result.details["macs_before"]
    assert result.quality[1].value > result.quality[0].value - 0.015
    # The addition ties what "pointwise" and "second" make.
    left = result.details["channels"]
    assert left["pointwise"] == left["second"]
    assert all(after % 4 == 0 for _, after in left.values())
    fewer = instructions(result.model, tmp_path / "fewer.tflite")
    all_ = instructions(cnn(), tmp_path / "all.tflite")
    assert fewer < 0.6 * all_
    assert fewer / all_ == pytest.approx(result.details["instructions_share"], abs=0.05)
    real, integer = accuracy(result.model)
    assert real == pytest.approx(result.quality[1].value, abs=1e-6)
    assert integer > real - 0.02


def test_removing_dead_channels_changes_nothing():
    model = fold_batch_norm(load_network(cnn()))
    second = model.get_layer("first")
    kernel, bias = second.get_weights()
    kernel[..., ::2], bias[::2] = 0, 0
    second.set_weights([kernel, bias])
    depthwise = model.get_layer("depthwise")
    kernel, bias = depthwise.get_weights()
    bias[::2] = 0
    depthwise.set_weights([kernel, bias])
    result = prune_channels(model, task(Training(epochs=0)), macs=0.95)
    assert result.details["macs_after"] < result.details["macs_before"]


def test_int4_training_wins_back_what_rounding_loses():
    everywhere = {"*": "int4"}
    real, rounded = accuracy(narrow(), "int4", rounding="nearest", precision=everywhere)
    result = qat(narrow(), task(Training(epochs=10, teach=0.5)), scheme="int4")
    trained = accuracy(result.model, "int4", precision=everywhere)[1]
    assert rounded < real - 0.02
    assert trained > real - 0.015


def test_qat_in_a_loop_of_ones_own():
    prepared = prepare_qat(cnn(), "int4")
    prepared.compile("adam", "sparse_categorical_crossentropy")
    (x, y), _ = digits()
    prepared.fit(x[:320], y[:320], verbose=0)
    finished = finish_qat(prepared)
    assert {type(layer).__module__.split(".")[0] for layer in finished.layers} == {"keras"}


def test_operations_without_a_layer_and_nested_models():
    import keras

    layers = keras.layers
    inner = keras.Sequential([keras.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same")])
    x = keras.Input((8, 8, 1))
    y = layers.Conv2D(4, 3, padding="same")(x)
    y = keras.ops.relu(y + inner(y) * 0.5)
    model = keras.Model(x, layers.Dense(10)(layers.Flatten()(y)))
    np.testing.assert_allclose(outputs(load_network(model)), outputs(model), atol=1e-5)
    prepared = prepare_qat(model)
    prepared.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    prepared.fit(*(part[:64] for part in digits()[0]), verbose=0)
    assert accuracy(finish_qat(prepared))[1] > 0


def test_a_student_learns_from_its_teacher():
    import keras

    keras.utils.set_random_seed(5)
    student = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    result = distill(student, cnn(), task(Training(epochs=10, teach=0.7, learning_rate=3e-3)))
    assert result.quality[0].value < 0.3
    assert result.quality[1].value > 0.85


def test_unlabelled_data_is_enough():
    result = qat(cnn(), Task(digits()[0][0], digits()[1], SHORT, labelled=False))
    assert result.quality[1].value > result.quality[0].value - 0.03


def test_channels_are_judged_on_samples_from_all_over_the_set():
    """Folders are sorted by class."""
    for samples, size in ((5000, 32), (513, 32), (40, 32), (7, 32), (16, 1), (3, 2)):
        batches = _spread(samples, size)
        rows = np.concatenate(batches)
        assert len(rows) == min(samples, 16 * size) == len(set(rows.tolist()))
        assert all(0 < len(batch) <= size for batch in batches)
        assert rows.max() >= samples * (1 - 1 / len(rows)) - 1 and rows.min() == 0
        spans = [np.ptp(batch) for batch in batches if len(batch) > 1]
        assert all(span > samples / 3 for span in spans)


def test_a_kernel_of_zeros_stays_as_it_is():
    model = keras_model = load_network(mlp())
    layer = next(each for each in keras_model.layers if each.weights)
    layer.kernel.assign(np.zeros(layer.kernel.shape))
    layer.bias.assign(np.ones(layer.bias.shape))
    unlabelled = Task(digits()[0][0], None, SHORT, labelled=False)
    found = cluster(model, unlabelled, clusters=4)
    assert layer.name not in found.details["values"] and found.details["values"]


def test_one_slope_for_all_channels_stays_one():
    import keras

    layers = keras.layers
    x = keras.Input((6,))
    y = layers.PReLU(shared_axes=[1])(layers.Dense(8)(x))
    model = load_network(keras.Model(x, layers.Dense(3)(y)))
    network = read_network(model)
    groups = Groups(network)
    cut = without_channels(model, network, groups, {groups.free[0]: np.arange(4)})
    assert cut.predict(np.ones((1, 6), np.float32), verbose=0).shape == (1, 3)
