/* PRELU: x where it is positive, else x * alpha; int8, int16 and float32, portable C. */
#ifndef EQ_PRELU_H
#define EQ_PRELU_H

#include "eq_broadcast.h"

typedef struct {
    eq_broadcast shape; /* input 2 is alpha */
    int32_t input_offset, alpha_offset, output_offset;
    int32_t positive_multiplier, positive_shift;
    int32_t negative_multiplier, negative_shift;
    int32_t activation_min, activation_max;
} eq_prelu_params;

typedef struct {
    eq_broadcast shape;
} eq_prelu_f32_params;

/* |x * alpha| <= 65535 * 255. */
EQ_KERNEL int32_t eq_prelu_one(const eq_prelu_params *p, int32_t input, int32_t alpha)
{
    const int32_t x = input + p->input_offset;
    const int32_t raw =
        x >= 0 ? eq_multiply_by_quantized_multiplier(x, p->positive_multiplier, p->positive_shift)
               : eq_multiply_by_quantized_multiplier(x * (alpha + p->alpha_offset),
                                                     p->negative_multiplier, p->negative_shift);
    return eq_clamp(raw + p->output_offset, p->activation_min, p->activation_max);
}

/* The output may be written over the input where that is not spread. */
EQ_KERNEL void eq_prelu_s8(const eq_prelu_params *p, const int8_t *input, const int8_t *alpha,
                           int8_t *output)
{
    EQ_FOR_PAIRS(&p->shape, i, j)
    {
        *output++ = (int8_t)eq_prelu_one(p, input[i], alpha[j]);
    }
}

EQ_KERNEL void eq_prelu_s16(const eq_prelu_params *p, const int16_t *input, const int8_t *alpha,
                            int16_t *output)
{
    EQ_FOR_PAIRS(&p->shape, i, j)
    {
        *output++ = (int16_t)eq_prelu_one(p, input[i], alpha[j]);
    }
}

EQ_KERNEL void eq_prelu_f32(const eq_prelu_f32_params *p, const float *input, const float *alpha,
                            float *output)
{
    EQ_FOR_PAIRS(&p->shape, i, j)
    {
        const float x = input[i];
        *output++ = x >= 0.0f ? x : x * alpha[j];
    }
}

#endif
