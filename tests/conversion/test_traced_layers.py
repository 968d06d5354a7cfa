"""Keras layers that TensorFlow's converter, or Keras with a batch of one, gets wrong."""

import keras
import numpy as np
import pytest
from keras import layers

import edgeq
from edgeq.conversion.float_model import float_model
from edgeq.devices.oracle import open_oracle
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run

RANDOM = np.random.default_rng(3)


def compared(inputs, outputs):
    """The ops of the float model, whose values are Keras's."""
    model = keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)
    data = [RANDOM.normal(size=(3, *source.shape[1:])).astype(np.float32) for source in inputs]
    wanted = model(data if len(data) > 1 else data[0], training=False)
    made = float_model(model)
    wanted = wanted if isinstance(wanted, list) else [wanted]
    for real, found in zip(wanted, run(made.data, data), strict=True):
        assert np.allclose(np.reshape(real, -1), found.ravel(), atol=1e-5)
    return [op.name for op in parse_graph(made.data).main.ops]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((4, 4), (4, 1)), ((4, 3), (4, 1)), ((4, 1), (4, 1)), ((4, 4), (1, 4)), ((7,), (7,)),
        ((6, 4, 4), (1, 4, 1)), ((4, 4, 4), (4, 1, 1)), ((4, 3, 5), (4, 1, 1)),
        ((2, 3, 4, 4), (1, 1, 4, 1)),
    ],
)  # fmt: skip
def test_sums_are_along_the_axis_that_keras_adds_along(first, second):
    one, other = keras.Input(first), keras.Input(second)
    assert compared([one, other], layers.Add()([one, other]))[-1] == "ADD"


@pytest.mark.parametrize("second", [(4, 1), (4,)])
def test_sums_of_integers_and_floats_are_of_floats(second):
    one, other = keras.Input((4, 4)[: len(second)], dtype="int32"), keras.Input(second)
    data = [RANDOM.integers(-5, 5, (3, *one.shape[1:])), RANDOM.normal(size=(3, *second))]
    data = [values.astype(source.dtype) for values, source in zip(data, (one, other), strict=True)]
    model = keras.Model([one, other], keras.ops.add(one, other))
    (found,) = run(float_model(model).data, data)
    assert np.allclose(np.reshape(model(data), -1), found.ravel(), atol=1e-5)


@pytest.mark.parametrize(
    ("activation", "kind"), [("gelu", "GELU"), ("hard_silu", "HARD_SWISH"), ("tanh_gelu", "GELU")]
)
@pytest.mark.parametrize(
    ("limit", "behind"), [(None, ["RELU"]), (6.0, ["RELU6"]), (2.5, ["RELU", "MINIMUM", "RELU"])]
)
def test_an_activation_with_a_relu_behind_it_stays_one_op(activation, kind, limit, behind):
    source = keras.Input((5,))
    if activation == "tanh_gelu":
        value = keras.ops.gelu(source, approximate=True)
    else:
        value = layers.Dropout(0.3)(layers.Dense(4, activation=activation)(source))
    ops = compared([source], layers.ReLU(limit)(value))
    assert [op for op in ops if op != "FULLY_CONNECTED"] == [kind, *behind]


def test_one_activation_with_several_relus_behind_it_stays_one_op():
    source = keras.Input((5,))
    value = layers.Dense(4, activation="gelu")(source)
    found = [layers.ReLU()(value), layers.ReLU(6.0)(value), layers.Activation("celu")(value)]
    ops = compared([source], [*found, value])
    assert ops.count("GELU") == ops.count("RELU6") == 1


def test_an_activation_with_relus_behind_it_converts(tmp_path):
    source = keras.Input((6, 5, 2))
    value = layers.ReLU(2.5)(layers.Conv2D(3, 3, activation="gelu")(source))
    value = layers.Activation("relu6")(layers.Dense(4, activation="hard_silu")(value))
    model = keras.Model(source, layers.Flatten()(value))
    data = RANDOM.normal(size=(60, 6, 5, 2)).astype(np.float32)
    path = tmp_path / "net.tflite"
    edgeq.convert(model, data=data, scheme="int16x8", output=path)
    assert edgeq.verify(path, on="c", n=2).equal


