"""Arithmetic on whole arrays is that on single numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.model.fixedpoint import (
    OutOfRange,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    quantize_multipliers,
)

REALS = st.floats(0.0, 2.0**30) | st.sampled_from(
    [0.0, 0.5, 1.0, 1 - 2**-32, 2.0**-32, 2.0**-31, 5e-324, math.nextafter(1, 0)]
)


@given(st.lists(REALS, min_size=1, max_size=20), st.integers(-(1 << 31), (1 << 31) - 1))
def test_every_element_is_what_it_is_alone(reals, value):
    multipliers, shifts = quantize_multipliers(np.array(reals))
    pairs = [quantize_multiplier(real) for real in reals]
    assert list(zip(multipliers.tolist(), shifts.tolist(), strict=True)) == pairs
    found = multiply_by_quantized_multiplier(np.full(len(reals), value), multipliers, shifts)
    alone = [int(multiply_by_quantized_multiplier(np.int64(value), *pair)) for pair in pairs]
    assert found.tolist() == alone


@pytest.mark.parametrize("bad", [math.inf, math.nan, 2.0**31, 2.0**40])
def test_one_that_has_no_place_is_named(bad):
    with pytest.raises(OutOfRange):
        quantize_multiplier(bad)
    with pytest.raises(OutOfRange, match=str(bad)):
        quantize_multipliers(np.array([1.0, bad, 0.5]))
