"""Nets that people make, converted: what comes out computes what the float model computes."""

import numpy as np
import pytest

import edgeq
from edgeq.conversion.flatbuffer import op_kinds
from edgeq.conversion.float_model import float_model
from edgeq.conversion.network import Network
from edgeq.errors import EdgeqError
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run

BARS = {"int8": 20, "int16x8": 40}
REFERENCE = "local?kernels=reference"


@pytest.fixture(scope="module")
def keras():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(1)
    return keras


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(0, 1, (60, 6)).astype(np.float32)


def net(keras, after, *, width=8, shape=(6,)):
    """A dense layer and what is behind it."""
    keras.utils.set_random_seed(1)
    source = keras.Input(shape)
    return keras.Model(source, after(keras.layers.Dense(width)(source)))


def decibels(wanted, found):
    wanted = np.asarray(wanted, np.float64).ravel()
    noise = ((wanted - np.asarray(found, np.float64).ravel()) ** 2).sum()
    return 10 * np.log10((wanted**2).sum() / max(noise, 1e-30))


def converted(model, data, scheme="int8", **settings):
    """A conversion, and the signal to noise of each output against Keras."""
    result = edgeq.convert(model, data=data, scheme=scheme, **settings)
    given = data if isinstance(data, list) else [data]
    wanted = model.predict(data, verbose=0)
    wanted = wanted if isinstance(wanted, list) else [wanted]
    found = run(result.data, given)
    return result, [decibels(w, f) for w, f in zip(wanted, found, strict=True)]


def kinds(result):
    return [op.name for op in parse_graph(result.data).main.ops]


ACTIVATIONS = (
    "celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "log_sigmoid",
    "log_softmax", "mish", "selu", "silu", "softplus", "softsign", "soft_shrink", "sparse_plus",
    "sparse_sigmoid", "squareplus", "tanh_shrink",
)  # fmt: skip


@pytest.fixture(scope="module", params=BARS)
def activations(request, keras, x, tmp_path_factory):
    """A net with every activation as an output of its own, converted."""
    keras.utils.set_random_seed(1)
    source = keras.Input((2, 3, 6))
    hidden = keras.layers.Conv2D(8, 1)(source)
    outputs = [keras.layers.Activation(name)(hidden) for name in ACTIVATIONS]
    outputs.append(keras.layers.GroupNormalization(4)(hidden))
    data = np.random.default_rng(0).normal(0, 1, (60, 2, 3, 6)).astype(np.float32)
    path = tmp_path_factory.mktemp("activations") / "net.tflite"
    model = keras.Model(source, outputs)
    result, found = converted(model, data, request.param, output=path)
    return request.param, path, result, dict(zip((*ACTIVATIONS, "group"), found, strict=True))


def test_every_activation_stays_close(activations):
    scheme, _, _, found = activations
    assert {name: value for name, value in found.items() if value < BARS[scheme]} == {}


def test_the_activations_run_as_c(activations):
    _, path, result, _ = activations
    assert "GATHER" in kinds(result) and not {"LOG", "SQRT", "GREATER"} & set(kinds(result))
    unpacked = Network.unpack(result.data, "")
    assert set(op_kinds(unpacked.model)) == set(kinds(result))  # LiteRT looks for all that is named
    # The runtimes' own SUM and MEAN round differently now and then: each counts for a step.
    outcome = edgeq.verify(path, on="c", against=REFERENCE, n=5)
    assert outcome.equal or outcome.max_difference <= 2


