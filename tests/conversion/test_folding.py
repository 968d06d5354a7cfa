"""What belongs to the input and output folds away: scales, shifts, and the head."""

import numpy as np
import pytest

import edgeq
from edgeq.conversion.float_model import float_model
from edgeq.errors import UsageError
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run

keras = pytest.importorskip("keras")
layers = keras.layers

ARITHMETIC = {"ADD", "SUB", "MUL", "DIV"}


def small(padding, *before, first="plain", dtype="float32", behind=()):
    keras.utils.set_random_seed(3)
    x = y = keras.Input((10, 10, 3), dtype=dtype)
    for layer in before:
        y = layer(y)
    if first == "depthwise":
        y = layers.DepthwiseConv2D(3, padding=padding, depth_multiplier=2)(y)
    else:
        y = layers.Conv2D(6, 3, padding=padding, groups=3 if first == "grouped" else 1)(y)
    for layer in behind:
        y = layer(y)
    y = layers.GlobalAveragePooling2D()(layers.ReLU()(y))
    return keras.Model(x, layers.Dense(3, activation="softmax")(y))


def pixels(dtype=np.float32, count=16):
    return np.random.default_rng(0).integers(0, 256, (count, 10, 10, 3)).astype(dtype)


def by_channel():
    return layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.04, 0.05, 0.06])


def kinds(graph):
    return [op.name for op in graph.main.ops]


BEFORE = {
    "scaled": lambda: [layers.Rescaling(1 / 255)],
    "centred": lambda: [layers.Rescaling(1 / 127.5, -1)],
    "normalized": lambda: [layers.Rescaling(1 / 255), by_channel()],
}


