"""What is proven of int16 layers before their sums are kept in 32 bits and scaled by SMMULR."""

import numpy as np
import pytest

from edgeq.compiler.compilation import generate
from edgeq.compiler.ops.dsp.int16_channels import segment_values, settled, wide_scales
from tests.oracle.build import TensorSpec, single_op

LIMITS = {"activation_min": -32768, "activation_max": 32767}


def channels(rng, count=64, taps=30):
    """Weights, and biases, Q15 multipliers and right shifts from 8 to 46."""
    weights = rng.integers(-127, 128, (count, taps))
    bias = rng.integers(-(1 << 33), 1 << 33, count) >> rng.integers(0, 30, count)
    rows = np.stack([bias, rng.integers(1 << 14, 1 << 15, count), rng.integers(8, 47, count)], 1)
    return weights, rows


def scaled(acc, multiplier, shift):
    return (acc * multiplier + (1 << (shift - 1))) >> shift


def test_one_rounded_high_product_is_the_references_scaling():
    rng = np.random.default_rng(0)
    weights, rows = channels(rng)
    scales = wide_scales(weights, rows)
    assert 10 < scales.fits.sum() < 64
    assert scales.lift[scales.fits].any()
    for channel in np.flatnonzero(scales.fits):
        bias, multiplier, shift = (int(v) for v in rows[channel])
        reach = int(np.abs(weights[channel]).sum()) * 32768
        sums = np.concatenate([rng.integers(-reach, reach + 1, 200), [-reach, 0, reach]])
        for acc in (sums + bias).tolist():
            lifted = acc << int(scales.lift[channel])
            assert -(1 << 31) <= lifted < 1 << 31
            high = (lifted * int(scales.multiplier[channel]) + (1 << 31)) >> 32
            assert high == scaled(acc, multiplier, shift)


def test_channels_that_always_give_one_value_are_made_plain():
    rng = np.random.default_rng(1)
    weights, rows = channels(rng)
    taken, plain = settled(weights, rows, LIMITS)
    dead = ~taken.any(axis=1)
    assert 3 < dead.sum() < 64
    np.testing.assert_array_equal(plain[~dead], rows[~dead])
    for channel in np.flatnonzero(dead):
        bias, multiplier, shift = (int(v) for v in rows[channel])
        reach = int(np.abs(weights[channel]).sum()) * 32768
        wanted = {
            min(max(scaled(acc, multiplier, shift), -32768), 32767)
            for acc in (bias - reach, bias, bias + reach)
        }
        assert wanted == {scaled(*(int(v) for v in plain[channel]))}


@pytest.mark.parametrize("taps", [1, 4, 515, 5000])
def test_sums_of_a_segment_keep_to_32_bits(taps):
    weights = np.full((2, taps), 127)
    length = segment_values(weights)
    assert length % 4 == 0
    reach = np.add.reduceat(weights, np.arange(0, taps, length), axis=1) * 32768
    assert reach.max() < 1 << 31
    assert length >= min(taps, 256)


@pytest.mark.parametrize(
    ("taps", "weight", "form"),
    [(400, 127, "eq_conv_2d_dsp_s16"), (600, 127, "eq_conv_2d_wide_dsp_s16")],
)
def test_the_form_follows_the_bound(taps, weight, form, tmp_path):
    values = np.full((4, 1, 1, taps), weight, np.int8)
    filters = TensorSpec(values.shape, "int8", [0.01] * 4, 0, values)
    source = TensorSpec((1, 3, 3, taps), "int16", 0.0005)
    bias = TensorSpec((4,), "int64", [5e-6] * 4, 0, np.zeros(4, np.int64))
    options = {"padding": 0, "stride_h": 1, "stride_w": 1}
    options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
    output = TensorSpec((1, 3, 3, 4), "int16", 0.01)
    path = tmp_path / "layer.tflite"
    path.write_bytes(single_op("CONV_2D", [source, filters, bias], [output], options, version=5))
    assert generate(path, target="cortex-m4").manifest["ops"][0]["kernel"] == form
    assert generate(path, target="cortex-m3").manifest["ops"][0]["kernel"] == "eq_conv_2d_s16"
