"""What is known when compiling is not computed on the device."""

import numpy as np
import pytest

from edgeq.compiler.compilation import generate
from edgeq.compiler.plan.fold import _truncating_divide
from edgeq.errors import EdgeqError
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.oracle.check import Case, assert_same, check, random_case


def i8(*shape, **fields):
    return TensorSpec(shape, "int8", 0.5, 3, **fields)


def known(values, dtype="int32"):
    array = np.asarray(values, dtype)
    return TensorSpec(array.shape, dtype, data=array)


def ops_of(model, tmp_path):
    """The ops that are left in the C of a model."""
    file = tmp_path / "model.tflite"
    file.write_bytes(model)
    made = generate(file, name="m", target="x86-64")
    return [op["op"] for op in made.manifest["ops"]]


def dynamic_batch():
    """What Keras makes of Reshape((6,)) with an open batch: shape arithmetic and a RESHAPE."""
    tensors = [
        i8(1, 2, 3, signature=(-1, 2, 3)),
        TensorSpec((3,), "int32"),
        known([0]),
        known([1]),
        known([1]),
        TensorSpec((), "int32"),
        known(6),
        TensorSpec((2,), "int32"),
        i8(1, 6, signature=(-1, 6)),
        i8(1, 6, signature=(-1, 6)),
    ]
    ops = [
        OpSpec("SHAPE", [0], [1], {"out_type": 2}),
        OpSpec("STRIDED_SLICE", [1, 2, 3, 4], [5], {"shrink_axis_mask": 1}),
        OpSpec("PACK", [5, 6], [7], {"values_count": 2}),
        OpSpec("RESHAPE", [0, 7], [8]),
        OpSpec("ADD", [8, 8], [9]),
    ]
    return build([SubgraphSpec(tensors, ops, [0], [9])])


def test_shape_arithmetic_of_an_open_batch_folds_away(tmp_path):
    assert ops_of(dynamic_batch(), tmp_path) == ["RESHAPE", "ADD"]
    assert_same([random_case("batch 1", dynamic_batch())])


def test_ops_that_nobody_needs_vanish(tmp_path):
    tensors = [i8(4), i8(4), i8(4)]
    ops = [OpSpec("ADD", [0, 0], [1]), OpSpec("ADD", [1, 1], [2])]
    assert ops_of(build([SubgraphSpec(tensors, ops, [0], [1])]), tmp_path) == ["ADD"]


def test_integer_arithmetic_on_constants(tmp_path):
    tensors = [
        TensorSpec((3,), "int32"),
        known([7, -7, 1 << 30]),
        known([2, 2, 4]),
        TensorSpec((3,), "int32"),
        TensorSpec((3,), "int32"),
    ]
    ops = [OpSpec("MUL", [1, 2], [3]), OpSpec("ADD", [0, 3], [4])]
    model = build([SubgraphSpec(tensors, ops, [0], [4])])
    assert ops_of(model, tmp_path) == ["ADD"]
    zeros = Case("wraps", model, [[np.zeros(3, np.int32)]])
    assert_same([zeros])


@pytest.mark.parametrize("outputs", [[0], [1], [0, 1, 2], [2, 2], [3]])
def test_outputs_that_are_inputs_constants_or_the_same_twice(outputs):
    tensors = [i8(4), i8(4, data=[1, 2, 3, -4]), i8(4), i8(2, 2)]
    ops = [OpSpec("ADD", [0, 1], [2]), OpSpec("RESHAPE", [1], [3], {"new_shape": [2, 2]})]
    model = build([SubgraphSpec(tensors, ops, [0], outputs)])
    assert_same([random_case(f"outputs {outputs}", model)])


def test_an_open_axis_behind_the_batch_is_refused():
    tensors = [i8(1, 4, signature=(-1, -1)), i8(1, 4, signature=(-1, -1))]
    model = build([SubgraphSpec(tensors, [OpSpec("ADD", [0, 0], [1])], [0], [1])])
    (result,) = check([random_case("open", model)])
    assert result.verdict == "refused"
    assert "dynamic shape" in result.detail


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_weights_unpacked_per_channel_are_constants(dtype, tmp_path):
    rng = np.random.default_rng(3)
    scales = rng.uniform(0.001, 0.01, 5)
    reach = 128 if dtype == "int8" else 8
    zero_points = rng.integers(-60, 60, 5) if dtype == "int8" else np.zeros(5, int)
    weights = rng.integers(-reach, reach, (5, 3, 3, 2))
    tensors = [
        TensorSpec((5, 3, 3, 2), dtype, scales, zero_points, weights, axis=0),
        TensorSpec((5, 3, 3, 2), "float32"),
        TensorSpec((1, 6, 6, 2), "float32"),
        TensorSpec((5,), "float32", data=rng.normal(size=5)),
        TensorSpec((1, 4, 4, 5), "float32"),
    ]
    options = {"padding": 1, "stride_h": 1, "stride_w": 1}
    options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
    ops = [OpSpec("DEQUANTIZE", [0], [1], version=5), OpSpec("CONV_2D", [2, 1, 3], [4], options)]
    model = build([SubgraphSpec(tensors, ops, [2], [4])])
    assert ops_of(model, tmp_path) == ["CONV_2D"]
    values = [[rng.normal(size=(1, 6, 6, 2)).astype(np.float32)]]
    assert_same([Case("weight-only", model, values, oracle="litert")])


def test_an_open_batch_may_move_to_another_axis():
    tensors = [
        i8(1, 2, 3, signature=(-1, 2, 3)),
        TensorSpec((3,), "int32", data=[1, 0, 2]),
        i8(2, 1, 3, signature=(2, -1, 3)),
        i8(2, 1, 3, signature=(2, -1, 3)),
    ]
    ops = [OpSpec("TRANSPOSE", [0, 1], [2]), OpSpec("ADD", [2, 2], [3])]
    model = build([SubgraphSpec(tensors, ops, [0], [3])])
    assert_same([random_case("time first", model)])


@pytest.mark.parametrize(
    ("ops", "words"),
    [
        ([OpSpec("ADD", [0, 2], [1])], "never written"),
        ([OpSpec("ADD", [0, 0], [1]), OpSpec("ADD", [0, 0], [1])], "second time"),
        ([OpSpec("ADD", [0, 0], [0])], "second time"),
        ([], "never written"),
    ],
)
def test_graphs_that_make_no_sense_are_refused(ops, words, tmp_path):
    model = build([SubgraphSpec([i8(4), i8(4), i8(4)], ops, [0], [1])])
    with pytest.raises(EdgeqError, match=words):
        ops_of(model, tmp_path)


def test_a_slice_of_one_place_obeys_its_masks(tmp_path):
    """The first of (5, 6, 7), whatever the slice would begin at."""
    masks = {"begin_mask": 1, "shrink_axis_mask": 1}
    tensors = [TensorSpec((1,), "int32"), known([5, 6, 7]), known([1]), known([3]), known([1]),
               TensorSpec((), "int32"), TensorSpec((1,), "int32")]  # fmt: skip
    ops = [OpSpec("STRIDED_SLICE", [1, 2, 3, 4], [5], masks), OpSpec("ADD", [0, 5], [6])]
    model = build([SubgraphSpec(tensors, ops, [0], [6])])
    assert ops_of(model, tmp_path) == ["ADD"]
    assert_same([random_case("masked", model, calls=1)])


def test_a_division_of_the_least_number():
    least = -(2**31)
    a, b = np.array([least, -7, 7, -8], np.int32), np.array([2, 2, -2, 2], np.int32)
    assert _truncating_divide(a, b).tolist() == [least // 2, -3, -3, -4]
