"""TensorFlow Lite's fixed-point arithmetic, as exact integer functions on numpy arrays.

What the generated C computes at run time and what edgeq folds at compile time both come from
here, so the two can never differ.

Source: tensorflow/lite/kernels/internal/{common.h,quantization_util.cc} and gemmlowp's
fixedpoint.h, in their default double-rounding form.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

INT32_MAX = (1 << 31) - 1
INT32_MIN = -(1 << 31)
# float32 overflows where it divides by less.
SMALLEST_DIVISOR = 1e-30


class OutOfRange(ValueError):
    """A number has no place in the fixed-point format that it needs."""


def quantize_multiplier(real: float) -> tuple[int, int]:
    """A real multiplier as Q31 multiplier and shift: real = multiplier * 2**(shift - 31).

    Args:
        real: Non-negative.

    Returns:
        multiplier in [2**30, 2**31) or 0, and shift (positive is left).

    Raises:
        OutOfRange: It is 2**31 or more, or no number.

    Source: TFLite `QuantizeMultiplier`.
    """
    if real == 0.0:
        return 0, 0
    if not math.isfinite(real):
        raise OutOfRange(f"the scales ask for a factor of {real}")
    fraction, shift = math.frexp(real)
    multiplier = math.floor(abs(fraction) * (1 << 31) + 0.5)
    multiplier = multiplier if fraction >= 0 else -multiplier
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 31:
        raise OutOfRange(f"the scales ask for a factor of {real}")
    return multiplier, shift


def quantize_multipliers(
    reals: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`quantize_multiplier` of every element: Q31 multipliers, and shifts (positive is left).

    Raises:
        OutOfRange: One is 2**31 or more, or no number.
    """
    reals = np.asarray(reals, np.float64)
    fractions, exponents = np.frexp(reals)
    shifts = exponents.astype(np.int64)
    with np.errstate(invalid="ignore"):
        multipliers = np.floor(np.abs(fractions) * (1 << 31) + 0.5)
    whole = multipliers == 1 << 31
    multipliers, shifts = np.where(whole, 1 << 30, multipliers), shifts + whole
    bad = ~np.isfinite(reals) | (shifts > 31)
    if bad.any():
        raise OutOfRange(f"the scales ask for a factor of {reals[bad][0]}")
    nothing = (reals == 0) | (shifts < -31)
    signed = np.copysign(multipliers, reals)
    return (
        np.where(nothing, 0, signed).astype(np.int64),
        np.where(nothing, 0, shifts),
    )


def rounding_divide_by_pot(
    x: NDArray[np.int64], exponent: NDArray[np.int64] | int
) -> NDArray[np.int64]:
    """X / 2**exponent, rounded to nearest, ties away from zero. Source: gemmlowp."""
    x, exponent = np.asarray(x, np.int64), np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    result: NDArray[np.int64] = (x >> exponent) + ((x & mask) > threshold)
    return result


def saturating_rounding_doubling_high_mul(
    a: NDArray[np.int64], b: NDArray[np.int64] | int
) -> NDArray[np.int64]:
    """The high 32 bits of 2*a*b, rounded; int32 arguments. Source: gemmlowp."""
    a = np.asarray(a, np.int64)
    product = a * np.asarray(b, np.int64)
    # gemmlowp adds a nudge that depends on the sign and truncates; together that is a floor.
    result: NDArray[np.int64] = (product + (1 << 30)) >> 31
    return np.minimum(result, INT32_MAX)


def multiply_by_quantized_multiplier(
    x: NDArray[np.int64], multiplier: NDArray[np.int64] | int, shift: NDArray[np.int64] | int
) -> NDArray[np.int64]:
    """X * multiplier * 2**(shift - 31) as TFLM rounds it: first to Q31, then by the right shift.

    Args:
        x: int32 values.
        multiplier: Q31; one for all, or one for each.
        shift: Positive is left; likewise.
    """
    shift = np.asarray(shift, np.int64)
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    shifted = wrap_int32(np.asarray(x, np.int64) << left)
    return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(shifted, multiplier), right)


