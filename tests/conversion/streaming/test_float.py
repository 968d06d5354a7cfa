"""In float, a model of steps answers as the model of windows does, window after window."""

import numpy as np
import pytest

from edgeq.conversion.float_model import float_model
from edgeq.conversion.streaming.model import to_streaming
from tests.conversion.streaming.shapes import SHAPES
from tests.conversion.streaming.streams import answers, beside_windows, recording

keras = pytest.importorskip("keras")
layers, ops = keras.layers, keras.ops


def net(shape, make):
    x = keras.Input(shape, name="frames")
    return keras.Model(x, make(x))


@pytest.mark.parametrize(
    ("name", "step"),
    [("tcn", 1), ("tcn", 3), ("mixed_net", 1), ("mixed_net", 3), ("crnn", 1), ("crnn", 2)],
)
def test_published_shapes_without_padding_equal_their_windows(name, step):
    got, wanted, form = beside_windows(SHAPES[name](), step)
    assert form.delay == 0
    assert form.padded == ()
    # What recurrent layers have seen before the window has faded to this after its 50 frames.
    np.testing.assert_allclose(got[0], wanted[0], atol=1e-5)
    np.testing.assert_allclose(got, wanted, atol=5e-5 if name == "crnn" else 1e-5)
    assert np.ptp(wanted, axis=0).max() > 1e-3


