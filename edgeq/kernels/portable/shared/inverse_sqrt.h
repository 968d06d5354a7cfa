/* 1 / sqrt(x) of integers, as multiplier and shift; portable C. */
#ifndef EQ_INVERSE_SQRT_H
#define EQ_INVERSE_SQRT_H

#include "eq_base.h"

typedef struct {
    int32_t multiplier; /* Q31 */
    int32_t shift;      /* positive is left */
} eq_scaling;

EQ_WIDE int32_t eq_saturating_shift_left(int32_t x, int32_t bits)
{
    const int64_t wide = (int64_t)x * ((int64_t)1 << bits);
    return wide > INT32_MAX ? INT32_MAX : (wide < INT32_MIN ? INT32_MIN : (int32_t)wide);
}

EQ_KERNEL int32_t eq_leading_zeros(uint32_t x)
{
    int32_t zeros = 0;
    while (zeros < 32 && (x << zeros) < 0x80000000u) {
        zeros++;
    }
    return zeros;
}

/* x >= 0; 0 counts as 1. Newton's method in Q3.28 from 1.
 * Source: TFLite GetInvSqrtQuantizedMultiplierExp. */
EQ_KERNEL eq_scaling eq_inverse_sqrt(int32_t x)
{
    eq_scaling result = {INT32_MAX, 0};
    if (x <= 1) {
        return result;
    }
    int32_t right = 11;
    while (x >= (int32_t)1 << 29) {
        x /= 4;
        right++;
    }
    const int32_t pairs = (eq_leading_zeros((uint32_t)x) - 1) / 2 - 1;
    right -= pairs;
    x = (int32_t)((uint32_t)x << (2 * pairs));
    const int32_t half = eq_rounding_divide_by_pot(x >> 1, 1);
    const int32_t one_and_a_half = ((int32_t)1 << 28) + ((int32_t)1 << 27);
    int32_t y = (int32_t)1 << 28;
    for (int32_t i = 0; i < 5; i++) {
        const int32_t cube = eq_doubling_high_mul(eq_doubling_high_mul(y, y), y);
        const int32_t cube_q3 = eq_saturating_shift_left(cube, 6);
        const int32_t next =
            eq_doubling_high_mul(one_and_a_half, y) - eq_doubling_high_mul(half, cube_q3);
        y = eq_saturating_shift_left(next, 3);
    }
    y = eq_doubling_high_mul(y, 1518500250); /* sqrt(2) / 2 */
    result.multiplier = right < 0 ? (int32_t)((uint32_t)y << -right) : y;
    result.shift = right < 0 ? 0 : -right;
    return result;
}

#endif