@pytest.mark.parametrize("scheme", BARS)
@pytest.mark.parametrize("name", ["softplus", "selu", "softsign", "log_sigmoid"])
def test_a_table_is_off_by_a_step_at_most(keras, scheme, name):
    function = getattr(keras.activations, name)
    source = keras.Input((1,))
    model = keras.Model(source, keras.layers.Activation(name)(source))
    data = np.linspace(-6, 5, 50, dtype=np.float32)[:, None]
    result = edgeq.convert(model, data=data, scheme=scheme)
    main = parse_graph(result.data).main
    taken, given = main.tensors[main.inputs[0]], main.tensors[main.outputs[0]]
    integers = np.arange(-128, 128) if scheme == "int8" else np.arange(-32000, 27000, 7)
    reals = ((integers - taken.zero_point) * taken.scale).astype(np.float32)[:, None]
    wanted = np.asarray(function(reals)).ravel() / given.scale + given.zero_point
    inside = np.abs(wanted) < (127 if scheme == "int8" else 32767)
    found = run(result.data, [reals])[0].ravel() / given.scale + given.zero_point
    assert np.abs(found - wanted)[inside].max() < (0.51 if scheme == "int8" else 1.8)


STEEP = {
    "rsqrt": (lambda ops, a: ops.rsqrt(a), 0.001, 27),
    "rsqrt behind a small number": (lambda ops, a: ops.rsqrt(a + 0.001), 0, 27),
    "sqrt": (lambda ops, a: ops.sqrt(a), 0, 27),
    "log": (lambda ops, a: ops.log(a), 0.001, 27),
    "reciprocal": (lambda ops, a: 1 / a, -10, -0.01),
    "power": (lambda ops, a: ops.power(a, 0.3), 0, 27),
    "both ends": (lambda ops, a: ops.log(a / (1 - a)), 0.0005, 0.9995),
    "jump": (lambda ops, a: ops.sign(a), -3, 3),
    "steep where the range ends": (lambda ops, a: ops.exp(a), -12, 8),
    "up to the last integer": (lambda ops, a: ops.softplus(a), -2, 3),
}


@pytest.mark.parametrize("name", STEEP)
def test_a_function_that_is_steep_somewhere_is_off_by_two_steps_at_most(keras, name):
    """Every value of the range in 16 bits, against Keras."""
    function, low, high = STEEP[name]
    source = keras.Input((1,))
    model = keras.Model(source, function(keras.ops, source))
    data = np.linspace(low, high, 50, dtype=np.float32)[:, None]
    result = edgeq.convert(model, data=data, scheme="int16x8", check_passes=True)
    main = parse_graph(result.data).main
    taken, given = main.tensors[main.inputs[0]], main.tensors[main.outputs[0]]
    ends = low / taken.scale, high / taken.scale
    integers = np.arange(np.ceil(ends[0]), np.floor(ends[1]) + 1, dtype=np.float64)
    reals = (integers * taken.scale).astype(np.float32)
    wanted = np.asarray(function(keras.ops, keras.ops.convert_to_tensor(reals)), np.float64)
    found = run(result.data, [reals[:, None]])[0].ravel()
    assert np.abs(found - wanted).max() / given.scale < 2


def test_a_layer_is_computed_once_for_an_activation_of_several_parts(keras, x):
    result, (found,) = converted(net(keras, keras.layers.Activation("celu")), x)
    assert kinds(result).count("FULLY_CONNECTED") == 1
    assert found > 30


THRESHOLDS = {
    "ReLU": lambda keras, a: keras.layers.ReLU(threshold=0.5)(a),
    "far away": lambda keras, a: keras.ops.where(a > 1e3, 0.0, a),
    "vector": lambda keras, a: keras.ops.where(a >= np.full((1, 8), -1.0, "f"), a, -1.0),
    "two values": lambda keras, a: keras.ops.where(a > a[:, ::-1] * 3, a, a[:, ::-1] * 3),
}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_comparisons_in_16_bits_mind_the_scales(keras, x, name):
    model = net(keras, lambda a: THRESHOLDS[name](keras, a))
    result, (found,) = converted(model, x, "int16x8")
    assert found > 40
    assert "GREATER" not in kinds(result)  # which TensorFlow Lite Micro computes wrongly


JUMPS = {
    "hard_shrink": lambda ops, a: ops.hard_shrink(a),
    "threshold": lambda ops, a: ops.threshold(a, 0.5, -1.0),
}


