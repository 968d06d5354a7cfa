/* DIV, int8, portable C. */
#ifndef EQ_DIV_H
#define EQ_DIV_H

#include "eq_broadcast.h"
#include "eq_inverse_sqrt.h"
#include "eq_softmax.h"

typedef struct {
    eq_broadcast shape;
    int32_t input1_offset, input2_offset;
    int32_t output_offset, output_multiplier, output_shift;
    int32_t activation_min, activation_max;
} eq_div_params;

/* The reference divides by the reciprocal of b, which Newton's method gives; x / 0 is the largest
 * or smallest value, and 0 / 0 is 0. */
EQ_KERNEL int32_t eq_div_one(const eq_div_params *p, int32_t a, int32_t b)
{
    if (b == 0) {
        return a > 0 ? INT32_MAX : (a < 0 ? INT32_MIN : 0);
    }
    const int32_t dividend = b < 0 ? -a : a;
    const uint32_t divisor = (uint32_t)(b < 0 ? -b : b);
    const int32_t zeros = eq_leading_zeros(divisor);
    const int32_t reciprocal = eq_one_over_one_plus_x((int32_t)((divisor << zeros) - 0x80000000u));
    const int32_t magnitude = dividend < 0 ? -dividend - 1 : dividend;
    const int32_t headroom = magnitude == 0 ? 31 : eq_leading_zeros((uint32_t)magnitude) - 1;
    const int32_t lifted = (int32_t)((uint32_t)dividend << headroom);
    const int32_t quotient = eq_doubling_high_mul(lifted, reciprocal);
    const int32_t shift = p->output_shift - (31 - zeros) - headroom;
    const int32_t raw = eq_doubling_high_mul(quotient, p->output_multiplier);
    if (shift < -31) {
        return 0;
    }
    return shift <= 0 ? eq_rounding_divide_by_pot(raw, -shift)
                      : eq_saturating_shift_left(raw, shift);
}

/* The output may be written over an input that is not spread. */
EQ_KERNEL void eq_div_s8(const eq_div_params *p, const int8_t *input1, const int8_t *input2,
                         int8_t *output)
{
    EQ_FOR_PAIRS(&p->shape, i, j)
    {
        const int32_t y = eq_div_one(p, input1[i] + p->input1_offset, input2[j] + p->input2_offset);
        const int64_t moved = (int64_t)y + p->output_offset;
        *output++ = (int8_t)(moved < p->activation_min
                                 ? p->activation_min
                                 : (moved > p->activation_max ? p->activation_max : moved));
    }
}

#endif
