"""Ranges that training fixed: several of one tensor, and integers of 4 bits."""

import numpy as np
import pytest

import edgeq
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")


class Fake(keras.layers.Layer):
    def __init__(self, end, bits=8):
        super().__init__()
        self.settings = (-end, end, bits)

    def call(self, x):
        return tf.quantization.fake_quant_with_min_max_args(x, *self.settings)


class FewBits(keras.layers.Layer):
    """A dense layer with weights of so many bits, by channel."""

    def __init__(self, bits):
        super().__init__()
        self.bits = bits

    def build(self, shape):
        self.weight = self.add_weight(shape=(shape[-1], 3), initializer="glorot_uniform")

    def call(self, x):
        ends = tf.constant([0.4, 0.6, 0.5])
        rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            self.weight, -ends, ends, self.bits, narrow_range=True
        )
        return x @ rounded


def converted(make, scheme="int8", **options):
    """A result with its signal-to-noise ratio to the model itself."""
    keras.utils.set_random_seed(2)
    x = np.random.default_rng(0).normal(0, 1, (60, 6)).astype(np.float32)
    source = keras.Input((6,))
    model = keras.Model(source, make(source))
    data = None if scheme in ("float16", "weight-only") else x
    made = edgeq.convert(model, data=data, scheme=scheme, **options)
    wanted = model.predict(x, verbose=0)
    noise = run(made.data, [x])[0].reshape(wanted.shape) - wanted
    return made, 10 * np.log10((wanted**2).sum() / (noise**2).sum())


def decibels(make, scheme="int8"):
    return converted(make, scheme, quality_check=False)[1]


@pytest.mark.parametrize(
    "make",
    [
        lambda x: keras.ops.concatenate([Fake(0.5)(x) + 1, Fake(4)(x)], 1),
        lambda x: keras.ops.concatenate([Fake(4)(x), Fake(0.5)(x) + 1], 1),
        lambda x: keras.layers.Dense(4)(Fake(0.5)(Fake(3)(x))),
        lambda x: keras.layers.Dense(4)(Fake(4)(Fake(2)(x))),
        lambda x: Fake(0.5)(Fake(3)(keras.layers.Dense(4)(x))),
    ],
    ids=["narrow first", "wide first", "then narrower", "then wider", "output"],
)
def test_each_range_bounds_what_it_is_for(make):
    assert decibels(make) > 25  # 7 with one range for both


def test_activations_of_4_bits():
    assert decibels(lambda x: keras.layers.Dense(4)(Fake(2, 4)(x))) > 17


@pytest.mark.parametrize(("bits", "scheme"), [(2, "int8"), (4, "int4")])
def test_weights_of_few_bits(bits, scheme):
    assert decibels(lambda x: FewBits(bits)(Fake(4)(x)), scheme) > 25


def once_narrow_once_as_it_is(x):
    hidden = keras.layers.Dense(8)(x)
    narrow, whole = (keras.layers.Dense(4)(part) for part in (Fake(0.3)(hidden), hidden))
    return keras.layers.Concatenate()([narrow, whole])


def pooled(x):
    row = Fake(0.3)(keras.layers.Reshape((6, 1))(x))
    return keras.layers.Dense(4)(keras.layers.Flatten()(keras.layers.MaxPooling1D(2)(row)))


@pytest.mark.parametrize("scheme", ["float16", "weight-only", "int8", "int16x8"])
@pytest.mark.parametrize("make", [once_narrow_once_as_it_is, pooled])
def test_what_a_range_cuts_off_is_cut_off(make, scheme):
    """Much is: 0.3 of a standard normal. Float schemes, too; nobody else bears it."""
    made, ratio = converted(make, scheme)
    assert ratio > 30  # -9 to 6 without bounds
    assert scheme not in ("int8", "int16x8") or made.quality.verdict == "good"


def test_integers_that_end_with_a_range_need_no_ops_for_it():
    def make(x):
        hidden = Fake(0.5)(keras.layers.Dense(6)(Fake(0.5)(x)))
        return keras.layers.Dense(4)(
            Fake(0.6)(keras.layers.ReLU()(Fake(0.6)(hidden + Fake(0.5)(x))))
        )

    made, ratio = converted(make)
    assert ratio > 28
    kinds = {op.name for op in parse_graph(made.data).main.ops}
    assert kinds == {"FULLY_CONNECTED", "ADD", "RELU"}  # no table of the last and its bounds
