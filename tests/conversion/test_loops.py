"""Loops that are recurrent layers of the user's own, or look like one: the values are Keras's."""

import numpy as np
import pytest

import edgeq
from edgeq.conversion.float_model import float_model
from tests.conversion.nets import run

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
ops = keras.ops


class Cell(keras.layers.Layer):
    """What `step` computes of an input, the states and three arrays of weights."""

    def __init__(self, step, shape=(4,), states=1, width=4, bias=(4,)):
        super().__init__()
        self.step, self.shape, self.width, self.bias_shape = step, shape, width, bias
        self.state_size, self.output_size = [shape] * states, shape[-1]

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.width), name="w")
        self.r = self.add_weight(shape=(4, self.width), name="r")
        self.b = self.add_weight(shape=self.bias_shape, name="b")

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, *self.shape)) for _ in self.state_size]

    def call(self, x, states, training=False):
        return self.step(self, x, *states)


def delayed(cell, x, last, before):
    hidden = ops.tanh(x @ cell.w + before @ cell.r + cell.b)
    return hidden, [hidden, last]


def doubled(cell, x, hidden):
    total = x @ cell.w + hidden @ cell.r
    made = ops.tanh(total + total + cell.b)
    return made, [made]


def by_row(cell, x, hidden):
    made = ops.tanh(ops.matmul(x, cell.w) + ops.matmul(hidden, cell.r) + cell.b)
    return made, [made]


def of_rows(cell, x, hidden, kept):
    gates = ops.matmul(x, cell.w) + ops.matmul(hidden, cell.r) + cell.b
    i, f, g, o = ops.split(gates, 4, axis=-1)
    kept = ops.sigmoid(f) * kept + ops.sigmoid(i) * ops.tanh(g)
    made = ops.sigmoid(o) * ops.tanh(kept)
    return made, [made, kept]


CELLS = {
    "a state is another as it was": (delayed, {"states": 2}),
    "a bias behind twice a layer": (doubled, {}),
    "a bias for each row": (by_row, {"shape": (4, 4), "bias": (4, 1)}),
    "an LSTM of rows": (of_rows, {"shape": (4, 4), "states": 2, "width": 16, "bias": (16,)}),
}


class Rows(keras.layers.Layer):
    """All results of a recurrent layer of a cell whose items have rows."""

    def __init__(self, cell, item):
        super().__init__()
        self.rnn, self.item = keras.layers.RNN(cell, return_sequences=True), item

    def build(self, shape):
        self.rnn.cell.build((None, *self.item))
        self.rnn.built = True

    def call(self, x):
        return self.rnn(x)

    def compute_output_shape(self, shape):
        return shape


def weighted(model):
    random = np.random.default_rng(1)
    model.set_weights([random.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return model


def assert_keras(model, atol=1e-5):
    shape = (3, *model.inputs[0].shape[1:])
    x = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    wanted = model.predict(x, verbose=0, batch_size=1)
    (found,) = run(float_model(model).data, [x])
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=atol)


@pytest.mark.parametrize("name", CELLS)
def test_cells_of_the_users_own_give_what_keras_gives(name):
    step, options = CELLS[name]
    cell = Cell(step, **options)
    given = keras.Input((5, *cell.shape))
    assert_keras(weighted(keras.Model(given, Rows(cell, cell.shape)(given))))


class Kept(keras.layers.Layer):
    """Hands on what came two calls before, and what it keeps is what it gives."""

    stateful = True

    def build(self, shape):
        zeros = np.zeros(shape, np.float32)
        self.states = [keras.Variable(zeros, trainable=False) for _ in range(2)]

    def call(self, x):
        last, before = self.states
        given = ops.copy(before)
        before.assign(last)
        last.assign(x * 1.5)
        return given


def test_a_state_that_another_takes_over_is_as_it_was():
    given = keras.Input(batch_shape=(1, 4))
    model = keras.Model(given, Kept()(given))
    x = np.random.default_rng(0).normal(0, 1, (5, 1, 4)).astype(np.float32)
    (found,) = run(float_model(model).data, [x])
    wanted = np.concatenate([np.zeros((2, 1, 4)), 1.5 * x[:3]])
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=1e-6)


def test_a_stateful_cell_goes_on_with_the_state_before():
    layer = keras.layers.RNN(Cell(delayed, states=2), stateful=True)
    given = keras.Input(batch_shape=(1, 2, 4))
    model = weighted(keras.Model(given, layer(given)))
    layer.reset_state()
    x = np.random.default_rng(0).normal(0, 1, (4, 2, 4)).astype(np.float32)
    wanted = np.concatenate([np.asarray(model(one[None])) for one in x])
    (found,) = run(float_model(model).data, [x])
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=1e-5)


WEIGHTS = np.random.default_rng(1).normal(0, 0.5, (4, 4)).astype(np.float32)


class Turns(keras.layers.Layer):
    """A loop over the steps of the input, written by hand."""

    def __init__(self, body, starts, answer):
        super().__init__()
        self.body, self.starts, self.answer = body, starts, answer

    def call(self, x):
        steps = tf.transpose(x, (1, 0, 2))

        def body(i, *values):
            return i + 1, *self.body(steps, i, *values)

        starts = [tf.constant(start) for start in self.starts]
        return self.answer(*tf.while_loop(lambda i, *_: i < 5, body, [tf.constant(0), *starts]))

    def compute_output_shape(self, shape):
        return 1, 4


def stepped(x, h):
    return tf.tanh(x @ WEIGHTS + h)


def met(x, seen, h):
    """Another step from a value above 1 on."""
    return seen | (x[:, :1] > 1.0), tf.where(seen, x @ WEIGHTS + h * 0.5, h + x)


ZERO = np.zeros((1, 4), np.float32)
LOOPS = {
    "a second counter starts at 1": (
        lambda s, i, j, h: (j + 1, stepped(tf.gather(s, j), h)), [1, ZERO],
        lambda i, j, h: h),
    "the counter is read behind": (
        lambda s, i, h: (stepped(tf.gather(s, i), h),), [ZERO],
        lambda i, h: h * tf.cast(i, tf.float32)),
    "the last of all items": (
        lambda s, i, h, y: (stepped(tf.gather(s, i), h), tf.nn.relu(tf.gather(s, i)) + h),
        [ZERO, ZERO], lambda i, h, y: tf.concat([h[:, :2], y[:, 2:]], -1)),
    "the input before": (
        lambda s, i, p, h: (tf.gather(s, i), stepped(tf.gather(s, i) - p, h)), [ZERO, ZERO],
        lambda i, p, h: h),
    "a state that is true or false": (
        lambda s, i, seen, h: met(tf.gather(s, i), seen, h), [np.array([[False]]), ZERO],
        lambda i, seen, h: h),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_loops_written_by_hand_give_what_keras_gives(name):
    given = keras.Input((6, 4))
    model = keras.Model(given, Turns(*LOOPS[name])(given))
    assert_keras(model)
    if name == "a state that is true or false":
        data = np.random.default_rng(2).normal(0, 1, (16, 6, 4)).astype(np.float32)
        assert edgeq.convert(model, data=data).quality.signal_to_noise_db > 20