@pytest.mark.parametrize(
    ("scheme", "io"), [("int8", "int8"), ("int8", "float32"), ("int16x8", "float32")]
)
def test_a_relu6_goes_from_scale_to_scale_everywhere(scheme, io, tmp_path):
    """TensorFlow Lite Micro's kernel does not, and edgeq's C did as it does."""
    source = keras.Input((5,))
    model = keras.Model(source, [keras.ops.relu6(source), keras.ops.gelu(source)])
    data = RANDOM.normal(size=(100, 5)).astype(np.float32)
    path = tmp_path / "net.tflite"
    edgeq.convert(model, data=data, scheme=scheme, io=io, output=path)
    kinds = [op.name for op in parse_graph(path.read_bytes()).main.ops]
    assert scheme != "int8" or "RELU6" not in kinds  # of 16 bits, both may have one scale
    found = [edgeq.run(path, inputs=data[:8], on=on) for on in ("c", "local")]
    for ours, theirs in zip(*found, strict=True):
        assert np.abs(np.subtract(ours, theirs, dtype=np.float64)).max() <= (io == "int8")


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((6, 1), 1), ((6, 4), 1), ((1, 4), 1), ((6, 4, 1), 2), ((3, 2, 4), 1), ((2, 3, 4, 2), 3)],
)
@pytest.mark.parametrize("kind", ["softmax", "log_softmax"])
def test_a_softmax_over_any_axis_may_be_added_to(shape, axis, kind):
    source = keras.Input(shape)
    soft = getattr(keras.ops, kind)(source, axis=axis)
    assert kind.upper() in compared([source], layers.Add()([soft, source]))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv1D(3, 3, data_format="channels_first", activation="relu"),
        layers.Conv1D(3, 3, data_format="channels_first", padding="same", strides=2),
        layers.SeparableConv1D(3, 3, data_format="channels_first"),
        layers.DepthwiseConv1D(3, data_format="channels_first"),
        layers.Conv1DTranspose(4, 3, data_format="channels_first", strides=2),
        layers.EinsumDense("abc,cd->abd", (5, 3), bias_axes="b"),
    ],
    ids=lambda layer: layer.name,
)
def test_sequences_with_channels_first(layer):
    source = keras.Input((5, 7))
    value = layer(source)
    for variable in layer.weights:
        variable.assign(RANDOM.normal(size=variable.shape))
    assert compared([source], value)


@pytest.mark.parametrize("before", [None, "relu"])
@pytest.mark.parametrize(
    ("kind", "shape", "options"),
    [
        (layers.Conv2D, (3, 6, 6), {"filters": 6, "padding": "same"}),
        (layers.Conv2D, (3, 7, 6), {"filters": 4, "activation": "relu"}),
        (layers.Conv2DTranspose, (3, 2, 4), {"filters": 6}),
        (layers.SeparableConv2D, (3, 5, 6), {"filters": 4}),
        (layers.DepthwiseConv2D, (6, 3, 6), {"padding": "same"}),
        (layers.Conv1D, (3, 6), {"filters": 4}),
        (layers.DepthwiseConv1D, (6, 6), {"padding": "same"}),
    ],
)
def test_a_bias_is_where_predict_adds_it_to_pictures_as_wide_as_they_have_channels(
    kind, shape, options, before
):
    """Eagerly, Keras's answers are others."""
    source = keras.Input(shape)
    layer = kind(kernel_size=3, data_format="channels_first", **options)
    value = layer(layers.ReLU()(source) if before else source)
    for variable in layer.weights:
        variable.assign(RANDOM.normal(size=variable.shape))
    model = keras.Model(source, value)
    model.compile(jit_compile=False)
    data = RANDOM.normal(size=(1, *shape)).astype(np.float32)
    (found,) = run(float_model(model).data, [data])
    assert np.allclose(model.predict(data, verbose=0), found, atol=1e-4)


def test_biases_are_where_keras_adds_them():
    """A bias of two heads of one number, and two steps: Keras adds it along the steps."""
    source = keras.Input((2, 4))
    layer = layers.MultiHeadAttention(2, 1)
    value = layer(source, source)
    for variable in layer.weights:
        variable.assign(RANDOM.normal(size=variable.shape))
    compared([source], value)


