"""Ops that the quantizer leaves take the scales of what lies beside them, whatever its type."""

import numpy as np
import pytest

import edgeq
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run

keras = pytest.importorskip("keras")
layers, ops = keras.layers, keras.ops


def decibels(model, made, x):
    wanted = model.predict(x, verbose=0)
    noise = run(made.data, [x])[0].reshape(wanted.shape) - wanted
    return 10 * np.log10((wanted**2).sum() / (noise**2).sum())


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).normal(0, 1, (60, 6, 6, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "between",
    [
        lambda x: layers.LeakyReLU(0.2)(x),
        lambda x: ops.abs(x) - 0.7,
        lambda x: ops.flip(x, 1),
        lambda x: ops.maximum(x, np.array([0.1, 0.3, 1], np.float32)),
    ],
    ids=["scaled", "size", "moved", "chosen"],
)
def test_inputs_and_outputs_of_uint8(between, pictures):
    source = keras.Input((6, 6, 3))
    model = keras.Model(source, between(source))
    made = edgeq.convert(model, data=pictures, io="uint8", quality_check=False)
    assert made.proof.inputs == made.proof.outputs == ("uint8",)
    assert decibels(model, made, pictures) > 35  # 3 with the zero point of the other type


@pytest.mark.parametrize("wide", ["add", "pool", "*"])
def test_layers_of_16_bits_on_either_side(wide, pictures):
    source = keras.Input((6, 6, 3))
    value = layers.Add(name="add")([source, layers.Conv2D(3, 1, name="conv")(source)])
    value = layers.MaxPool2D(name="pool")(layers.LeakyReLU(name="leaky")(value))
    model = keras.Model(source, layers.Conv2D(4, 1, name="last")(value))
    made = edgeq.convert(
        model, data=pictures, scheme="mixed", precision={wide: "int16x8"}, quality_check=False
    )
    assert "int16" in made.proof.dtypes
    assert decibels(model, made, pictures) > 30  # 0 with the scale of 16 bits


def test_a_layer_that_has_the_type_of_the_scheme_is_not_said_to_have_another(pictures):
    source = keras.Input((6, 6, 3))
    value = layers.LeakyReLU(name="leaky")(layers.Conv2D(4, 1, name="conv")(source))
    model = keras.Model(source, layers.Conv2D(4, 1, name="last")(value))
    both = {"leaky": "int16x8", "last": "int16x8"}
    made = edgeq.convert(model, data=pictures, scheme="mixed", precision=both, quality_check=False)
    assert made.precision == {"last": "int16x8"}
    (warning,) = (w for w in made.warnings if "does nothing" in w)
    assert '"leaky" does not compute in int16' in warning


@pytest.mark.parametrize("bound", [150.0, np.array([0.5, 180, -10], np.float32)])
def test_numbers_to_compare_with_that_are_larger_than_the_steps(bound):
    source = keras.Input((3,))
    chosen = ops.where(source > bound, ops.flip(source, 1), source)
    model = keras.Model(source, ops.concatenate([chosen, source], 1))
    x = np.random.default_rng(0).uniform(-20, 200, (80, 3)).astype(np.float32)
    x[np.abs(x - bound) < 2] += 4  # between two steps either answer is right
    made = edgeq.convert(model, data=x, quality_check=False)
    main = parse_graph(made.data).main
    (comparison,) = (op for op in main.ops if op.name == "GREATER")
    assert len({main.tensors[i].scale for i in comparison.inputs}) == 1
    assert decibels(model, made, x) > 35


@pytest.mark.parametrize("io", [None, "int8"])
def test_pictures_of_uint8_beside_floats(io):
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (40, 4, 4, 3)).astype(np.uint8)
    features = random.normal(0, 1, (40, 4)).astype(np.float32)
    first, second = keras.Input((4, 4, 3), dtype="uint8", name="a"), keras.Input((4,), name="b")
    value = layers.Flatten()(layers.Rescaling(1 / 255)(first))
    model = keras.Model([first, second], layers.Dense(3)(layers.Concatenate()([value, second])))
    data = {"a": pictures, "b": features}
    made = edgeq.convert(model, data=data, io=io, quality_check=False)
    assert made.proof.inputs == ("int8" if io else "uint8", "int8")
    wanted = model.predict([pictures, features], verbose=0)
    given = [pictures if io is None else pictures.astype(np.float32), features]
    noise = run(made.data, given)[0].reshape(wanted.shape) - wanted
    assert 10 * np.log10((wanted**2).sum() / (noise**2).sum()) > 30


@pytest.mark.parametrize(
    ("scheme", "compare", "bound", "most"),
    [
        ("int8", ops.equal, 3.0, 6.0),  # in the middle between two steps
        ("int16x8", ops.greater, 1.0, 32.767),  # on a step, but for the scale's own rounding
    ],
)
def test_values_that_are_what_they_are_compared_with(scheme, compare, bound, most):
    source = keras.Input((4,))
    model = keras.Model(source, ops.where(compare(source, bound), source + 1.0, 0.0))
    x = np.tile(np.float32([0, bound, most / 2, most]), (8, 1))
    made = edgeq.convert(model, data=x, scheme=scheme, quality_check=False)
    with np.errstate(divide="ignore"):
        assert decibels(model, made, x) > 35
