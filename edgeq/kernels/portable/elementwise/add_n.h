/* ADD_N of any number of inputs of one shape and scale, int8 and float32, portable C. */
#ifndef EQ_ADD_N_H
#define EQ_ADD_N_H

#include "eq_base.h"

typedef struct {
    int32_t inputs, size;
    int32_t input_offset;
    int32_t left_shift, input_multiplier, input_shift;
    int32_t output_offset, output_multiplier, output_shift;
    int32_t activation_min, activation_max;
} eq_add_n_params;

EQ_KERNEL int32_t eq_add_n_scaled(const eq_add_n_params *p, int32_t x)
{
    const int32_t left = (int32_t)1 << p->left_shift;
    return eq_multiply_by_quantized_multiplier(x * left, p->input_multiplier, p->input_shift);
}

/* The reference starts its sum at -zero point. Sums wrap around. The output may be written over any
 * input. */
EQ_KERNEL void eq_add_n_s8(const eq_add_n_params *p, const void *const *inputs, int8_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        uint32_t sum = (uint32_t)eq_add_n_scaled(p, p->input_offset);
        for (int32_t k = 0; k < p->inputs; k++) {
            const int32_t x = ((const int8_t *)inputs[k])[i] + p->input_offset;
            sum += (uint32_t)eq_add_n_scaled(p, x);
        }
        const int32_t y = eq_multiply_by_quantized_multiplier((int32_t)sum, p->output_multiplier,
                                                              p->output_shift);
        output[i] = (int8_t)eq_clamp(y + p->output_offset, p->activation_min, p->activation_max);
    }
}

EQ_KERNEL void eq_add_n_f32(const eq_add_n_params *p, const void *const *inputs, float *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        float sum = 0.0f;
        for (int32_t k = 0; k < p->inputs; k++) {
            sum += ((const float *)inputs[k])[i];
        }
        output[i] = sum;
    }
}

#endif