def test_what_reads_a_sequence_that_is_an_output_reads_it():
    source = keras.Input((7, 3))
    sequence = layers.LSTM(3, return_sequences=True)(source)
    dense = layers.Dense(2)(layers.Flatten()(sequence))
    compared([source], [sequence, dense])
    compared([source], [dense, sequence, layers.Reshape((3, 7))(sequence)])


def test_tensorflow_lite_micro_owns_loops_beside_ops_that_it_has_not(tmp_path):
    source = keras.Input((5, 3))
    steps = layers.GRU(2)(source)
    model = keras.Model(source, [steps, keras.ops.max(source, axis=1)])
    data = RANDOM.normal(size=(60, 5, 3)).astype(np.float32)
    path = tmp_path / "net.tflite"
    edgeq.convert(model, data=data, scheme="int16x8", output=path)
    address, session = open_oracle(path)
    session.close()
    assert address == "tflm+local?kernels=reference"
    kinds = [op.name for op in parse_graph(path.read_bytes()).main.ops]
    assert dict(zip(kinds, session.owners, strict=True))["WHILE"] == "tflm"
    assert edgeq.verify(path, on="c", n=3).equal


def test_a_class_beside_a_recurrent_layer_in_16_bits(tmp_path):
    """LiteRT has no int16 kernel for the layer, TensorFlow Lite Micro none for the class."""
    source = keras.Input((5, 3))
    value = layers.Dense(4)(layers.LSTM(3)(source))
    model = keras.Model(source, [value, keras.ops.argmax(value, axis=-1)])
    data = RANDOM.normal(size=(60, 5, 3)).astype(np.float32)
    path = tmp_path / "net.tflite"
    made = edgeq.convert(model, data=data, scheme="int16x8", output=path, check_passes=True)
    assert [output.verdict for output in made.quality.outputs] == ["good", "good"]
    logits, classes = edgeq.run(path, on="c", inputs=data)
    wanted = np.asarray(model(data)[1])
    assert (np.ravel(classes) == wanted).mean() > 0.95
    assert (np.argmax(logits.reshape(len(data), -1), 1) == np.ravel(classes)).all()


@pytest.mark.parametrize(
    ("policy", "recurrent"), [("float16", True), ("bfloat16", False), ("mixed_float16", True)]
)
def test_models_whose_weights_have_16_bits_compute_in_float32(policy, recurrent):
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    try:
        source = keras.Input((6, 5))
        value = layers.BatchNormalization()(layers.Conv1D(8, 3, activation="relu")(source))
        value = layers.LayerNormalization()(value + layers.Dense(8)(value) * 0.5)
        value = layers.Bidirectional(layers.GRU(4))(value) if recurrent else layers.Flatten()(value)
        model = keras.Model(source, layers.Dense(3)(value))
        source = keras.Input((6, 5))
        cast = keras.Model(source, keras.Sequential([layers.Flatten(), layers.Dense(2)])(source))
    finally:
        keras.config.set_dtype_policy("float32")
    data = RANDOM.normal(size=(8, 6, 5)).astype(np.float16)
    for net in (model, cast):
        wanted = np.asarray(keras.ops.cast(net(data, training=False), "float32"))
        made = float_model(net)
        (found,) = run(made.data, [data.astype(np.float32)])
        near = 0.06 if policy == "bfloat16" else 0.01
        assert np.abs(found.reshape(wanted.shape) - wanted).max() < near * np.abs(wanted).max()
        assert "CAST" not in {op.name for op in parse_graph(made.data).main.ops}
    assert edgeq.convert(model, data=data).quality.outputs[0].signal_to_noise_db > 20


def test_a_bias_of_a_saved_model_is_where_tensorflow_adds_it(tmp_path):
    source = keras.Input((3, 6, 6))
    layer = layers.Conv2D(4, 3, data_format="channels_first", bias_initializer="random_normal")
    model = keras.Model(source, layer(source))
    model.export(tmp_path / "saved", verbose=False)
    data = RANDOM.normal(size=(1, 3, 6, 6)).astype(np.float32)
    (found,) = run(float_model(tmp_path / "saved").data, [data])
    assert np.allclose(model.predict(data, verbose=0), found, atol=1e-4)