@pytest.mark.parametrize("name", JUMPS)
def test_jumps_in_16_bits_are_where_they_should_be(keras, name):
    """Without weights before, whose rounding would push values over the edge."""
    source = keras.Input((1,))
    data = np.linspace(-3, 3, 100, dtype=np.float32)[:, None]
    _, (found,) = converted(keras.Model(source, JUMPS[name](keras.ops, source)), data, "int16x8")
    assert found > 70


@pytest.mark.parametrize("scheme", BARS)
def test_a_maximum_is_equal_to_the_value_it_was_chosen_for(keras, x, scheme):
    ops = keras.ops

    def peaks(a):
        highest = ops.max(a, -1, keepdims=True)
        equal = [ops.equal(a, ops.maximum(a, a[:, ::-1])), ops.equal(highest, a)]
        masks = [ops.cast(mask, "float32") for mask in equal]
        return [*masks, ops.where(a >= highest, a, 0.0), a]

    result, found = converted(net(keras, peaks), x, scheme)
    pairs, highest, chosen, _ = (value.reshape(60, 8) for value in run(result.data, [x]))
    assert (np.maximum(pairs, pairs[:, ::-1]) == 1).all()
    assert (highest.sum(-1) >= 1).all() and highest.sum() < 66
    assert ((chosen != 0) <= (highest == 1)).all()
    assert found[2] > BARS[scheme]


def test_slopes_of_prelu_are_int8(keras, x, tmp_path):
    slopes = keras.initializers.RandomUniform(-0.3, 0.3, seed=2)
    model = net(keras, keras.layers.PReLU(alpha_initializer=slopes))
    path = tmp_path / "m.tflite"
    result, (found,) = converted(model, x, "int16x8", output=path)
    main = parse_graph(result.data).main
    (prelu,) = [op for op in main.ops if op.name == "PRELU"]
    assert main.tensors[prelu.inputs[1]].dtype == "int8"
    assert found > 45
    assert edgeq.verify(path, on="c", against="tflm", n=5).equal


@pytest.mark.parametrize("name", ["leaky_relu", "hard_silu", "softplus", "abs", "square"])
def test_an_output_may_feed_a_layer(keras, x, name):
    layers = keras.layers
    change = getattr(keras.ops, name) if name in ("abs", "square") else layers.Activation(name)

    def both(a):
        value = change(a)
        return [layers.Dense(2)(value), value]

    result, found = converted(net(keras, both), x)
    assert min(found) > 25
    assert result.proof.outputs == ("int8", "int8")


def test_vectors_in_maximum_minimum_and_where(keras, x):
    ops = keras.ops
    low = np.array([[-0.2, 0.1, 0.0, 0.3, -0.5, 0, 0.4, 2]], np.float32)

    def several(a):
        above = ops.maximum(a, low)
        return [above, ops.minimum(above, low + 0.6), ops.where(a > low, a, low)]

    _, found = converted(net(keras, several), x)
    assert min(found) > 30


def saved(tmp_path, function, **signatures):
    """A SavedModel of a function of x with six values."""
    tf = pytest.importorskip("tensorflow")
    spec = tf.TensorSpec([1, 6], tf.float32, name="x")
    module = tf.Module()
    made = {name: tf.function(f, input_signature=[spec]) for name, f in signatures.items()}
    module.served = made or tf.function(function, input_signature=[spec])
    tf.saved_model.save(module, tmp_path / "saved", signatures=module.served)
    return tmp_path / "saved"


def test_logits_and_label_are_integers_in_the_order_of_tensorflow(tmp_path, x):
    tf = pytest.importorskip("tensorflow")
    weights = np.random.default_rng(1).normal(0, 1, (6, 3)).astype(np.float32)

    def classify(x):
        logits = tf.matmul(x, weights)
        return {"logits": logits, "label": tf.argmax(logits, -1)}

    path = saved(tmp_path, classify)
    result = edgeq.convert(path, data=x)
    plain = tf.lite.TFLiteConverter.from_saved_model(str(path)).convert()
    wanted = [detail["name"] for detail in tf.lite.Interpreter(model_content=plain)
              .get_signature_runner().get_output_details().values()]  # fmt: skip
    main = parse_graph(result.data)
    assert list(main.signatures[0].outputs) == ["label", "logits"]
    assert len(wanted) == 2
    assert [main.main.tensors[i].dtype for i in main.main.outputs] == ["int64", "int8"]
    label, logits = run(result.data, [x])
    assert (label.ravel() == logits.reshape(-1, 3).argmax(-1)).all()
    assert decibels(x @ weights, logits) > 30


