"""Data that do not say all of themselves: values in a row, samples without a known end."""

import numpy as np
import pytest

from edgeq.data import InputSpec, open_dataset


@pytest.mark.parametrize("axes", [(1, 0), (0, 1)])
def test_values_in_a_row_lie_as_in_the_model_s_own_file(tmp_path, axes):
    """As the rows of an array of that file: channels first for a model of PyTorch."""
    tf = pytest.importorskip("tensorflow")
    spec = InputSpec("x", (5, 2), file_axes=axes)
    x = np.arange(30, dtype=np.float32).reshape(3, *spec.file_shape)
    np.savez(tmp_path / "a.npz", x=x)
    lines = [",".join(map(str, each.ravel().tolist())) for each in x]
    (tmp_path / "a.csv").write_text("\n".join([",".join(f"v{k}" for k in range(10)), *lines]))
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        for each in x:
            feature = {
                "x": tf.train.Feature(float_list=tf.train.FloatList(value=each.ravel())),
                "raw": tf.train.Feature(bytes_list=tf.train.BytesList(value=[each.tobytes()])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    exact = [sample.inputs[0] for sample in open_dataset(tmp_path / "a.npz", [spec])]
    np.testing.assert_array_equal(exact, x.transpose(0, *(1 + axis for axis in axes)))
    for name in ("a.csv", "a.tfrecord", "a.tfrecord:raw"):
        found = open_dataset(str(tmp_path / name), [spec])
        np.testing.assert_array_equal([sample.inputs[0] for sample in found], exact)
        told = [words for words in found.understood.warnings if "stand in a row" in words]
        assert len(told) == (axes == (1, 0))


def test_of_samples_without_a_known_end_the_first_are_taken_and_that_is_said():
    def many():
        yield from np.zeros((20, 4), np.float32)

    spec = [InputSpec("x", (4,))]
    assert "the first 5, and more follow" in str(open_dataset(many, spec, limit=5).understood)
    assert "follow" not in str(open_dataset(many, spec, limit=20).understood)


@pytest.mark.parametrize("order", "<>")
def test_integers_of_the_model_s_own_type_are_its_own_in_either_order_of_bytes(tmp_path, order):
    values = np.array([[1000, -2000, 3000, 20000]], f"{order}i2")
    np.savez(tmp_path / "a.npz", x=values)
    spec = InputSpec("x", (4,), "float32", "int16", -1.0, 1.0)
    (sample,) = open_dataset(tmp_path / "a.npz", [spec])
    assert sample.inputs[0].dtype == np.int16
    np.testing.assert_array_equal(sample.inputs[0], values[0])


def test_raw_values_may_begin_as_a_picture_does(tmp_path):
    """Of 65,536 floats one begins with the letters BM."""
    tf = pytest.importorskip("tensorflow")
    values = np.frombuffer(b"BM\x80\x3f" + np.arange(5, dtype="<f4").tobytes(), "<f4")
    feature = {"x": tf.train.Feature(bytes_list=tf.train.BytesList(value=[values.tobytes()]))}
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        writer.write(example.SerializeToString())
    (sample,) = open_dataset(tmp_path / "a.tfrecord", [InputSpec("x", (6,))])
    np.testing.assert_array_equal(sample.inputs[0], values)
