/* SOFTMAX, int8, portable C.
 *
 * exp() of the difference to the row's maximum depends on one byte only, so the host computes all
 * its values with the reference's fixed-point arithmetic and the device looks them up.
 */
#ifndef EQ_SOFTMAX_H
#define EQ_SOFTMAX_H

#include "eq_base.h"

typedef struct {
    int32_t rows, depth;
    int32_t table_size; /* differences of this and more give 0 */
} eq_softmax_params;

/* 1 / (1 + x) for x in [0, 1), Q0.31; Newton-Raphson as in gemmlowp. */
EQ_KERNEL int32_t eq_one_over_one_plus_x(int32_t x)
{
    const int64_t one = INT32_MAX;
    const int32_t half_denominator = (int32_t)(((int64_t)x + one + 1) / 2);
    /* 48/17 and -32/17 in Q2.29 */
    int32_t y = 1515870810 + eq_doubling_high_mul(-1010580540, half_denominator);
    for (int32_t i = 0; i < 3; i++) {
        const int32_t error = ((int32_t)1 << 29) - eq_doubling_high_mul(y, half_denominator);
        y += (int32_t)((uint32_t)(((int64_t)y * error + ((int64_t)1 << 30)) >> 31) << 2);
    }
    /* y / 2 from Q2.29 to Q0.31, saturated */
    return y >= ((int32_t)1 << 30) ? INT32_MAX : (int32_t)((uint32_t)y << 1);
}

/* The sum, in Q13.19, with one more exp() of Q0.31. (From 4096 on the reference overflows.) */
EQ_KERNEL uint32_t eq_softmax_add(uint32_t sum, int32_t term)
{
    const uint32_t total = sum + (uint32_t)eq_rounding_divide_by_pot(term, 12);
    return total < sum ? UINT32_MAX : total;
}

/* `exp_table[d]` is exp(-d * scale * beta) in Q0.31. */
EQ_KERNEL void eq_softmax_s8(const eq_softmax_params *p, const int8_t *input,
                             const int32_t *exp_table, int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        int32_t max = INT8_MIN;
        for (int32_t c = 0; c < p->depth; c++) {
            max = eq_max(max, input[c]);
        }
        uint32_t sum = 0;
        for (int32_t c = 0; c < p->depth; c++) {
            const int32_t difference = max - input[c];
            if (difference < p->table_size) {
                sum = eq_softmax_add(sum, exp_table[difference]);
            }
        }
        int32_t headroom = 0;
        for (uint32_t bits = sum; bits < 0x80000000u; bits <<= 1) {
            headroom++;
        }
        const int32_t reciprocal =
            eq_one_over_one_plus_x((int32_t)((sum << headroom) - 0x80000000u));
        const int32_t exponent = 12 - headroom + 31 - 8;
        /* From a sum of 512 on, even the largest result rounds to 0; TFLM stops there. */
        const int32_t table_size = exponent > 31 ? 0 : p->table_size;
        for (int32_t c = 0; c < p->depth; c++) {
            const int32_t difference = max - input[c];
            int32_t value = INT8_MIN;
            if (difference < table_size) {
                const int32_t product = eq_doubling_high_mul(exp_table[difference], reciprocal);
                value += eq_rounding_divide_by_pot(product, exponent);
            }
            output[c] = (int8_t)eq_min(value, INT8_MAX);
        }
        input += p->depth;
        output += p->depth;
    }
}

#endif