@pytest.mark.parametrize("first", ["plain", "depthwise", "grouped"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("name", BEFORE)
def test_what_scales_the_input_is_part_of_the_first_layer(name, padding, first):
    model = small(padding, *BEFORE[name](), first=first)
    found = float_model(model)
    shifted = padding == "same" and name != "scaled"
    assert len(ARITHMETIC.intersection(kinds(found.graph))) == shifted
    x = pixels(count=3)
    values = run(found.data, [x])[0].reshape(3, -1)
    # The padding is exact too: what it stands for is zero behind the shift.
    assert np.allclose(values, model.predict(x, verbose=0), atol=1e-5)


def test_pixels_stay_pixels_and_cost_nothing(tmp_path):
    paths = {}
    for name, before in (("with", BEFORE["normalized"]()), ("without", [])):
        model = small("valid", *before)
        x = pixels() if before else pixels() / 255
        paths[name] = tmp_path / f"{name}.tflite"
        edgeq.convert(model, data=x, output=paths[name], accept_loss=True)
    graphs = {name: parse_graph(path.read_bytes()) for name, path in paths.items()}
    assert kinds(graphs["with"]) == kinds(graphs["without"])
    source = graphs["with"].main.tensors[graphs["with"].main.inputs[0]]
    assert (source.scale, source.zero_point) == (1.0, -128)
    arenas = [edgeq.compile(path, tmp_path / name).plan.arena_bytes for name, path in paths.items()]
    assert arenas[0] == arenas[1]


@pytest.mark.parametrize(
    ("dtype", "first"), [("float32", "plain"), ("uint8", "plain"), ("float32", "grouped")]
)
def test_a_shift_in_front_of_padding_is_a_change_of_the_zero_point(dtype, first, tmp_path):
    model = small("same", *BEFORE["centred"](), dtype=dtype, first=first)
    path = tmp_path / "shifted.tflite"
    result = edgeq.convert(model, data=pixels(dtype), output=path)
    graph = parse_graph(result.data)
    assert not ARITHMETIC.intersection(kinds(graph))
    (moved,) = (op for op in graph.main.ops if op.name == "RESHAPE")
    before, after = (graph.main.tensors[i] for i in (moved.inputs[0], moved.outputs[0]))
    assert (before.scale, after.scale) == (1.0, 1.0)
    # 127.5 becomes 0; the rest of half a step is in the layer's bias.
    assert abs(after.zero_point - before.zero_point - 127.5) == 0.5
    assert result.quality.signal_to_noise_db > 30
    assert edgeq.verify(path, on="c", against="tflm", n=4).equal


def test_scales_that_differ_much_between_channels_stay():
    wide = layers.Normalization(mean=[0.0, 1, 2], variance=[1.0, 100, 1e4])
    assert "MUL" in kinds(float_model(small("valid", wide)).graph)


def test_what_scales_a_result_is_part_of_the_layer_before():
    model = small("valid", behind=[layers.Rescaling(3.0, 0.5)])
    found = float_model(model)
    assert not ARITHMETIC.intersection(kinds(found.graph))
    x = pixels(count=2) / 255
    assert np.allclose(
        run(found.data, [x])[0].reshape(2, -1), model.predict(x, verbose=0), atol=1e-5
    )


def test_heads(tmp_path):
    model = small("valid", *BEFORE["scaled"]())
    x = pixels()
    scores = model.predict(x, verbose=0)
    logits = edgeq.convert(model, data=x, head="logits")
    values = run(logits.data, [x])[0].reshape(scores.shape)
    assert "SOFTMAX" not in kinds(parse_graph(logits.data))
    exact = np.exp(values) / np.exp(values).sum(-1, keepdims=True)
    assert np.abs(exact - scores).max() < 0.02
    chosen = edgeq.convert(model, data=x, head="class", output=tmp_path / "class.tflite")
    graph = parse_graph(chosen.data)
    assert kinds(graph)[-1] == "ARG_MAX" and "SOFTMAX" not in kinds(graph)
    assert graph.main.tensors[graph.main.outputs[0]].dtype == "int32"
    assert list(graph.signatures[0].outputs) == list(parse_graph(logits.data).signatures[0].outputs)
    found = run(chosen.data, [x])[0].ravel()
    assert (found == values.argmax(-1)).all()


def test_a_head_of_logits_is_judged_as_logits(tmp_path):
    """The loss says probabilities, of the sigmoid that is no longer there; 0.5 was the border."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, activation="sigmoid")])
    model.compile(loss="binary_crossentropy")
    model.set_weights([np.ones((1, 1), np.float32), np.zeros(1, np.float32)])
    x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    y = (x[:, 0] > 0).astype(np.int64)
    found = edgeq.convert(
        model, data=x, eval_data=(x, y), head="logits", output=tmp_path / "logits.tflite"
    )
    assert [score.value for score in found.accuracy] == [1, 1]
    assert found.outputs.kind == "logits"
    again = edgeq.evaluate(tmp_path / "logits.tflite", data=(x, y))
    assert (again.score.value, again.outputs.kind) == (1, "logits")
    compared = edgeq.compare_schemes(
        model, data=x, eval_data=(x, y), schemes=["float32", "int8"], head="logits"
    )
    assert [row.evaluation.score.value for row in compared.rows] == [1, 1]


@pytest.mark.parametrize(
    ("head", "words"), [("logits", "no softmax|made by a softmax"), ("class", "several classes")]
)
def test_a_head_that_is_not_there_is_refused(head, words):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    with pytest.raises(UsageError, match=words):
        float_model(model, head=head)
    with pytest.raises(UsageError, match="no head 'tail'"):
        float_model(model, head="tail")


@pytest.mark.parametrize("variance", np.linspace(0.31, 2.01, 100)[[18, 58, 80]])
def test_a_shifted_value_keeps_the_scale_that_a_concatenation_needs(variance):
    random = np.random.default_rng(4)
    data = random.normal(0, 1, (20, 4, 9, 1)).astype(np.float32)
    source = keras.Input((4, 9, 1))
    normal = keras.layers.BatchNormalization(scale=False)
    shifted = normal(source)
    normal.set_weights([np.array([0.136]), np.array([-0.643]), np.array([variance])])
    small = source * keras.ops.sigmoid(source * 0.3) * 0.1
    joined = keras.layers.Concatenate()([shifted, small])
    model = keras.Model(source, keras.layers.Dense(2)(joined))
    made = edgeq.convert(model, data=data, check_passes=True)
    assert made.quality.outputs[0].signal_to_noise_db > 30


@pytest.mark.parametrize("shape", [(6, 1), (1, 6), (6,)])
def test_a_factor_of_each_row_is_not_one_of_each_channel(shape):
    """Rows are as many as channels here."""
    keras.utils.set_random_seed(3)
    factors = np.linspace(0.5, 1.5, 6, dtype=np.float32).reshape(shape)
    x = keras.Input((6, 6))
    model = keras.Model(x, layers.Dense(4)(x * factors))
    given = np.random.default_rng(0).normal(size=(1, 6, 6)).astype(np.float32)
    found = float_model(model)
    values = run(found.data, [given])[0].reshape(1, 6, 4)
    assert np.allclose(values, model.predict(given, verbose=0), atol=1e-5)


def test_what_the_loss_was_computed_of_is_not_what_logits_are(tmp_path):
    """Cross-entropy was that of a sigmoid's probabilities; without the sigmoid there are none."""
    keras.utils.set_random_seed(3)
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(1, activation="sigmoid", bias_initializer="ones")(x))
    model.compile(loss="binary_crossentropy")
    model.save(tmp_path / "net.keras")
    given = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    labels = (model.predict(given, verbose=0)[:, 0] > 0.5).astype(np.int64)
    path = tmp_path / "net.tflite"
    found = edgeq.convert(
        tmp_path / "net.keras", data=given, eval_data=(given, labels), head="logits", output=path,
        scheme="int16x8",
    )  # fmt: skip
    assert found.outputs.kind == "logits"
    assert found.accuracy[0].value == 1.0 and found.accuracy[1].value > 0.97
    judged = edgeq.evaluate(path, data=(given, labels))
    assert judged.outputs.kind == "logits" and judged.score.value > 0.97
    kept = edgeq.convert(tmp_path / "net.keras", data=given, eval_data=(given, labels))
    assert kept.outputs.kind == "probabilities" and kept.accuracy[0].value == 1.0