def test_a_signature_keeps_its_name(tmp_path, x):
    path = saved(tmp_path, None, embed=lambda x: {"e": x * 2.0}, other=lambda x: {"o": x})
    (signature,) = parse_graph(edgeq.convert(path, data=x, signature="embed").data).signatures
    assert (signature.key, list(signature.inputs), list(signature.outputs)) == (
        "embed",
        ["x"],
        ["e"],
    )


@pytest.mark.parametrize("per_channel", [False, True])
def test_learned_ranges_are_taken(tmp_path, x, per_channel):
    tf = pytest.importorskip("tensorflow")
    random = np.random.default_rng(1)
    first = random.normal(0, 0.4, (6, 8)).astype(np.float32)
    second = random.normal(0, 0.4, (8, 3)).astype(np.float32)
    fake = tf.quantization.fake_quant_with_min_max_args

    def weights(values):
        if not per_channel:
            return fake(values, -1.5, 1.5, narrow_range=True)
        ends = tf.constant(np.linspace(0.9, 1.8, values.shape[-1]), tf.float32)
        return tf.quantization.fake_quant_with_min_max_vars_per_channel(
            values, -ends, ends, narrow_range=True
        )

    def trained(x):
        hidden = tf.nn.relu(tf.matmul(fake(x, -4, 4), weights(first)) + 0.1)
        return {"y": fake(tf.matmul(fake(hidden, 0, 6), weights(second)), -8, 8)}

    path = saved(tmp_path, trained)
    result = edgeq.convert(path, data=x[:5])
    main = parse_graph(result.data).main
    assert main.tensors[main.inputs[0]].scale == pytest.approx(8 / 255)
    assert main.tensors[main.outputs[0]].scale == pytest.approx(16 / 255)
    assert not {"QUANTIZE", "DEQUANTIZE"} & set(kinds(result))
    wanted = np.concatenate([trained(tf.constant(one[None]))["y"] for one in x])
    assert decibels(wanted, run(result.data, [x])[0]) > 38  # TensorFlow's converter: 31


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32"])
def test_integer_inputs_come_as_they_are(keras, tmp_path, dtype):
    layers = keras.layers
    keras.utils.set_random_seed(4)
    source = keras.Input((8, 8, 3), dtype=dtype)
    value = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255.0)(source))
    model = keras.Model(source, layers.Dense(3)(layers.Flatten()(value)))
    low, high = (-128, 128) if dtype == "int8" else (0, 256)
    data = np.random.default_rng(0).integers(low, high, (40, 8, 8, 3)).astype(dtype)
    path = tmp_path / "m.tflite"
    result = edgeq.convert(model, data=data, output=path)
    main = parse_graph(result.data).main
    taken = main.tensors[main.inputs[0]]
    if dtype != "int32":
        assert (taken.dtype, taken.scale, taken.zero_point) == (dtype, 1.0, 0)
        (found,) = run(result.data, [data])
        assert decibels(model.predict(data, verbose=0), found) > 30
    assert result.proof.outputs == ("int8",)
    assert edgeq.verify(path, on="c", against="tflm", n=3).equal
    assert edgeq.convert(model, data=data, io="int8").proof.inputs == ("int8",)