def wrap_int32(x: NDArray[np.int64]) -> NDArray[np.int64]:
    """X reduced to 32-bit two's complement."""
    return ((np.asarray(x, np.int64) + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def round_half_away(x: float) -> int:
    """X to the nearest integer, ties away from zero (C's round())."""
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def dtype_range(dtype: str) -> tuple[int, int]:
    """Smallest and largest value of an integer type."""
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def activation_range(activation: int, dtype: str, scale: float, zero_point: int) -> tuple[int, int]:
    """The clamp that a fused activation means for a quantized output.

    Args:
        activation: TFLite code: 0 none, 1 RELU, 2 RELU_N1_TO_1, 3 RELU6.
        dtype: Integer type of the output.
        scale, zero_point: Quantization of the output.

    Returns:
        (activation_min, activation_max).

    Raises:
        OutOfRange: There is no scale to apply the activation with.

    Source: TFLite `CalculateActivationRangeQuantized`.
    """
    low, high = dtype_range(dtype)
    if activation and scale < SMALLEST_DIVISOR:
        raise OutOfRange(f"a fused activation needs a scale, not {scale}")

    def quantized(real: float) -> int:
        return zero_point + round_half_away(float(np.float32(real) / np.float32(scale)))

    if activation == 1:
        return max(low, quantized(0.0)), high
    if activation == 2:
        return max(low, quantized(-1.0)), min(high, quantized(1.0))
    if activation == 3:
        return max(low, quantized(0.0)), min(high, quantized(6.0))
    return low, high


def _rescale(raw: NDArray[np.int64], left: int) -> NDArray[np.int64]:
    """Raw * 2**left with saturation (left > 0), or a rounding shift (left < 0)."""
    if left <= 0:
        return rounding_divide_by_pot(raw, -left)
    return np.clip(np.asarray(raw, np.int64) << left, INT32_MIN, INT32_MAX)


def _exp_on_interval(a: NDArray[np.int64]) -> NDArray[np.int64]:
    """exp(a) in Q0.31 for a in [-1/4, 0) as Q0.31. Source: gemmlowp."""
    mul = saturating_rounding_doubling_high_mul
    constant_term, one_third = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = mul(x, x)
    x3 = mul(x2, x)
    x4 = mul(x2, x2)
    x4_over_4 = rounding_divide_by_pot(x4, 2)
    inner = rounding_divide_by_pot(mul(x4_over_4 + x3, one_third) + x2, 1)
    sum_terms = constant_term + mul(np.full_like(x, constant_term), x + inner)
    return np.clip(sum_terms, INT32_MIN, INT32_MAX)


def exp_on_negative_values(a: NDArray[np.int64], integer_bits: int) -> NDArray[np.int64]:
    """exp(a) as Q0.31 for a <= 0 given with `integer_bits` integer bits.

    Source: gemmlowp `exp_on_negative_values`.
    """
    a = np.asarray(a, np.int64)
    fraction_bits = 31 - integer_bits
    one_quarter = 1 << (fraction_bits - 2)
    mod = (a & (one_quarter - 1)) - one_quarter
    result = _exp_on_interval(_rescale(mod, integer_bits))
    remainder = mod - a
    table = (
        (-2, 1672461947),
        (-1, 1302514674),
        (0, 790015084),
        (1, 290630308),
        (2, 39332535),
        (3, 720401),
        (4, 242),
    )
    for exponent, multiplier in table:
        if integer_bits > exponent:
            bit = 1 << (fraction_bits + exponent)
            scaled = saturating_rounding_doubling_high_mul(result, multiplier)
            result = np.where(remainder & bit, scaled, result)
    if integer_bits > 5:
        result = np.where(a < -(1 << (fraction_bits + 5)), 0, result)
    return np.where(a == 0, INT32_MAX, result)


def _reciprocal_of_half_sum(a: NDArray[np.int64]) -> NDArray[np.int64]:
    """2 / (1 + a) in Q2.29 for a in [0, 1] as Q0.31, by Newton's method. Source: gemmlowp."""
    mul = saturating_rounding_doubling_high_mul
    half_denominator = (np.asarray(a, np.int64) + INT32_MAX + 1) // 2
    x = 1515870810 + mul(half_denominator, -1010580540)  # 48/17 - 32/17 * d
    for _ in range(3):
        error = (1 << 29) - mul(half_denominator, x)
        x = x + _rescale(mul(x, error), 2)
    return x


def logistic(a: NDArray[np.int64], integer_bits: int) -> NDArray[np.int64]:
    """1 / (1 + exp(-a)) as Q0.31, for a given with `integer_bits` integer bits.

    Source: gemmlowp `logistic`.
    """
    a = np.asarray(a, np.int64)
    positive = _rescale(
        _reciprocal_of_half_sum(exp_on_negative_values(-np.abs(a), integer_bits)), 1
    )
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, INT32_MAX - positive))


def tanh(a: NDArray[np.int64], integer_bits: int) -> NDArray[np.int64]:
    """The hyperbolic tangent as Q0.31 of `a` with `integer_bits` integer bits. Source: gemmlowp."""
    a = np.asarray(a, np.int64)
    exp = exp_on_negative_values(-np.abs(a), integer_bits + 1)
    positive = _rescale(_reciprocal_of_half_sum(exp) - (1 << 29), 2)
    return np.where(a == 0, 0, np.where(a > 0, positive, -positive))


def inverse_sqrt(x: int) -> tuple[int, int]:
    """1 / sqrt(x) as Q31 multiplier and shift (positive is left); 0 counts as 1.

    Source: TFLite `GetInvSqrtQuantizedMultiplierExp`.
    """
    if x <= 1:
        return INT32_MAX, 0
    right = 11
    while x >= 1 << 29:
        x //= 4
        right += 1
    pairs = (31 - x.bit_length()) // 2 - 1
    right -= pairs
    x <<= 2 * pairs
    mul = saturating_rounding_doubling_high_mul
    half = rounding_divide_by_pot(np.int64(x >> 1), 1)
    y = np.asarray(1 << 28, np.int64)
    for _ in range(5):
        cube = _rescale(mul(mul(y, y), y), 6)
        y = _rescale(mul(y, (1 << 28) + (1 << 27)) - mul(half, cube), 3)
    multiplier = int(mul(y, 1518500250))
    return (multiplier << -right, 0) if right < 0 else (multiplier, -right)
