/* SQUARED_DIFFERENCE, int8 and int16, portable C. */
#ifndef EQ_SQUARED_DIFFERENCE_H
#define EQ_SQUARED_DIFFERENCE_H

#include "eq_broadcast.h"

typedef struct {
    eq_broadcast shape;
    int32_t input1_offset, input1_multiplier, input1_shift;
    int32_t input2_offset, input2_multiplier, input2_shift;
    int32_t left_shift;
    int32_t output_offset, output_multiplier, output_shift;
    int32_t activation_min, activation_max;
} eq_squared_difference_params;

/* The scaled inputs are at most half of 255 * 2^7 (int8) or 2^15 (int16), so the square fits. */
EQ_KERNEL int32_t eq_squared_difference_one(const eq_squared_difference_params *p, int32_t a,
                                            int32_t b)
{
    const int32_t left = (int32_t)1 << p->left_shift;
    const int32_t scaled1 = eq_multiply_by_quantized_multiplier(
        (a + p->input1_offset) * left, p->input1_multiplier, p->input1_shift);
    const int32_t scaled2 = eq_multiply_by_quantized_multiplier(
        (b + p->input2_offset) * left, p->input2_multiplier, p->input2_shift);
    const int32_t difference = scaled1 - scaled2;
    const int32_t raw = eq_multiply_by_quantized_multiplier(difference * difference,
                                                            p->output_multiplier, p->output_shift);
    return eq_clamp(raw + p->output_offset, p->activation_min, p->activation_max);
}

/* The output may be written over an input that is not spread. */
EQ_KERNEL void eq_squared_difference_s8(const eq_squared_difference_params *p, const int8_t *input1,
                                        const int8_t *input2, int8_t *output)
{
    EQ_FOR_PAIRS(&p->shape, i, j)
    {
        *output++ = (int8_t)eq_squared_difference_one(p, input1[i], input2[j]);
    }
}

EQ_KERNEL void eq_squared_difference_s16(const eq_squared_difference_params *p,
                                         const int16_t *input1, const int16_t *input2,
                                         int16_t *output)
{
    EQ_FOR_PAIRS(&p->shape, i, j)
    {
        *output++ = (int16_t)eq_squared_difference_one(p, input1[i], input2[j]);
    }
}

#endif
