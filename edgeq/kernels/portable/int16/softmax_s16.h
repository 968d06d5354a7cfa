/* SOFTMAX with int16 results, portable C. */
#ifndef EQ_SOFTMAX_S16_H
#define EQ_SOFTMAX_S16_H

#include "eq_softmax.h"

typedef struct {
    int32_t rows, depth;
    int32_t multiplier, shift; /* of a difference to steps of exp_lut; positive shift is left */
} eq_softmax_s16_params;

/* Linear interpolation between the 513 points of a table over the int16 range. */
EQ_KERNEL int32_t eq_interpolate_s16(const int16_t *lut, int32_t x)
{
    const int32_t index = 256 + (x >> 7);
    const int32_t slope = (int16_t)(lut[index + 1] - lut[index]);
    return lut[index] + ((slope * (x & 0x7F) + 64) >> 7);
}

/* The output may be written over the input. `exp_lut` holds exp over [-10, 0], `reciprocal_lut`
 * 1 / (1 + x) over [0, 1], both in Q0.15. */
EQ_KERNEL void eq_softmax_s16(const eq_softmax_s16_params *p, const int16_t *input,
                              const int16_t *exp_lut, const int16_t *reciprocal_lut,
                              int16_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        int32_t max = INT16_MIN;
        for (int32_t c = 0; c < p->depth; c++) {
            max = eq_max(max, input[c]);
        }
        int32_t sum = 0; /* Q16.15 */
        for (int32_t c = 0; c < p->depth; c++) {
            const int32_t scaled =
                eq_multiply_by_quantized_multiplier(input[c] - max, p->multiplier, p->shift);
            const int32_t place = eq_clamp(eq_max(scaled, -65535) + 32767, INT16_MIN, INT16_MAX);
            output[c] = (int16_t)eq_interpolate_s16(exp_lut, place);
            sum += eq_min(output[c], INT32_MAX - sum);
        }
        int32_t headroom = 0; /* leading zeros, at least one */
        for (uint32_t bits = (uint32_t)sum; bits < 0x80000000u; bits <<= 1) {
            headroom++;
        }
        const int32_t fraction = (int32_t)((((int64_t)sum << (headroom - 1)) + (1 << 13)) >> 14) -
                                 ((int32_t)1 << 15) - ((int32_t)1 << 16);
        const int32_t reciprocal =
            eq_interpolate_s16(reciprocal_lut, eq_clamp(fraction, INT16_MIN, INT16_MAX));
        const int32_t shift = 31 - headroom;
        for (int32_t c = 0; c < p->depth; c++) {
            const int64_t product = (int64_t)output[c] * reciprocal;
            const int32_t value = (int32_t)((product + ((int64_t)1 << (shift - 1))) >> shift);
            output[c] = (int16_t)eq_clamp(value, 0, INT16_MAX);
        }
        input += p->depth;
        output += p->depth;
    }
}

/* int8 in, int16 out; `exp_table[d]` is exp(-d * scale * beta) in Q0.31. */
EQ_KERNEL void eq_softmax_s8_s16(const eq_softmax_params *p, const int8_t *input,
                                 const int32_t *exp_table, int16_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        int32_t max = INT8_MIN;
        for (int32_t c = 0; c < p->depth; c++) {
            max = eq_max(max, input[c]);
        }
        uint32_t sum = 0;
        for (int32_t c = 0; c < p->depth; c++) {
            if (max - input[c] < p->table_size) {
                sum = eq_softmax_add(sum, exp_table[max - input[c]]);
            }
        }
        int32_t headroom = 0;
        for (uint32_t bits = sum; bits < 0x80000000u; bits <<= 1) {
            headroom++;
        }
        const int32_t reciprocal =
            eq_one_over_one_plus_x((int32_t)((sum << headroom) - 0x80000000u));
        const int32_t exponent = 12 - headroom + 31 - 16;
        for (int32_t c = 0; c < p->depth; c++) {
            int32_t value = INT16_MIN;
            if (max - input[c] < p->table_size) {
                const int32_t product = eq_doubling_high_mul(exp_table[max - input[c]], reciprocal);
                value += eq_rounding_divide_by_pot(product, exponent);
            }
            output[c] = (int16_t)eq_min(value, INT16_MAX);
        }
        input += p->depth;
        output += p->depth;
    }
}

#endif
