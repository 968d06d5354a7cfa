"""Small Keras nets that tests convert: each with the signal-to-noise ratio int8 must reach, in dB.

Weights come from a fixed seed; the figures leave room below what was measured.
"""

import numpy as np

from edgeq.boards.runtimes.check import lacking_in_litert
from edgeq.devices.interpreters import LiteRtOptions, litert_interpreter, stand_in_for_litert
from edgeq.model.model_file import parse_graph


def samples_for(model, count):
    """Random inputs, one array per model input, samples on the first axis."""
    random = np.random.default_rng(7)
    return [
        random.normal(0, 1, (count, *tensor.shape[1:])).astype(np.float32)
        if tensor.dtype == "float32" and not _reads_numbers(model)
        else random.integers(0, 50, (count, *tensor.shape[1:])).astype(tensor.dtype)
        for tensor in model.inputs
    ]


def _reads_numbers(model):
    return any(type(layer).__name__ == "Embedding" for layer in model.layers)


def run(data, inputs):
    """Outputs in real numbers of a .tflite, by LiteRT's plain kernels where LiteRT has them all."""
    graph = parse_graph(data).main
    given, found = ([graph.tensors[i] for i in side] for side in (graph.inputs, graph.outputs))
    if lacking_in_litert(parse_graph(data)):
        model = stand_in_for_litert(data, graph.inputs, graph.outputs)
    else:
        model = litert_interpreter(data, LiteRtOptions(delegate="none"))
    outputs = [[] for _ in found]
    for sample in zip(*inputs, strict=True):
        for tensor, value in zip(given, sample, strict=True):
            value = np.asarray(value)
            if value.dtype != np.float32 or "int" not in tensor.dtype or not tensor.quantization:
                value = value.astype(tensor.dtype)
            else:
                limits = np.iinfo(tensor.dtype)
                steps = np.round(value / tensor.scale) + tensor.zero_point
                value = np.clip(steps, limits.min, limits.max).astype(tensor.dtype)
            model.set_tensor(tensor.index, value.reshape(tensor.shape))
        model.invoke()
        for tensor, kept in zip(found, outputs, strict=True):
            value = model.get_tensor(tensor.index).astype(np.float32)
            scaled = tensor.quantization and "int" in tensor.dtype
            kept.append((value - tensor.zero_point) * tensor.scale if scaled else value)
    return [np.array(kept) for kept in outputs]


def _keras():
    import keras

    keras.utils.set_random_seed(3)
    keras.backend.clear_session()
    return keras, keras.layers


def _sequential(shape, make):
    keras, layers = _keras()
    return keras.Sequential([keras.Input(shape), *make(layers)])


