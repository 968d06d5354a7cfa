"""Constants that a few numbers in a file make huge are refused before anything computes them."""

import numpy as np
import pytest

from edgeq.conversion.float_model import float_model
from edgeq.errors import EdgeqError
from tests.memory import peak_mb
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

tf = pytest.importorskip("tensorflow")


def saved(folder, made):
    """A SavedModel that adds the sum of what is made of constants."""

    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32)])
        def serve(self, x):
            return {"y": x + tf.reduce_sum(tf.cast(made(x), tf.float32))}

    net = Net()
    tf.saved_model.save(net, str(folder), signatures=net.serve)
    return folder


def refusal(path):
    errors = []

    def read():
        with pytest.raises(EdgeqError) as caught:
            float_model(path)
        errors.append(str(caught.value))

    assert peak_mb(read) < 400  # what was asked for are gigabytes
    return errors[0]


def looped(x):
    """A constant inside a branch inside a loop."""

    def turn(i, y):
        made = lambda: y + tf.reduce_sum(tf.fill((1 << 15, 1 << 15), 1.0))  # noqa: E731
        return i + 1, tf.cond(y[0, 0] > 0, made, lambda: y)

    return tf.while_loop(lambda i, _: i < 3, turn, (0, x), maximum_iterations=3)[1]


HUGE = {
    "Fill": lambda _: tf.fill((1 << 16, 1 << 15), 1.0),
    "BroadcastTo": lambda _: tf.broadcast_to(tf.constant([1.0, 2.0]), (1 << 28, 2)),
    "OneHot": lambda _: tf.one_hot(tf.zeros((1000,), tf.int32), 1 << 20),
    "Mul": lambda _: tf.ones((1 << 15, 1)) * tf.ones((1, 1 << 15)),
    "Range": lambda _: tf.range(1 << 30),
    "Tile": lambda _: tf.tile(tf.ones((1, 4)), (1 << 15, 1 << 14)),
    "in a loop": looped,
}


@pytest.mark.parametrize("kind", HUGE)
def test_a_saved_model_of_few_bytes_does_not_fill_the_memory(kind, tmp_path):
    said = refusal(saved(tmp_path / "net", HUGE[kind]))
    assert "268,435,456 are computed at most" in said
    assert f"by {'Fill' if kind == 'in a loop' else kind} '" in said


WIDE = {
    "an input": ((10**6, 10**6, 1), lambda k, x: k.layers.Flatten()(x)),
    "a layer": ((4, 4, 1), lambda k, x: k.layers.UpSampling2D((50_000, 50_000))(x)),
    "padding": ((8, 1), lambda k, x: k.layers.ZeroPadding1D((1 << 30, 0))(x)),
    "a picture": ((4, 4, 1), lambda k, x: k.layers.Resizing(17_000, 17_000)(x)),
    "a random picture": ((17_000, 17_000, 1), lambda k, x: k.layers.RandomFlip()(x)),
}


@pytest.mark.parametrize("kind", WIDE)
def test_huge_tensors_are_refused_before_tensorflow_optimizes(kind, tmp_path):
    """It ended the process (segmentation fault) over a .keras file of 1.7 KB."""
    keras = pytest.importorskip("keras")
    shape, layer = WIDE[kind]
    source = keras.Input(shape, name="wide")
    path = tmp_path / "net.keras"
    keras.Model(source, layer(keras, source)).save(path)
    assert "is larger than edgeq handles" in refusal(path)


def test_a_saved_model_with_a_huge_input_is_refused(tmp_path):
    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 1 << 20, 1 << 20), tf.float32)])
        def serve(self, x):
            return {"y": tf.reshape(x, (1, -1))}

    net = Net()
    tf.saved_model.save(net, str(tmp_path / "net"), signatures=net.serve)
    assert "shape (1, 1048576, 1048576) of Placeholder" in refusal(tmp_path / "net")


def test_small_constants_are_computed_as_before(tmp_path):
    model = float_model(saved(tmp_path / "net", lambda _: tf.fill((3, 5), 2.0)))
    assert [op.name for op in model.graph.main.ops] == ["ADD"]
    assert any(t.is_constant and np.all(t.data == 30) for t in model.graph.main.tensors)


def foreign(path, shape):
    """A float .tflite whose FILL makes a shape that the file may not own up to."""
    tensors = [
        TensorSpec((1, 4), "float32", name="x"),
        TensorSpec((2,), "int32", data=np.int32([1 << 16, 1 << 14]), name="dims"),
        TensorSpec((), "float32", data=np.float32(1), name="one"),
        TensorSpec(shape, "float32", name="large"),
        TensorSpec((2,), "int32", data=np.int32([0, 1]), name="axes"),
        TensorSpec((), "float32", name="sum"),
        TensorSpec((1, 4), "float32", name="y"),
    ]
    ops = [
        OpSpec("FILL", [1, 2], [3]),
        OpSpec("SUM", [3, 4], [5]),
        OpSpec("ADD", [0, 5], [6]),
    ]
    path.write_bytes(build([SubgraphSpec(tensors, ops, [0], [6])]))
    return path


@pytest.mark.parametrize("shape", [(1 << 13, 1 << 14), (2, 2)])
def test_a_tflite_of_others_does_not_fill_the_memory(shape, tmp_path):
    path = foreign(tmp_path / "net.tflite", shape)
    assert "268,435,456 are computed at most" in refusal(path)
