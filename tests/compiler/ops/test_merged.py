"""Both roundings in one: the reference's output for every sum that a channel can have."""

import numpy as np
import pytest

from edgeq.compiler.ops.dsp.layers import MORE_BITS, pass_scale
from edgeq.compiler.ops.dsp.merged import (
    MERGED_ALL,
    MERGED_NONE,
    MERGED_SOME,
    merged_addend,
    merged_bits,
)
from edgeq.compiler.ops.shared.channels import Channels
from edgeq.model.fixedpoint import multiply_by_quantized_multiplier

BOUND = 200_000


def channels(random, shifts, bound=BOUND):
    count = len(shifts)
    return Channels(
        weights=np.ones((count, 1), np.int64),
        bias=np.zeros(count, np.int64),
        multiplier=random.integers(1 << 30, 1 << 31, count),
        shift=np.array(shifts, np.int64),
        bound=np.full(count, bound, np.int64),
    )


def scale(zero_point, rectified=1):
    low = zero_point if rectified else -128
    limits = {"activation_min": low, "activation_max": 127}
    return {"twice_offset_plus_1": 2 * zero_point + 1, "rectified": rectified, **limits}


def reference(layer, index, zero_point):
    sums = np.arange(-BOUND, BOUND + 1)[np.newaxis]
    factor, shift = layer.multiplier[index : index + 1], layer.shift[index : index + 1]
    scaled = multiply_by_quantized_multiplier(sums, factor, -shift)
    return np.clip(scaled[0] + zero_point, zero_point, 127)


@pytest.mark.parametrize("zero_point", [-128, -57, 0, 80])
def test_one_rounding_gives_the_outputs_of_two(zero_point):
    layer = channels(np.random.default_rng(0), range(3, 10))
    bits, how = merged_bits(layer, scale(zero_point))
    assert how == MERGED_ALL
    added = merged_addend(zero_point, bits)
    sums = np.arange(-BOUND, BOUND + 1)
    for index, up in enumerate(bits):
        high = ((sums << up) * layer.multiplier[index]) >> 32
        found = np.clip((high + added[index]) >> 10, zero_point, 127)
        assert np.array_equal(found, reference(layer, index, zero_point))


@pytest.mark.parametrize("zero_point", [-128, -57, 0, 80])
def test_a_convolutions_first_channel_rounds_once(zero_point):
    layer = channels(np.random.default_rng(1), range(1, 15))
    assert pass_scale(scale(zero_point), layer)["rectified"] == 1
    sums = np.arange(-BOUND, BOUND + 1)
    for index, shift in enumerate(layer.shift):
        added = ((2 * zero_point + 1) << (shift - 1 + MORE_BITS)) + (1 << (MORE_BITS - 1))
        high = ((256 * sums * layer.multiplier[index]) >> 32) + added
        assert np.abs(high).max() < 1 << 31
        found = np.clip(high >> (shift + MORE_BITS), zero_point, 127)
        assert np.array_equal(found, reference(layer, index, zero_point))


def test_channels_that_do_not_fit_round_twice():
    random = np.random.default_rng(2)
    bits, how = merged_bits(channels(random, [2, 3, 9, 10]), scale(-128))
    assert (list(bits), how) == ([0, 8, 2, 0], MERGED_SOME)
    assert merged_bits(channels(random, [5]), scale(-128, rectified=0))[1] == MERGED_NONE
    # 2^23 times 2^8 is more than 32 bits have.
    assert merged_bits(channels(random, [3], bound=1 << 23), scale(-128))[1] == MERGED_NONE
    assert pass_scale(scale(-128), channels(random, [20]))["rectified"] == 0
