"""What neither LiteRT nor TensorFlow Lite Micro runs is judged by edgeq's C."""

import numpy as np
import pytest

import edgeq
from edgeq.model.model_file import parse_graph

keras = pytest.importorskip("keras")


def test_an_lstm_beside_an_activation_in_16_bits(tmp_path):
    """LiteRT has no 16-bit LSTM, TensorFlow Lite Micro no 16-bit GATHER of a table."""
    keras.utils.set_random_seed(2)
    source = keras.Input((6, 4))
    value = keras.layers.LSTM(5)(source)
    model = keras.Model(source, keras.layers.Dense(3, "softplus")(value))
    data = np.random.default_rng(0).normal(0, 1, (20, 6, 4)).astype(np.float32)
    path = tmp_path / "net.tflite"
    made = edgeq.convert(model, data=data, scheme="int16x8", output=path)
    kinds = [op.name for op in parse_graph(made.data).main.ops]
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in kinds and "GATHER" in kinds
    assert made.runs_on.able == ("edgeq's C",)
    (found,) = edgeq.run(path, inputs=data, on="c")
    graph = parse_graph(made.data).main
    wanted = model.predict(data, verbose=0)
    noise = ((found * graph.tensors[graph.outputs[0]].scale - wanted) ** 2).sum()
    ratio = made.quality.signal_to_noise_db
    assert ratio > 40
    assert 10 * np.log10((wanted**2).sum() / noise) == pytest.approx(ratio, abs=1)
