"""SOFTMAX of rows so long that its fixed-point numbers come to their ends."""

import numpy as np
import pytest

from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import Case, assert_same, run_c

LONG = 1000
OUTPUTS = {"int8": (1 / 256, -128), "int16": (1 / 65536, -32768)}


def long_row(result, near, depth=LONG):
    """Of a row's values, `near` are the maximum; the others are 12.7 and more below."""
    source = TensorSpec((1, depth), "int8", 0.05)
    output = TensorSpec((1, depth), result, *OUTPUTS[result])
    values = np.full((1, depth), -128, np.int8)
    values[0, :near] = 127
    model = single_op("SOFTMAX", [source], [output], {"beta": 1.0})
    return Case(f"{near} of {depth} to {result}", model, [[values]])


def test_sums_up_to_the_largest_that_the_oracle_takes():
    assert_same(long_row("int8", near) for near in (1, 255, 256, 257, 510, 511))
    assert_same(long_row("int16", near) for near in (1, 511, 512, 513, 1000))
    assert_same([long_row("int16", 4095, 4095)])


@pytest.mark.parametrize("near", [512, 513, 1000])
def test_a_thousand_like_classes_have_no_probability(near):
    # TFLM stops the program here; the values are below half a step.
    (ran,) = run_c([long_row("int8", near)])
    assert ran == ("ran", [[np.full(LONG, -128, np.int8).tobytes()]])


def test_rows_are_as_long_as_they_like():
    assert_same(long_row("int16", near, 70000) for near in (1, 4095))
    assert_same([long_row("int8", 100, 70000)])


@pytest.mark.parametrize("near", [8192, 9000, 70000])
def test_sums_that_overflow_in_the_oracle_stay_at_the_largest(near):
    (ran,) = run_c([long_row("int8", near, 70000)])
    assert ran == ("ran", [[np.full(70000, -128, np.int8).tobytes()]])
    ((verdict, outputs),) = run_c([long_row("int16", near, 70000)])
    assert verdict == "ran"
    assert np.frombuffer(outputs[0][0], np.int16).max() == 8 - 32768