# Delays in frames, by net and step.
DELAYS = {("bc_resnet", 1): 7, ("bc_resnet", 4): 8, ("tc_resnet", 1): 37, ("tc_resnet", 4): 40}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "step"), DELAYS)
def test_where_windows_are_padded_the_stream_has_the_frames_around_them(name, step):
    model = SHAPES[name]()
    (pool,) = (layer for layer in model.layers if "GlobalAverage" in type(layer).__name__)
    frames, kept = model.inputs[0].shape[1], pool.input.shape[1]
    margin = 80
    longer = SHAPES[name](frames + 2 * margin)
    longer.set_weights(model.get_weights())
    (end,) = (layer for layer in longer.layers if "GlobalAverage" in type(layer).__name__)
    rate = 4 if name == "tc_resnet" else 1
    inside = keras.Model(longer.input, end.input)
    rest = keras.Model(pool.output, model.output)

    streaming = to_streaming(model, 1, step, name)
    assert streaming.form.delay == DELAYS[name, step]
    assert streaming.form.padded
    x = recording(longer, frames + 2 * margin)
    around = inside.predict(x[None], verbose=0)[:, margin // rate : margin // rate + kept]
    wanted = rest.predict(around.reshape(1, -1, around.shape[-1]).mean(axis=1), verbose=0)[0]
    # Windows end where calls do.
    early = (margin + frames) % step
    found = answers(float_model(streaming.model).data, x[early:], step)[:, 0]
    call = (margin + frames - early + streaming.form.delay) // step - 1
    np.testing.assert_allclose(found[call], wanted, atol=1e-5)


def adapted():
    """A Normalization that has seen data: what it computes with is made of its weights."""
    made = layers.Normalization()
    made.adapt(np.random.default_rng(3).normal(5, 3, (20, 6)).astype(np.float32))
    return made


CASES = {
    "valid": lambda x: layers.GlobalMaxPooling1D()(layers.Conv1D(4, 5, dilation_rate=2)(x)),
    "flatten": lambda x: layers.Dense(3)(layers.Flatten()(layers.Conv1D(4, 3, strides=2)(x))),
    "normalized": lambda x: layers.GlobalMaxPooling1D()(layers.Conv1D(4, 3)(adapted()(x))),
    "separable": lambda x: layers.SeparableConv1D(5, 4, strides=3)(x)[:, -1],
    "depthwise": lambda x: layers.DepthwiseConv1D(3, depth_multiplier=2)(x)[:, -1],
    "pools": lambda x: layers.GlobalAveragePooling1D()(
        layers.AveragePooling1D(3, strides=2)(layers.MaxPooling1D(2)(layers.Conv1D(4, 3)(x)))
    ),
    "residual": lambda x: layers.Add()(
        [layers.Conv1D(6, 5)(x), layers.Cropping1D((2, 2))(x)]
    )[:, -1],
    "cropped": lambda x: layers.Concatenate()(
        [layers.Conv1D(3, 3)(x)[:, :-2], x[:, 1:-3], x[:, 4:]]
    )[:, -1] * 2.0,
    "frames": lambda x: layers.Softmax()(layers.Conv1D(4, 3, padding="causal")(x)),
    "same": lambda x: layers.Conv1D(4, 5, padding="same")(x)[:, 5:-5],
    "every third": lambda x: layers.GlobalAveragePooling1D()(layers.Conv1D(4, 3)(x)[:, 1::3]),
    "lstm": lambda x: layers.LSTM(5)(layers.Dense(4)(x)),
    "norms": lambda x: layers.PReLU(shared_axes=[1])(layers.LayerNormalization()(x))[:, 3],
    "function": lambda x: ops.mean(ops.relu(layers.Dense(5)(x)) - 0.5, axis=1),
    "image": lambda x: layers.GlobalAveragePooling2D()(
        layers.MaxPooling2D((2, 2), padding="valid")(
            layers.Conv2D(4, (3, 3), strides=(2, 1), dilation_rate=(1, 1))(
                ops.expand_dims(x, -1)
            )
        )
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("step", [1, 2])
def test_layers_over_time_equal_their_windows(name, step):
    keras.utils.set_random_seed(3)
    model = net((24, 6), CASES[name])
    got, wanted, form = beside_windows(model, step, more=12)
    # A recurrent layer has no end: what it has seen before its window fades.
    np.testing.assert_allclose(got, wanted, atol=1e-2 if form.carried else 1e-5)
    if form.carried:
        np.testing.assert_allclose(got[0], wanted[0], atol=1e-5)
    assert np.ptp(wanted) > 0


def test_time_may_be_another_axis():
    keras.utils.set_random_seed(3)
    model = net(
        (6, 20, 2),
        lambda x: layers.Flatten()(layers.Conv2D(3, (2, 4), padding="valid")(x)[:, :, -1]),
    )
    got, wanted, form = beside_windows(model, 1, axis=2)
    assert form.window == 20
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_models_inside_of_models_are_followed():
    keras.utils.set_random_seed(3)
    block = keras.Sequential([keras.Input((18, 4)), layers.Conv1D(4, 3), layers.ReLU()])
    model = net((20, 4), lambda x: layers.Dense(2)(block(layers.Conv1D(4, 3)(x))[:, -1]))
    got, wanted, _ = beside_windows(model)
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_layers_used_twice_have_a_state_for_each_use():
    keras.utils.set_random_seed(3)
    layer = layers.LSTM(4, return_sequences=True)
    model = net((12, 4), lambda x: ops.concatenate([layer(layer(x))[:, -1], layer(-x)[:, -1]]))
    got, wanted, form = beside_windows(model, 2, more=1)
    assert form.carried
    np.testing.assert_allclose(got[0], wanted[0], atol=1e-6)


def test_pools_of_channels_that_come_first_take_the_window():
    model = net(
        (4, 12),
        lambda x: layers.GlobalAveragePooling1D(data_format="channels_first", keepdims=True)(x),
    )
    got, wanted, _ = beside_windows(model, 2, axis=2, more=3)
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_frames_that_several_layers_need_are_kept_once():
    model = net(
        (20, 4),
        lambda x: layers.Concatenate()(
            [layers.Conv1D(4, 7, padding="causal")(x), layers.Conv1D(4, 3, padding="causal")(x), x]
        )[:, -1],
    )
    streaming = to_streaming(model, 1, 1, "net")
    kept = [layer.frames for layer in streaming.model.layers if type(layer).__name__ == "Ring"]
    assert kept == [6]
    got, wanted, _ = beside_windows(model)
    np.testing.assert_allclose(got, wanted, atol=1e-5)
