"""Values and scales at which TensorFlow Lite Micro does what one does not expect."""

import numpy as np
import pytest

from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import Case, assert_same

FAR = np.array([-200, -7e4, -3e9, -1e20, 300, 7e4, 3e9, 5e9, 1e20], np.float32)
FLOATS = np.append(FAR, np.array([np.nan, np.inf, -np.inf, -0.0, 0.5, -0.5], np.float32))
EVERY_INT16 = np.arange(-32768, 32768).astype(np.int16)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "bool"])
def test_a_cast_of_floats_saturates_and_makes_nan_0_or_true(dtype):
    x, y = TensorSpec(FLOATS.shape, "float32"), TensorSpec(FLOATS.shape, dtype)
    assert_same([Case(dtype, single_op("CAST", [x], [y]), [[FLOATS]])])


@pytest.mark.parametrize("scales", [(0.5, 0.5), (0.5, 1.0), (0.5, 4.0), (None, None)])
def test_abs_of_int16_rounds_its_ties_up_and_keeps_a_plain_smallest_value(scales):
    x, y = (TensorSpec(EVERY_INT16.shape, "int16", scale) for scale in scales)
    assert_same([Case(str(scales), single_op("ABS", [x], [y]), [[EVERY_INT16]])])


def test_a_floor_division_divides_in_double_precision():
    values = np.array([6, 0.6, -0.1, 7, 1e30], np.float32)
    below = np.array([0.1, 0.1, np.inf, -0.7, 3], np.float32)
    tensors = [TensorSpec((5,), "float32") for _ in range(3)]
    model = single_op("FLOOR_DIV", tensors[:2], tensors[2:])
    assert_same([Case("FLOOR_DIV", model, [[values, below]])])


@pytest.mark.parametrize("name", ["ARG_MAX", "ARG_MIN"])
def test_nan_wins_where_it_comes_first(name):
    x, y = TensorSpec((3, 3), "float32"), TensorSpec((3,), "int32")
    axis = TensorSpec((), "int32", data=np.int32(1))
    rows = np.array([[np.nan, 1, 2], [1, np.nan, 2], [2, 1, np.nan]], np.float32)
    model = single_op(name, [x, axis], [y], {"output_type": 2})
    assert_same([Case(name, model, [[rows]])])


def test_a_norm_of_nan_is_nan():
    x, y = TensorSpec((2, 3), "float32"), TensorSpec((2, 3), "float32")
    rows = np.array([[np.nan, 1, 2], [0, 0, 1e-9]], np.float32)
    assert_same([Case("L2", single_op("L2_NORMALIZATION", [x], [y]), [[rows]])])


@pytest.mark.parametrize("scale", [2.7, 5.3])
def test_a_logistic_of_int16_takes_large_scales(scale):
    x, y = TensorSpec((65536,), "int16", scale), TensorSpec((65536,), "int16", 1 / 32768)
    assert_same([Case("LOGISTIC", single_op("LOGISTIC", [x], [y]), [[EVERY_INT16]])])


def test_a_model_that_needs_no_memory_compiles_without_warnings():
    x = TensorSpec((2, 3), "float32", data=np.ones((2, 3), np.float32))
    axis = TensorSpec((), "int32", data=np.int32(0))
    model = single_op("EXPAND_DIMS", [x, axis], [TensorSpec((1, 2, 3), "float32")])
    assert_same([Case("constant", model, [[]])])


@pytest.mark.parametrize("dtype", ["uint32", "uint64", "int64"])
def test_constants_of_wide_types_reach_their_ends(dtype):
    ends = np.iinfo(dtype)
    values = np.array([ends.min, ends.max, 1], dtype)
    x = TensorSpec((3,), dtype, data=values)
    shape = TensorSpec((2,), "int32", data=[2, 3])
    model = single_op("BROADCAST_TO", [x, shape], [TensorSpec((2, 3), dtype)])
    assert_same([Case(dtype, model, [[]])])
