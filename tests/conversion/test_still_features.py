"""A feature that never changed when a net was trained leaves the others their bits."""

import re
from functools import cache

import numpy as np
import pytest

import edgeq
from edgeq.errors import LimitError
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run

STILL = 3


def features(always, moves=0.0, count=200, seed=0):
    """Six sensors, one of which always says the same, or nearly."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 6)) * [3, 2, 1, 0, 3, 1] + [5, -3, 1, 0, 0, 0]
    x[:, STILL] = always + moves * random.uniform(-1, 1, count)
    return x.astype(np.float32)


def trained(x, *layers, width=2):
    """A classifier of its first features behind the layers, trained for a moment."""
    import keras

    keras.utils.set_random_seed(1)
    flat = x.reshape(len(x), -1)
    y = (flat[:, 0] + flat[:, 1] > np.median(flat[:, 0] + flat[:, 1])).astype(int)
    normalization = keras.layers.Normalization(name="normal")
    normalization.adapt(x)
    model = keras.Sequential([keras.Input(x.shape[1:]), normalization, *layers])
    model.add(keras.layers.Dense(width))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    model.fit(x, y, epochs=3, verbose=0)
    return model


def dense():
    import keras

    return keras.layers.Dense(16, activation="relu")


@pytest.fixture(scope="module")
def nets():
    """Gives the net of a feature that is always the same."""
    return cache(lambda always: trained(features(always), dense()))


def decibels(model, made, x):
    wanted = model.predict(x, verbose=0)
    (found,) = run(made.data, [x])
    return 10 * np.log10((wanted**2).sum() / ((found.reshape(wanted.shape) - wanted) ** 2).sum())


# What float32 makes of a mean of 25.3 is off by 2e-6, which Normalization multiplies by 1e7.
@pytest.mark.parametrize(
    ("always", "scheme"), [(7.5, "int8"), (25.3, "int8"), (1e6, "int8"), (25.3, "int16x8")]
)
def test_a_feature_that_never_changed(nets, always, scheme):
    x = features(always)
    model = nets(always)
    made = edgeq.convert(model, data=x, scheme=scheme, explain=True)
    assert decibels(model, made, x) > (25 if scheme == "int8" else 35)
    (told,) = (words for words in made.warnings if "Channel 3" in words)
    assert f'Channel 3 of "normal" is the same throughout --data (always {always:.6g})' in told
    assert ("multiplied by 1e+07" in told) is (always != 25.3)
    assert "leave_out_still" in [each.name for each in made.passes]
    # Everything around it went into the dense layer.
    kinds = [op.name for op in parse_graph(made.data).main.ops]
    assert kinds == ["FULLY_CONNECTED", "FULLY_CONNECTED"]


def test_a_feature_that_moves_all_the_same_is_refused_with_the_reason(nets):
    model = nets(7.5)
    moving = features(7.5, moves=0.1)
    with pytest.raises(LimitError, match='Channel 3 of "normal" is multiplied by 1e') as caught:
        edgeq.convert(model, data=moving)
    assert "in --data there is one, from 7.40" in caught.value.what
    assert "adapt the layer" in caught.value.hint
    accepted = edgeq.convert(model, data=moving, accept_loss=True)
    assert any("in --data there is one" in words for words in accepted.warnings)
    # Seen by labelled data only: the outputs differ, and the reason is told.
    with pytest.raises(LimitError, match="signal-to-noise") as caught:
        edgeq.convert(model, data=features(7.5), eval_data=(moving, np.arange(200) % 2))
    assert 'Channel 3 of "normal" is the same throughout --data' in caught.value.what


def test_a_feature_that_changed_a_little_and_does_not_in_the_data():
    """It is not said that nothing was ever seen, but what the integer model does not see."""
    model = trained(features(7.5, moves=2e-3), dense())
    made = edgeq.convert(model, data=features(7.5))
    (told,) = (words for words in made.warnings if "Channel 3" in words)
    assert re.search(r"multiplied by \d{3}, .* that saw next to no change there", told)
    assert "does not see it change on the device" in told


def test_one_sample_holds_no_change(nets):
    made = edgeq.convert(nets(25.3), data=features(25.3)[:1], accept_loss=True)
    assert not any("there is one" in words for words in made.warnings)


def test_a_feature_that_no_weight_reads_may_move():
    import keras

    model = trained(features(7.5), keras.layers.Dense(16, activation="relu", name="first"))
    kernel, bias = model.get_layer("first").get_weights()
    kernel[STILL] = 0
    model.get_layer("first").set_weights([kernel, bias])
    moving = features(7.5, moves=1e4)
    made = edgeq.convert(model, data=moving)
    assert decibels(model, made, moving) > 25
    assert any("of no weight in what follows" in words for words in made.warnings)


def test_an_input_feature_without_weights_does_not_set_the_range():
    import keras

    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, name="first")])
    kernel, bias = model.get_layer("first").get_weights()
    kernel[STILL] = 0
    model.get_layer("first").set_weights([kernel, bias])
    data = features(0.0, moves=1e6)
    assert decibels(model, edgeq.convert(model, data=data), data) > 25


def test_bands_that_are_always_silent():
    """Normalization by element of a spectrogram, whose upper bands hold nothing."""
    import keras

    random = np.random.default_rng(0)
    x = random.normal(size=(150, 8, 10)).astype(np.float32)
    x[..., 6:] = -100
    keras.utils.set_random_seed(1)
    normalization = keras.layers.Normalization(axis=(1, 2), name="normal")
    normalization.adapt(x)
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((8, 10)), normalization, layers.Conv1D(8, 3, padding="same"), layers.ReLU(),
        layers.Flatten(), layers.Dense(3),
    ])  # fmt: skip
    made = edgeq.convert(model, data=x)
    assert decibels(model, made, x[:50]) > 25
    assert any("Elements 6 to 9, 16 to 19" in words for words in made.warnings)


def test_dead_channels_behind_a_batch_normalization():
    """A variance of nothing beside others of hundreds: 1 / sqrt(epsilon) beside 0.1."""
    import keras

    keras.utils.set_random_seed(1)
    x = features(7.5) * np.float32(20)
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((6,)), layers.BatchNormalization(name="batch", epsilon=1e-5),
        layers.Activation("tanh"), layers.Dense(3),
    ])  # fmt: skip
    model.get_layer("batch").set_weights([np.ones(6), np.zeros(6), x.mean(0), x.var(0)])
    made = edgeq.convert(model, data=x)
    assert decibels(model, made, x) > 25
    assert any('Channel 3 of "batch' in words for words in made.warnings)


def test_a_quotient_with_tiny_numbers():
    import keras

    keras.utils.set_random_seed(1)
    divisor = np.array([3, 2, 1, 1e-9, 4, 1], np.float32)
    source = keras.Input((6,))
    value = keras.layers.Activation("tanh")((source - np.float32(7.5)) / divisor)
    model = keras.Model(source, keras.layers.Dense(3)(value))
    x = features(7.5)
    made = edgeq.convert(model, data=x)
    assert decibels(model, made, x) > 25
    assert any("Channel 3 of" in words for words in made.warnings)


def test_layer_normalization_of_what_is_the_same_everywhere():
    import keras

    keras.utils.set_random_seed(1)
    source = keras.Input((6,))
    norm = keras.layers.LayerNormalization()(source)
    model = keras.Model(source, keras.layers.Dense(3)(keras.layers.Concatenate()([norm, source])))
    x = np.repeat(features(0.0)[:, :1], 6, axis=1)
    for scheme in ("int8", "int16x8"):
        made = edgeq.convert(model, data=x, scheme=scheme)
        assert decibels(model, made, x) > 25


def test_features_that_differ_tenfold_are_left_alone():
    x = features(7.5, moves=0.3)
    made = edgeq.convert(trained(x, dense()), data=x, explain=True)
    assert not any("Channel" in words for words in made.warnings)
    assert "leave_out_still" not in [each.name for each in made.passes]


def test_channels_that_no_weight_of_their_group_reads():
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((5, 5, 4)), keras.layers.Conv2D(6, 3, groups=2)])
    kernel, bias = model.layers[-1].get_weights()
    kernel[:, :, 1, 3:] = 0  # what the second group has second is channel 3
    model.layers[-1].set_weights([kernel, bias])
    x = np.random.default_rng(0).normal(size=(40, 5, 5, 4)).astype(np.float32)
    x[..., STILL] *= 1e6
    assert decibels(model, edgeq.convert(model, data=x), x) > 25
