/* MUL, int8 and int16, portable C. */
#ifndef EQ_SCALED_PRODUCT_H
#define EQ_SCALED_PRODUCT_H

#include "eq_broadcast.h"

typedef struct {
    eq_broadcast shape;
    int32_t input1_offset, input2_offset;
    int32_t output_offset, output_multiplier, output_shift;
    int32_t activation_min, activation_max;
} eq_scaled_product_params;

/* |product| <= 255^2 for int8 and 2^30 for int16. */
EQ_KERNEL int32_t eq_scaled_product_one(const eq_scaled_product_params *p, int32_t a, int32_t b)
{
    const int32_t product = (a + p->input1_offset) * (b + p->input2_offset);
    const int32_t raw =
        eq_multiply_by_quantized_multiplier(product, p->output_multiplier, p->output_shift);
    return eq_clamp(raw + p->output_offset, p->activation_min, p->activation_max);
}

/* The output may be written over an input that is not spread. */
EQ_KERNEL void eq_scaled_product_s8(const eq_scaled_product_params *p, const int8_t *input1,
                                    const int8_t *input2, int8_t *output)
{
    EQ_FOR_PAIRS(&p->shape, i, j)
    {
        *output++ = (int8_t)eq_scaled_product_one(p, input1[i], input2[j]);
    }
}

EQ_KERNEL void eq_scaled_product_s16(const eq_scaled_product_params *p, const int16_t *input1,
                                     const int16_t *input2, int16_t *output)
{
    EQ_FOR_PAIRS(&p->shape, i, j)
    {
        *output++ = (int16_t)eq_scaled_product_one(p, input1[i], input2[j]);
    }
}

#endif