def classifier():
    return _sequential(
        (12, 12, 2),
        lambda layers: [
            layers.Conv2D(8, 3, padding="same", name="conv"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, strides=2),
            layers.Conv2D(8, 1, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ],
    ), 25


def lstm():
    return _sequential((8, 6), lambda layers: [layers.LSTM(8), layers.Dense(3)]), 20


def gru():
    return _sequential((8, 6), lambda layers: [layers.GRU(8), layers.Dense(3)]), 20


def bidirectional():
    return _sequential(
        (8, 6), lambda layers: [layers.Bidirectional(layers.LSTM(5)), layers.Dense(3)]
    ), 20


def recurrent_dropout():
    return _sequential(
        (5, 4),
        lambda layers: [
            layers.LSTM(6, dropout=0.2, recurrent_dropout=0.1, return_sequences=True),
            layers.Bidirectional(layers.SimpleRNN(4, dropout=0.2)),
        ],
    ), 20


def mixed_precision():
    keras, _ = _keras()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return _sequential(
            (8, 8, 3),
            lambda layers: [
                layers.Conv2D(4, 3),
                layers.BatchNormalization(),
                layers.Reshape((6, 24)),
                layers.Bidirectional(layers.LSTM(4)),
                layers.Dense(3, dtype="float32"),
            ],
        ), 20
    finally:
        keras.config.set_dtype_policy("float32")


def conv1d():
    return _sequential(
        (32, 6),
        lambda layers: [
            layers.Conv1D(8, 3, activation="relu", padding="same"),
            layers.MaxPool1D(),
            layers.Conv1D(8, 3, dilation_rate=2, padding="causal"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, activation="sigmoid"),
        ],
    ), 30


def upsampling():
    return _sequential(
        (8, 8, 3),
        lambda layers: [
            layers.Conv2D(8, 3, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Conv2DTranspose(4, 3, strides=2, padding="same"),
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.UpSampling2D(2),
            layers.Conv2D(2, 1, activation="tanh"),
        ],
    ), 20


def branches():
    keras, layers = _keras()
    x = keras.Input((8, 8, 3))
    a = layers.Conv2D(8, 3, activation="relu6", padding="same")(x)
    b = layers.SeparableConv2D(8, 3, activation="hard_swish", padding="same")(x)
    both = layers.Concatenate()([a, b])
    gate = layers.Dense(16, activation="sigmoid")(
        layers.GlobalAveragePooling2D(keepdims=True)(both)
    )
    joined = layers.Add()([layers.Subtract()([a, b]), layers.Maximum()([a, b])])
    first = layers.GlobalMaxPool2D()(joined)
    second = layers.Dense(3)(layers.Flatten()(layers.Multiply()([both, gate])))
    return keras.Model(x, [first, second]), 25


def two_inputs():
    keras, layers = _keras()
    a, b = keras.Input((10,), name="a"), keras.Input((6,), name="b")
    y = layers.Concatenate()([layers.Dense(8)(a), b])
    y = layers.Dense(4, activation="relu")(y)
    p, q = layers.Dense(2, name="p")(y), layers.Dense(3, activation="softmax", name="q")(y)
    return keras.Model([a, b], [p, q]), 25


def transformer():
    keras, layers = _keras()
    x = keras.Input((6, 8))
    y = layers.LayerNormalization()(x)
    y = layers.Add()([x, layers.MultiHeadAttention(2, 4)(y, y)])
    y = layers.Dense(8)(layers.Dense(16, activation="gelu")(y))
    return keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling1D()(y))), 20


def preprocessing():
    return _sequential(
        (8, 8, 4),
        lambda layers: [
            layers.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 1, 2, 2]),
            layers.Rescaling(0.5),
            layers.ZeroPadding2D(1),
            layers.Cropping2D(1),
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.PReLU(),
            layers.ELU(),
            layers.Permute((2, 1, 3)),
            layers.Reshape((36, 8)),
            layers.Softmax(),
        ],
    ), 25


def activations():
    keras, layers = _keras()
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(6, 3)(x)
    for name in ("swish", "softplus", "exponential", "selu"):
        y = layers.Activation(name)(y)
    return keras.Model(x, y), 20


def embedding():
    keras, layers = _keras()
    x = keras.Input((8,), dtype="int32")
    y = layers.GlobalAveragePooling1D()(layers.Embedding(50, 16)(x))
    return keras.Model(x, layers.Dense(3)(y)), 25


def causal_attention():
    keras, layers = _keras()
    x = keras.Input((8,))  # float, as keras.Input is unless told otherwise
    y = layers.Embedding(50, 12, mask_zero=True)(x)
    y = layers.Add()([y, layers.MultiHeadAttention(2, 6)(y, y, use_causal_mask=True)])
    y = layers.Attention()([y, y], use_causal_mask=True)
    return keras.Model(x, layers.Dense(3)(y)), 20


def plain_ops():
    keras, layers = _keras()
    ops = keras.ops
    x = keras.Input((6, 6, 4))
    a, b = ops.split(layers.Conv2D(8, 3, padding="same")(ops.square(x)[:, 1:5]), 2, axis=-1)
    y = ops.minimum(ops.abs(a) + ops.negative(ops.sqrt(ops.relu(b))), 1.0)
    return keras.Model(x, ops.max(y, axis=(1, 2))), 20


NETS = {
    net.__name__: net
    for net in (
        classifier, lstm, gru, bidirectional, recurrent_dropout, mixed_precision, conv1d,
        upsampling, branches, two_inputs, transformer, preprocessing, activations, embedding,
        causal_attention, plain_ops,
    )
}  # fmt: skip
