/* LOG_SOFTMAX of the last axis, int8, portable C.
 *
 * As in softmax, what depends on the difference to the row's maximum alone comes from tables that
 * the host computes.
 */
#ifndef EQ_LOG_SOFTMAX_H
#define EQ_LOG_SOFTMAX_H

#include "eq_inverse_sqrt.h"
#include "eq_softmax.h"

typedef struct {
    int32_t rows, depth;
    int32_t table_size; /* differences of this and more count as nothing */
    int32_t reverse_multiplier, reverse_shift;
} eq_log_softmax_params;

/* log(x) in Q5.26 for x >= 1 in Q12.19.
 * Source: TFLite log_x_for_x_greater_than_or_equal_to_1. */
EQ_KERNEL int32_t eq_log(int32_t x)
{
    const int32_t sqrt_half = 1518500250;
    const int32_t fourth_root_half = 1805811301;
    const int32_t quarter = (int32_t)1 << 23; /* Q6.25 */
    const int32_t zeros_a = eq_leading_zeros((uint32_t)x);
    const int32_t full_a = eq_saturating_shift_left(x, zeros_a - 1);
    const int32_t r_a = eq_saturating_shift_left(eq_doubling_high_mul(full_a, sqrt_half), 1);
    const int32_t power_a = (12 - zeros_a) * ((int32_t)1 << 25) + quarter;
    const int32_t x_b = eq_doubling_high_mul(x, sqrt_half);
    const int32_t zeros_b = eq_leading_zeros((uint32_t)x_b) - 1;
    const int32_t r_b = eq_saturating_shift_left(x, zeros_b);
    const int32_t power_b = (12 - zeros_b) * ((int32_t)1 << 25) - quarter;
    const int32_t r = eq_min(r_a, r_b);
    const int32_t power = eq_max(power_a, power_b);
    const int32_t p = (int32_t)(((int64_t)r + fourth_root_half + 1) / 2);
    const int32_t q = (r - fourth_root_half) * 2;
    const int32_t square = eq_doubling_high_mul(q, q);
    const int32_t numerator = eq_doubling_high_mul(q, r) +
                              eq_doubling_high_mul(eq_doubling_high_mul(q, square), 117049297);
    const int32_t inner = 1057819769 + q + eq_doubling_high_mul(127690142, square);
    const int32_t denominator = eq_doubling_high_mul(p, inner) + eq_doubling_high_mul(638450708, q);
    const int32_t reciprocal = eq_one_over_one_plus_x(denominator);
    const int32_t fraction =
        eq_doubling_high_mul(eq_rounding_divide_by_pot(numerator, 6), reciprocal);
    return eq_saturating_shift_left(eq_doubling_high_mul(power, 1488522236) + fraction, 1);
}

/* `tables` holds exp(-d * scale) in Q12.19, then -d * scale in Q5.26, for d = 0, 1, ... The
 * output's scale is 1 / 16 and its zero point 127; it may be written over the input. */
EQ_KERNEL void eq_log_softmax_s8(const eq_log_softmax_params *p, const int8_t *input,
                                 const int32_t *tables, int8_t *output)
{
    const int32_t *const scaled = tables + p->table_size;
    for (int32_t row = 0; row < p->rows; row++) {
        int32_t max = INT8_MIN;
        for (int32_t c = 0; c < p->depth; c++) {
            max = eq_max(max, input[c]);
        }
        int32_t sum = 0; /* depth < 2^12, checked by the host */
        for (int32_t c = 0; c < p->depth; c++) {
            const int32_t difference = max - input[c];
            sum += difference < p->table_size ? tables[difference] : 0;
        }
        const int32_t log_sum = eq_log(sum);
        const int32_t lowest = eq_multiply_by_quantized_multiplier(
            log_sum + INT32_MIN, p->reverse_multiplier, p->reverse_shift);
        const int32_t limit = eq_max(-p->table_size, lowest);
        for (int32_t c = 0; c < p->depth; c++) {
            const int32_t difference = max - input[c];
            int32_t y = INT8_MIN;
            if (-difference > limit) {
                y = eq_rounding_divide_by_pot(scaled[difference] - log_sum, 22) + INT8_MAX;
            }
            output[c] = (int8_t)eq_clamp(y, INT8_MIN, INT8_MAX);
        }
        input += p->depth;
        output += p->depth;
    }
}

#endif
