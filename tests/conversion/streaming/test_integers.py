"""The integers of a model of steps beside those of the model of windows."""

import numpy as np
import pytest

import edgeq
from edgeq.model.arrays import dequantize
from edgeq.model.model_file import read_graph
from tests.conversion.streaming.shapes import trained_like

keras = pytest.importorskip("keras")
layers = keras.layers
pytestmark = pytest.mark.slow

FRAMES, FEATURES, MORE = 24, 6, 40


def causal():
    """Dilated, residual, with a last frame that no padding reaches."""
    x = keras.Input((FRAMES, FEATURES), name="frames")
    y = layers.Conv1D(8, 3, padding="causal", activation="relu")(x)
    for dilation in (1, 2, 4):
        z = layers.Conv1D(8, 3, padding="causal", dilation_rate=dilation)(y)
        y = layers.Add()([y, layers.ReLU()(layers.BatchNormalization()(z))])
    return trained_like(keras.Model(x, y[:, -1]))


def pooled():
    """Without padding; the largest value over time is the answer."""
    x = keras.Input((FRAMES, FEATURES), name="frames")
    y = layers.SeparableConv1D(8, 5, activation="relu")(x)
    y = layers.Conv1D(6, 3, activation="relu")(layers.MaxPooling1D(2, strides=1)(y))
    return keras.Model(x, layers.GlobalMaxPooling1D()(y))


def both(model, scheme, folder):
    """Answers of both to the windows of a recording, integers, and their scales."""
    random = np.random.default_rng(0)
    data = random.normal(0, 1, (40, FRAMES, FEATURES)).astype(np.float32)
    recording = random.normal(0, 1, (FRAMES + MORE, FEATURES)).astype(np.float32)
    given = np.stack([recording[i : i + FRAMES] for i in range(MORE + 1)]), recording[:, None]
    found, graphs = [], []
    for name, values, how in zip(("windows", "steps"), given, ({}, {"stream": 1}), strict=True):
        path = folder / f"{name}.tflite"
        edgeq.convert(model, data=data, output=path, scheme=scheme, **how)
        (answers,) = edgeq.run(path, inputs=values, on="c")
        found.append(answers.reshape(len(values), -1)[-MORE - 1 :].astype(int))
        graphs.append(read_graph(path))
    return *found, *graphs


def output(graph):
    return graph.main.tensors[graph.main.outputs[0]]


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize("net", [causal, pooled])
def test_where_scales_are_the_same_the_answers_are(tmp_path, net, scheme):
    keras.utils.set_random_seed(4)
    windows, steps, *graphs = both(net(), scheme, tmp_path)
    assert len(np.unique(windows)) > 15
    first, second = map(output, graphs)
    assert first.scale == pytest.approx(second.scale, rel=1e-6)
    assert first.zero_point == second.zero_point
    np.testing.assert_array_equal(steps, windows)


def test_a_head_has_a_scale_of_its_own(tmp_path):
    """Before the first whole window it answers too, and what it answers is in its range."""
    keras.utils.set_random_seed(4)
    net = causal()
    model = keras.Model(net.inputs, layers.Dense(4)(net.outputs[0]))
    windows, steps, *graphs = both(model, "int8", tmp_path)
    first, second = map(output, graphs)
    assert second.scale > first.scale
    apart = dequantize(steps, second) - dequantize(windows, first)
    assert 0 < np.abs(apart).max() <= 2 * second.scale