def test_values_that_fade_to_nothing_convert_and_run(keras, tmp_path):
    layers = keras.layers
    tiny = keras.initializers.RandomUniform(-1e-6, 1e-6, seed=1)
    source = keras.Input((8, 8, 3))
    value = source
    for _ in range(2):
        value = layers.Conv2D(4, 3, activation="relu6", kernel_initializer=tiny)(value)
    value = layers.Conv2D(5, 4, kernel_initializer=tiny)(value)
    model = keras.Model(source, layers.Softmax()(layers.Reshape((5,))(value)))
    data = np.random.default_rng(0).normal(0, 1, (20, 8, 8, 3)).astype(np.float32)
    path = tmp_path / "m.tflite"
    _, (found,) = converted(model, data, output=path)
    assert found > 25
    assert edgeq.verify(path, on="c", against="tflm", n=3).equal


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small"])
def test_networks_that_were_never_trained_convert(keras, name):
    """Biases beyond int32, and a softmax of steps of 4e-12, are what random weights make."""
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(32, 32, 3), alpha=0.35, classes=100
    )
    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3)).astype(np.float32)
    made = edgeq.convert(model, data=pixels)
    assert made.quality.verdict in ("good", "not judged")
    assert len(made.runs_on.able) == 3


def test_outputs_and_inputs_keep_order_and_keys(keras, x, tmp_path):
    layers = keras.layers
    late, early = keras.Input((6,), name="late"), keras.Input((4,), name="early")
    value = layers.Dense(4)(layers.Concatenate()([late, early]))
    outputs = {"z": layers.Dense(2)(value), "a": [layers.Dense(3)(value), layers.Dense(5)(value)]}
    model = keras.Model({"late": late, "early": early}, outputs)
    model.save(tmp_path / "m.keras")
    np.savez(tmp_path / "d.npz", late=x, early=x[:, :4])
    result = edgeq.convert(tmp_path / "m.keras", data=tmp_path / "d.npz")
    graph = parse_graph(result.data)
    (signature,) = graph.signatures
    assert list(signature.inputs) == ["late", "early"]
    assert list(signature.outputs) == ["z", "a/0", "a/1"]
    shapes = [graph.main.tensors[i].shape for i in (*graph.main.inputs, *graph.main.outputs)]
    assert shapes == [(1, 6), (1, 4), (1, 2), (1, 3), (1, 5)]


def test_the_place_of_an_extreme_converts(keras, x):
    ops = keras.ops

    def places(a):
        return [ops.argmax(a, -1), ops.argmin(a, -1, keepdims=True), ops.argmax(a)]

    model = net(keras, places)
    first, second, third = run(edgeq.convert(model, data=x).float_model.data, [x])
    hidden = x @ model.layers[1].get_weights()[0]
    assert (first.ravel() == hidden.argmax(-1)).all()
    assert (second.ravel() == hidden.argmin(-1)).all()
    assert (third.ravel() == hidden.argmax(-1)).all()


def test_bad_data_of_several_inputs_is_named(keras, x, tmp_path):
    layers = keras.layers
    a, b = keras.Input((6,), name="a"), keras.Input((4,), name="b")
    model = keras.Model([a, b], layers.Dense(2)(layers.Concatenate()([a, b])))
    bad = x[:, :4].copy()
    bad[3, 1] = np.nan
    path = tmp_path / "d.npz"
    np.savez(path, a=x, b=bad)
    with pytest.raises(EdgeqError, match="input 'b' holds NaN") as caught:
        edgeq.convert(model, data=path)
    assert caught.value.where == f"{path}, sample 3"
    np.savez(path, a=x, c=bad)
    with pytest.raises(
        EdgeqError, match="no array for input 'b' in the file; it has the keys a, c"
    ):
        edgeq.convert(model, data=path)


def test_a_refusal_of_the_quantizer_speaks_of_loops_only_where_there_are(keras, x, monkeypatch):
    from litert_quantizer import quantizer

    def fail(*_, **__):
        raise ValueError("no such thing")

    monkeypatch.setattr(quantizer.Quantizer, "quantize", fail)
    with pytest.raises(EdgeqError, match="no such thing") as caught:
        edgeq.convert(net(keras, lambda a: a), data=x)
    assert "loop" not in str(caught.value)


