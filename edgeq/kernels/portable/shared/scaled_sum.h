/* ADD with broadcasting, and SUB: integers of different scales are brought to a common one.
 * int8 and int16, portable C. */
#ifndef EQ_SCALED_SUM_H
#define EQ_SCALED_SUM_H

#include "eq_broadcast.h"

typedef struct {
    eq_broadcast shape;
    int32_t input1_offset, input1_multiplier, input1_shift;
    int32_t input2_offset, input2_multiplier, input2_shift;
    int32_t sign; /* of input 2: 1 or -1 */
    int32_t left_shift;
    int32_t output_offset, output_multiplier, output_shift;
    int32_t activation_min, activation_max;
} eq_scaled_sum_params;

/* With left_shift 20 for int8 and 15 for int16 a scaled input stays below 2^30, so the sum fits. */
EQ_KERNEL int32_t eq_scaled_sum_one(const eq_scaled_sum_params *p, int32_t a, int32_t b)
{
    const int32_t left = (int32_t)1 << p->left_shift;
    const int32_t scaled1 = eq_multiply_by_quantized_multiplier(
        (a + p->input1_offset) * left, p->input1_multiplier, p->input1_shift);
    const int32_t scaled2 = eq_multiply_by_quantized_multiplier(
        (b + p->input2_offset) * left, p->input2_multiplier, p->input2_shift);
    const int32_t raw = eq_multiply_by_quantized_multiplier(scaled1 + p->sign * scaled2,
                                                            p->output_multiplier, p->output_shift);
    return eq_clamp(raw + p->output_offset, p->activation_min, p->activation_max);
}

/* The output may be written over an input that is not spread. */
EQ_KERNEL void eq_scaled_sum_s8(const eq_scaled_sum_params *p, const int8_t *input1,
                                const int8_t *input2, int8_t *output)
{
    EQ_FOR_PAIRS(&p->shape, i, j)
    {
        *output++ = (int8_t)eq_scaled_sum_one(p, input1[i], input2[j]);
    }
}

EQ_KERNEL void eq_scaled_sum_s16(const eq_scaled_sum_params *p, const int16_t *input1,
                                 const int16_t *input2, int16_t *output)
{
    EQ_FOR_PAIRS(&p->shape, i, j)
    {
        *output++ = (int16_t)eq_scaled_sum_one(p, input1[i], input2[j]);
    }
}

#endif
