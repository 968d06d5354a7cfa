"""Arrays on their way into and out of a model."""

import numpy as np
import pytest

from edgeq.errors import EdgeqError
from edgeq.model.arrays import (
    dequantize,
    model_inputs,
    quantize,
    read_arrays,
    to_input,
    write_arrays,
)
from edgeq.model.graph import Quantization, Subgraph, Tensor


def tensor(shape=(1, 2, 3), dtype="int8", scale=0.5, zero_point=-3, index=0, name="x"):
    quantization = None
    if scale:
        quantization = Quantization(np.float32([scale]), np.int64([zero_point]))
    return Tensor(index, name, shape, dtype, quantization)


@pytest.mark.parametrize("shape", [(5, 2, 3), (5, 1, 2, 3)])
def test_the_first_axis_counts_samples(shape):
    assert to_input(np.zeros(shape, np.int8), tensor(), "x").shape == (5, 1, 2, 3)


def test_an_axis_that_is_no_batch_must_be_there():
    assert to_input(np.zeros((5, 4, 3)), tensor((4, 3)), "x").shape == (5, 4, 3)
    with pytest.raises(EdgeqError, match="shape"):
        to_input(np.zeros((4, 3)), tensor((4, 3)), "x")


def test_integers_are_taken_as_they_are():
    given = np.arange(6).reshape(1, 2, 3) - 3
    assert to_input(given, tensor(), "x").tolist() == [given.tolist()]
    assert to_input(given, tensor(), "x").dtype == np.int8
    with pytest.raises(EdgeqError, match="0 to 200"):
        to_input(np.array([[[0, 1, 2], [3, 4, 200]]]), tensor(), "x")


def test_floats_are_quantized_as_tflite_does():
    values = np.array([0.25, -0.25, 0.75, 0.0, 1e9, -1e9])
    # Half away from zero, then the zero point, then saturation.
    assert quantize(values, tensor()).tolist() == [-2, -4, -1, -3, 127, -128]


@pytest.mark.parametrize(
    ("dtype", "least", "most"),
    [("int32", -(2**31), 2**31 - 1), ("int64", -(2**63), 2**63 - 1024), ("uint32", 0, 2**32 - 1)],
)
def test_wide_integers_saturate_on_their_own_side(dtype, least, most):
    """As NAME_input_from_real() does: a float32 limit of 2**31 became the least int32."""
    values = np.array([2.2e9, 9.3e18, 3e38, -3e38, 2147483520.0], np.float32)
    wide = tensor(dtype=dtype, scale=1.0, zero_point=7)
    first = min(most, 2_200_000_007)
    assert quantize(values, wide).tolist() == [first, most, most, least, 2_147_483_527]


def test_dequantize_gives_back_the_nearest_real():
    values = np.linspace(-60, 60, 500).astype(np.float32)
    assert np.abs(dequantize(quantize(values, tensor()), tensor()) - values).max() <= 0.25


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_name_the_sample(bad):
    given = np.zeros((4, 2, 3), np.float32)
    given[2, 0, 0] = bad
    with pytest.raises(EdgeqError, match="sample 2"):
        to_input(given, tensor(), "x")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((0, 2, 3)), "no samples"),
        (np.array([["a"]]), "shape"),
        (np.array([[["a"] * 3] * 2]), "no number type"),
        (np.zeros((1, 2, 3), complex), "no number type"),
    ],
)
def test_what_is_no_input_is_refused(given, words):
    with pytest.raises(EdgeqError, match=words):
        to_input(given, tensor(), "x")


def two_inputs():
    tensors = (tensor((1, 2), index=0, name="left"), tensor((1, 3), index=1, name="right"))
    return Subgraph(0, "", tensors, (), (1, 0), ())


@pytest.mark.parametrize("keys", [("0", "1"), ("right", "left"), ("0", "left")])
def test_several_inputs_by_position_or_name(keys):
    arrays = model_inputs(
        dict(zip(keys, (np.zeros((4, 3)), np.zeros((4, 2))), strict=True)), two_inputs(), "f.npz"
    )
    assert [array.shape for array in arrays] == [(4, 1, 3), (4, 1, 2)]


def test_several_inputs_in_order():
    arrays = model_inputs([np.zeros((4, 3)), np.zeros((4, 2))], two_inputs(), "inputs")
    assert [array.shape for array in arrays] == [(4, 1, 3), (4, 1, 2)]
    with pytest.raises(EdgeqError, match="keys"):
        model_inputs([np.zeros((4, 3))], two_inputs(), "inputs")


def test_missing_keys_and_unequal_counts_are_named():
    with pytest.raises(EdgeqError, match="keys") as caught:
        model_inputs({"0": np.zeros((4, 3))}, two_inputs(), "f.npz")
    assert '1 or "left"' in caught.value.hint
    with pytest.raises(EdgeqError, match="4 and 5 samples"):
        model_inputs({"0": np.zeros((4, 3)), "1": np.zeros((5, 2))}, two_inputs(), "f.npz")


def test_pickles_are_never_loaded(tmp_path):
    path = tmp_path / "bad.npy"
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(EdgeqError, match="pickle"):
        read_arrays(path)
    np.savez(tmp_path / "bad.npz", np.array([{"a": 1}], object))
    with pytest.raises(EdgeqError, match="pickle"):
        read_arrays(tmp_path / "bad.npz")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04 no zip", b"text"])
def test_a_broken_file_is_one_clear_error(tmp_path, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(EdgeqError):
        read_arrays(path)


def test_truncated_npz(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x=np.zeros(1000))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(EdgeqError):
        read_arrays(path)


def test_outputs_are_written_by_position(tmp_path):
    arrays = [np.arange(3), np.arange(4)]
    write_arrays(tmp_path / "y.npz", arrays, force=False)
    read = read_arrays(tmp_path / "y.npz")
    assert sorted(read) == ["0", "1"]
    assert read["1"].tolist() == [0, 1, 2, 3]
    with pytest.raises(EdgeqError, match="2 outputs"):
        write_arrays(tmp_path / "y.npy", arrays, force=False)
    assert not (tmp_path / "y.npy").exists()
