"""Scales of 0 and next to 0, as converters give them to zeros."""

from dataclasses import replace

import numpy as np
import pytest

import edgeq
from edgeq.errors import EdgeqError
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build, single_op
from tests.oracle.check import Case, Oracle, assert_same, check, random_case

TINY = 3.587e-43


def first_step(dtype):
    """The end of an unrolled LSTM's first step, whose state is zeros."""
    shape, zero = (1, 8), -5 if dtype == "int8" else 0
    tensors = [
        TensorSpec(shape, dtype, 1 / 128, zero),
        TensorSpec(shape, dtype, 0.0, 0, data=np.zeros(shape)),
        TensorSpec(shape, dtype, TINY, 0),
        TensorSpec(shape, dtype, 1 / 100, zero),
    ]
    ops = [OpSpec("MUL", [0, 1], [2]), OpSpec("ADD", [2, 0], [3])]
    return build([SubgraphSpec(tensors, ops, [0], [3])])


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_the_zeros_that_a_state_starts_with(dtype):
    assert_same([random_case(f"state {dtype}", first_step(dtype))])


def test_zeros_may_be_moved_and_requantized():
    zeros = TensorSpec((2, 3), "int8", 0.0, 0)
    moved = single_op(
        "TRANSPOSE",
        [zeros, TensorSpec((2,), "int32", data=[1, 0])],
        [TensorSpec((3, 2), "int8", 0.0, 0)],
    )
    wider = single_op("QUANTIZE", [zeros], [TensorSpec((2, 3), "int16", 0.5)])
    assert_same([random_case("TRANSPOSE", moved), random_case("QUANTIZE", wider)])


@pytest.mark.parametrize(
    ("name", "dtype", "scales"),
    [
        ("DIV", "int8", (0.0, 0.5, 0.5)),
        ("LOGISTIC", "int8", (TINY, 1 / 256)),
        ("LOGISTIC", "int16", (TINY, 2.0**-15)),
        ("EXP", "int8", (0.5, TINY)),
        ("QUANTIZE", "float32", (None, 0.0)),
    ],
)
def test_what_needs_a_larger_scale_is_refused(name, dtype, scales):
    zero = {"LOGISTIC": -128 if dtype == "int8" else 0}.get(name, 0)
    *inputs, output = (TensorSpec((4,), dtype, scale) for scale in scales)
    output = TensorSpec((4,), "int8" if name == "QUANTIZE" else dtype, scales[-1], zero)
    (result,) = check([random_case(name, single_op(name, inputs, [output]))])
    assert result.verdict in ("refused", "both refuse")
    assert "scale" in result.detail


@pytest.mark.parametrize("name", ["RELU", "ADD", "MAXIMUM"])
def test_activations_have_one_scale(name, tmp_path):
    """No runtime says what others mean: edgeq's C and LiteRT differed by 127, or LiteRT ended."""
    several = [TensorSpec((1, 4), "int8", [0.1, 0.2, 0.3, 0.4], axis=1) for _ in range(3)]
    path = tmp_path / "m.tflite"
    path.write_bytes(single_op(name, several[: 1 if name == "RELU" else 2], several[2:]))
    with pytest.raises(EdgeqError, match="is no constant and has a scale for each channel"):
        edgeq.compile(path, output=tmp_path / "c")


@pytest.mark.parametrize("computed", [True, False])
def test_scales_of_a_layer_are_multiplied_in_double_precision(computed):
    """A sum whose product with their float32 product would be rounded to another integer."""
    values = np.array([[-40, 84, -70, -21]], np.int8), np.array([[-62, 87, -63, 63]], np.int8)
    source = TensorSpec((1, 4), "int8", 0.007643192075192928, 127)
    weights = TensorSpec((1, 4), "int8", 0.395872563123703, -117)
    if not computed:
        weights = replace(weights, data=values[1])
    output = TensorSpec((1, 1), "int8", 1.2067043781280518, 98)
    model = single_op("FULLY_CONNECTED", [source, weights, None], [output])
    case = Case("a sum at a tie", model, [values[: 1 + computed]])
    assert_same([case])
    with Oracle() as oracle:
        assert int(np.asarray(oracle.run(case)[0][0][0])[0, 0]) == -40
