"""Data that misleads a calibration is spoken of."""

import numpy as np
import pytest

import edgeq
from edgeq.errors import EdgeqError


@pytest.fixture(scope="module")
def model():
    """Scores of three classes for values around -1..1."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    source = keras.Input((6, 6, 3), name="image")
    value = keras.layers.Conv2D(6, 3, activation="relu")(source)
    value = keras.layers.Flatten()(value)
    return keras.Model(
        source, keras.layers.Dense(3, "softmax", kernel_initializer="he_normal")(value)
    )


def pixels(count=40):
    return np.random.default_rng(0).integers(0, 256, (count, 6, 6, 3)).astype(np.float32)


def warnings(model, data, **settings):
    found = edgeq.convert(model, data=data, accept_loss=True, **settings)
    return " ".join(found.warnings)


def test_raw_pixels_for_a_model_that_expects_small_values(model):
    assert 'The data look unnormalised: input "image" goes from 0 to 255' in warnings(
        model, pixels()
    )
    assert "unnormalised" not in warnings(model, pixels() / 127.5 - 1)


def test_large_numbers_that_a_softmax_tells_apart_by_little():
    """A softmax sees how far numbers are from each other: large ones alike are no 0 and 1."""
    keras = pytest.importorskip("keras")
    source = keras.Input((8,), name="numbers")
    value = keras.layers.Rescaling(0.5, offset=100)(keras.layers.ReLU()(source))
    model = keras.Model(source, keras.layers.Softmax()(value))
    data = np.random.default_rng(0).uniform(0, 30, (40, 8)).astype(np.float32)
    assert "unnormalised" not in warnings(model, data)


def test_raw_pixels_are_not_blamed_for_what_they_do_not_reach():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    raw, large = keras.Input((4,), name="raw"), keras.Input((3,), name="large")
    scores = keras.layers.Dense(2, kernel_initializer="he_normal")(raw)
    model = keras.Model([raw, large], [scores, keras.layers.Softmax()(large * large)])
    rng = np.random.default_rng(0)
    data = {
        "raw": rng.uniform(0, 255, (40, 4)).astype(np.float32),
        "large": rng.uniform(0, 10, (40, 3)).astype(np.float32),
    }
    assert "unnormalised" not in warnings(model, data)


def test_samples_of_a_single_class(model):
    data = pixels() / 127.5 - 1
    classes = model.predict(data, verbose=0).argmax(-1)
    common = np.bincount(classes).argmax()
    alone = np.concatenate([data[classes == common]] * 3)[:30]
    assert len(set(classes)) > 1
    assert f"samples are class {common} to the float model" in warnings(model, alone)
    assert "to the float model" not in warnings(model, data)


def test_labels_and_swapped_channels(model):
    with pytest.raises(EdgeqError, match="has shape") as caught:
        edgeq.convert(model, data=np.arange(30, dtype=np.float32))
    assert "are these the labels?" in caught.value.hint
    with pytest.raises(EdgeqError, match="has shape") as caught:
        edgeq.convert(model, data=pixels().transpose(0, 3, 1, 2))
    assert "channels come last" in caught.value.hint


def test_the_sample_with_nan_is_named(model):
    data = pixels() / 255
    data[7, 0, 0, 0] = np.inf
    with pytest.raises(EdgeqError, match="holds infinity") as caught:
        edgeq.convert(model, data=data)
    assert "sample 7" in str(caught.value)


@pytest.mark.parametrize("settings", [{}, {"scheme": "float16", "quality_check": True}])
def test_places_beyond_a_table_are_named_with_their_sample(settings, tmp_path):
    """LiteRT's words for it came as a traceback."""
    keras = pytest.importorskip("keras")
    source = keras.Input((3,), dtype="int32", name="words")
    value = keras.layers.Flatten()(keras.layers.Embedding(10, 4)(source))
    model = keras.Model(source, keras.layers.Dense(2)(value))
    data = np.random.default_rng(0).integers(0, 10, (20, 3)).astype(np.int32)
    edgeq.convert(model, data=data)
    data[2, 1] = 12
    if settings:  # nothing is calibrated: it is said that nothing was compared
        assert "indices[2,1] = 12 is not in" in str(
            edgeq.convert(model, data=data, **settings).warnings
        )
        return
    with pytest.raises(EdgeqError, match="LiteRT cannot compute sample 2 of the data: gather") as e:
        edgeq.convert(model, data=data, **settings)
    assert "inside their tables" in e.value.hint


def test_a_divisor_that_rounds_to_zero_is_called_one():
    """It was taken for a place beyond a table."""
    keras = pytest.importorskip("keras")
    source = keras.Input((4,), name="image")
    model = keras.Model(source, keras.ops.normalize(source, order=3))
    data = np.random.default_rng(0).normal(0, 1, (20, 4)).astype(np.float32)
    data[3] *= 1e-3
    with pytest.raises(EdgeqError, match=r"cannot compute a sample of the data: .*\(DIV\)") as e:
        edgeq.convert(model, data=data)
    assert "divisor" in e.value.hint and "tables" not in e.value.hint
    assert edgeq.convert(model, data=data, scheme="int16x8").quality.verdict == "good"


@pytest.mark.parametrize("scheme", ["int8", "int16x8", "float16"])
def test_whole_quotients_of_a_constant_convert(scheme):
    """LiteRT gives up at 0, which is among the values of a table, and of a proof."""
    keras = pytest.importorskip("keras")
    source = keras.Input((4,), name="image")
    model = keras.Model(source, keras.ops.floor_divide(9.0, source))
    data = np.random.default_rng(0).uniform(1, 8, (40, 4)).astype(np.float32)
    found = edgeq.convert(model, data=data, scheme=scheme)
    if scheme == "float16":
        assert "makes a divisor 0" in " ".join(found.warnings)
    else:
        assert found.quality.verdict == "good"