def test_an_op_that_tensorflow_lite_lacks_is_named_with_its_layer(keras):
    source = keras.Input((4, 4, 4, 3))
    pool = keras.layers.AdaptiveAveragePooling3D(2, name="pool")
    with pytest.raises(EdgeqError, match="no op for AvgPool3D, which pool is made of") as caught:
        float_model(keras.Model(source, pool(source)))
    assert "/" not in caught.value.what


def test_comparisons_of_raw_pixels_in_8_bits(keras):
    # LiteRT's kernels end the process over a scale of 1 and more.
    data = np.random.default_rng(0).integers(0, 400, (40, 4, 4, 3)).astype(np.float32)
    source = keras.Input((4, 4, 3))
    turned = source[:, ::-1]
    bright = keras.ops.where(source > turned, source, turned * 0.5)
    result, (found,) = converted(keras.Model(source, bright), data)
    assert found > 25
    assert kinds(result).count("CAST") == 2


def test_a_mean_over_what_is_not_padding_converts(keras):
    layers = keras.layers
    source = keras.Input((8,), dtype="int32")
    value = layers.Embedding(20, 6, mask_zero=True)(source)
    value = layers.GlobalAveragePooling1D()(value)
    data = np.random.default_rng(0).integers(0, 20, (40, 8)).astype(np.int32)
    result, (found,) = converted(keras.Model(source, layers.Dense(3)(value)), data)
    assert found > 20
    assert "makes a divisor 0" in " ".join(result.warnings)


def test_layers_that_augment_pictures_leave_no_op(keras):
    layers = keras.layers
    source = keras.Input((6, 6, 3))
    value = layers.RandomGrayscale()(layers.RandomHue(0.2)(layers.RandomFlip()(source)))
    model = keras.Model(source, layers.Conv2D(2, 3)(value))
    assert [op.name for op in float_model(model).graph.main.ops] == ["CONV_2D"]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_one_pixel_is_resized(keras, interpolation):
    """What comes of it is equal to it everywhere, and not the same."""
    source = keras.Input((1, 1, 3))
    model = keras.Model(source, keras.layers.Resizing(4, 2, interpolation)(source))
    data = np.random.default_rng(0).normal(0, 1, (20, 1, 1, 3)).astype(np.float32)
    made, _ = converted(model, data)
    found = run(made.float_model.data, [data])[0].reshape(20, 4, 2, 3)
    np.testing.assert_allclose(found, np.broadcast_to(data, found.shape), rtol=1e-6)


def test_int4_rounds_layers_around_a_table_too(keras):
    layers = keras.layers
    source = keras.Input((6,))
    value = layers.Activation("mish")(layers.Dense(16)(source))
    value = layers.Activation("selu")(layers.Dense(16)(value))
    data = np.random.default_rng(0).normal(0, 1, (64, 6)).astype(np.float32)
    _, (found,) = converted(keras.Model(source, layers.Dense(4)(value)), data, "int4")
    assert found > 13  # rounding ran the op that stands for the table, which rounds up


def test_values_that_are_not_finite_are_named(keras):
    source = keras.Input((4, 4, 1))
    zeros = source - keras.ops.mean(source, axis=-1, keepdims=True)
    model = keras.Model(source, source / zeros)
    data = np.random.default_rng(0).normal(0, 1, (20, 4, 4, 1)).astype(np.float32)
    with pytest.raises(EdgeqError, match="Values are not finite at"):
        edgeq.convert(model, data=data)


@pytest.mark.parametrize("of", ["a number", "a column"])
def test_angles_of_tensors_of_two_shapes_convert(keras, x, of):
    """TensorFlow Lite's op takes one shape alone, of which only its converter spoke."""
    given = keras.Input((6,), name="x")
    other = 1.7 if of == "a number" else given[:, :1]
    model = keras.Model(given, keras.ops.arctan2(given, other))
    made = edgeq.convert(model, scheme="float16")
    np.testing.assert_allclose(run(made.data, [x])[0][:, 0], model.predict(x, verbose=0), atol=1e-5)
    with pytest.raises(EdgeqError, match="ATAN2 stayed float32"):
        edgeq.convert(model, data=x)
