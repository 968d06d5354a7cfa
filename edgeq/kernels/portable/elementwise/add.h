/* ADD, int8, inputs of the same shape, portable C. */
#ifndef EQ_ADD_H
#define EQ_ADD_H

#include "eq_base.h"

typedef struct {
    int32_t size;
    int32_t input1_offset, input1_multiplier, input1_shift;
    int32_t input2_offset, input2_multiplier, input2_shift;
    int32_t left_shift;
    int32_t output_offset, output_multiplier, output_shift;
    int32_t activation_min, activation_max;
} eq_add_params;

EQ_KERNEL int32_t eq_add_one_s8(const eq_add_params *p, int32_t a, int32_t b)
{
    const int32_t left = (int32_t)1 << p->left_shift;
    const int32_t scaled1 = eq_multiply_by_quantized_multiplier(
        (a + p->input1_offset) * left, p->input1_multiplier, p->input1_shift);
    const int32_t scaled2 = eq_multiply_by_quantized_multiplier(
        (b + p->input2_offset) * left, p->input2_multiplier, p->input2_shift);
    const int32_t raw = eq_multiply_by_quantized_multiplier(scaled1 + scaled2, p->output_multiplier,
                                                            p->output_shift);
    return eq_clamp(raw + p->output_offset, p->activation_min, p->activation_max);
}

/* The output may be written over either input. */
EQ_KERNEL void eq_add_s8(const eq_add_params *p, const int8_t *input1, const int8_t *input2,
                         int8_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        output[i] = (int8_t)eq_add_one_s8(p, input1[i], input2[i]);
    }
}

#endif
